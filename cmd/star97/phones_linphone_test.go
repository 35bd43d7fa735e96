package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/prompt"
)

func TestLinphoneChangesACode(t *testing.T) {
	t.Parallel()
	for _, set := range []struct {
		name, way string
		race      bool
		setup     linphoneSetup
	}{
		{"PCMU, keys as RFC 4733 events", "events", false, linphoneSetup{codec: "PCMU", other: "PCMA", events: 1}},
		{"PCMA, keys as SIP INFO", "info", true, linphoneSetup{codec: "PCMA", other: "PCMU", info: 1}},
	} {
		t.Run(set.name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				v := startService(t, setup{Race: set.race, Codes: map[string]string{extension: oldCode}})
				phone := startLinphone(t, v, set.setup)
				changesTheCode(t, v, phone, ownDoor, set.way)
			})
		})
	}
}

// TestLinphoneChangesACodeUnderTLS checks our certificate and gives up a call whose audio is
// not protected.
func TestLinphoneChangesACodeUnderTLS(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		s, certificate := secured(t)
		v := startService(t, s)
		phone := startLinphone(t, v, linphoneSetup{codec: "PCMA", other: "PCMU", events: 1, authorities: certificate})
		changesTheCode(t, v, phone, anyDoor, "events")
		require.Contains(t, phone.trace(t), "RTP/SAVP")
	})
}

// linphoneSetup is what differs between runs.
type linphoneSetup struct {
	codec, other string // the other one is off
	events, info int    // 1: keys are sent that way
	authorities  string // for TLS, with SRTP: a file; empty: UDP
	password     string // its user is the extension; empty: it has none
}

// linphone is a running linphonec in file mode, driven by its standard input. It
// presses one key a second.
type linphone struct {
	host    string // what follows the number in a URI
	dir     string
	said    *transcript
	in      io.Writer
	calls   int
	info    bool // keys go by SIP INFO
	pressed int  // keys sent by SIP INFO
	sound   *recording
}

// linphoneConfig keeps SIP and RTP on loopback, without a sound card. It looks for no name in
// a certificate: it knows none that is an address.
const linphoneConfig = `[sip]
bind_address=127.0.0.1
sip_port=-1
sip_tcp_port=0
sip_tls_port=%[6]d
contact=sip:%[1]s@127.0.0.1
guess_hostname=0
verify_server_certs=1
verify_server_cn=0
root_ca=%[7]s
media_encryption=%[8]s
media_encryption_mandatory=%[9]d
use_rfc2833=%[4]d
use_info=%[5]d
[rtp]
bind_address=127.0.0.1
audio_rtp_port=-1
audio_adaptive_jitt_comp_enabled=0
[sound]
echocancellation=0
[audio_codec_0]
mime=%[2]s
rate=8000
channels=1
enabled=1
[audio_codec_1]
mime=%[3]s
rate=8000
channels=1
enabled=0
`

func startLinphone(t testing.TB, v *service, s linphoneSetup) *linphone {
	t.Helper()
	path := requireProgram(t, "linphonec", "linphone-cli")
	l := &linphone{info: s.info == 1, dir: t.TempDir(), said: new(transcript)}
	// Without a folder for its database linphonec opens no SIP port.
	require.NoError(t, os.MkdirAll(filepath.Join(l.dir, ".local", "share", "linphone"), 0o700))
	port, media, mandatory := 0, "none", 0
	l.host = v.UDP.String()
	if s.authorities != "" {
		port, media, mandatory = -1, "srtp", 1
		l.host = v.TLS.String() + ";transport=tls"
	}
	config := fmt.Sprintf(linphoneConfig, extension, s.codec, s.other, s.events, s.info, port, s.authorities, media, mandatory)
	if s.password != "" {
		config += "[auth_info_0]\nusername=" + extension + "\npasswd=" + s.password + "\nrealm=sip.example.org\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "config"), []byte(config), 0o600))
	silence(t, filepath.Join(l.dir, "silence.wav"), 600, prompt.Rate)
	cmd := exec.Command(path, "-c", filepath.Join(l.dir, "config"), "-d", "6", "-l", filepath.Join(l.dir, "log"))
	cmd.Env = append(os.Environ(), "HOME="+l.dir, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "DISPLAY=")
	cmd.Stdout, cmd.Stderr = l.said, l.said
	var err error
	l.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	startProgram(t, cmd, l.said)
	l.command(t, "soundcard use files")
	l.await(t, "Using wav files", 1)
	l.command(t, "play "+filepath.Join(l.dir, "silence.wav"))
	return l
}

func (l *linphone) command(t testing.TB, words string) {
	t.Helper()
	_, err := fmt.Fprintln(l.in, words)
	require.NoError(t, err, "linphonec is gone: %s", l.said)
}

// await waits until linphonec has said something so many times.
func (l *linphone) await(t testing.TB, words string, times int) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Count(l.said.String(), words) >= times },
		soundPatience, lookAgain, "linphonec did not say %q", words)
}

func (l *linphone) dial(t testing.TB, number string) {
	t.Helper()
	l.calls++
	name := filepath.Join(l.dir, fmt.Sprintf("call%d.wav", l.calls))
	l.sound = &recording{name: name}
	l.command(t, "record "+name)
	l.command(t, fmt.Sprintf("call sip:%s@%s", number, l.host))
	l.await(t, "Media streams established", l.calls)
}

// press types one key after the other. linphonec looks at its network only while it
// has no command, so that a key sent by SIP has to be on its way before the next one.
func (l *linphone) press(t testing.TB, keys string) {
	t.Helper()
	for _, key := range keys {
		l.command(t, string(key))
		if l.info {
			l.pressed++
			require.Eventually(t, func() bool { return strings.Count(l.trace(t), "Signal=") >= l.pressed },
				soundPatience, lookAgain, "linphonec sent no INFO")
		}
	}
}

func (l *linphone) received(t testing.TB) []int16 { return l.sound.take(t) }

func (l *linphone) hangUp(t testing.TB) {
	t.Helper()
	l.command(t, "terminate")
	l.await(t, " ended (", l.calls)
}

func (l *linphone) farEndHungUp(testing.TB) bool {
	return strings.Count(l.said.String(), " ended (") == l.calls
}

func (l *linphone) trace(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, "log"))
	require.NoError(t, err)
	return string(text)
}
