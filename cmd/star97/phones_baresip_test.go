package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/dtmf"
	"star97/internal/prompt"
)

func TestBaresipChangesACode(t *testing.T) {
	t.Parallel()
	for _, set := range []struct {
		name, codec, transport string
		door                   door
		race                   bool
	}{
		{"own door, PCMU, UDP", "PCMU", "udp", ownDoor, false},
		{"any door, PCMA, TCP", "PCMA", "tcp", anyDoor, true},
		{"own door, G.722, UDP", "G722", "udp", ownDoor, false},
	} {
		t.Run(set.name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				v := startService(t, setup{Race: set.race, Codes: map[string]string{extension: oldCode}})
				phone := startBaresip(t, v, baresipSetup{codec: set.codec, transport: set.transport})
				changesTheCode(t, v, phone, set.door, "events")
			})
		})
	}
}

// TestBaresipChangesACodeUnderTLS checks our certificate and gives up a call whose audio is
// not protected.
func TestBaresipChangesACodeUnderTLS(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		s, certificate := secured(t)
		v := startService(t, s)
		phone := startBaresip(t, v, baresipSetup{codec: "PCMU", transport: "tls", authorities: certificate})
		changesTheCode(t, v, phone, ownDoor, "events")
		require.Contains(t, phone.trace(t), "RTP/SAVP")
	})
}

// TestBaresipChangesACodeByTones has a foreign encoder code the tones.
func TestBaresipChangesACodeByTones(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"PCMA", "G722"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				v := startService(t, setup{Codes: map[string]string{extension: oldCode}})
				phone := startBaresip(t, v, baresipSetup{codec: codec, transport: "udp", inband: true})
				changesTheCode(t, v, phone, ownDoor, "events") // no INFO, that is
				require.Contains(t, v.Stderr.String(), "keys=tone")
				require.NotContains(t, v.Stderr.String(), "keys=event")
			})
		})
	}
}

// baresipSetup is what differs between runs.
type baresipSetup struct {
	codec, transport string
	authorities      string // for tls: a file
	password         string // its user is the extension; empty: it has none
	inband           bool   // keys are tones in the audio
}

// baresip is a running baresip, driven through its module ctrl_tcp.
type baresip struct {
	host   string // what follows the number in a URI
	dir    string
	said   *transcript // its standard output, with every SIP message
	conn   net.Conn
	in     *bufio.Reader
	token  int
	sound  *recording
	heard  []string // recordings of calls that are over
	closed bool     // an event told the end of the call
	inband bool
	rate   int // of the audio that it plays
	played int // files
}

const baresipConfig = `sip_listen 127.0.0.1:0
net_interface 127.0.0.1
audio_source aufile,%[1]s/silence.wav
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
module_path %[2]s
module g711.so
module g722.so
module aufile.so
module sndfile.so
module uuid.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%[3]d
snd_path %[1]s
`

func startBaresip(t testing.TB, v *service, s baresipSetup) *baresip {
	t.Helper()
	path := requireProgram(t, "baresip", "baresip-core")
	b := &baresip{dir: t.TempDir(), said: new(transcript), host: fmt.Sprintf("%s;transport=udp", v.UDP)}
	media, more := "", ""
	switch s.transport {
	case "tcp":
		b.host = fmt.Sprintf("%s;transport=tcp", v.TCP)
	case "tls":
		b.host = fmt.Sprintf("%s;transport=tls", v.TLS)
		media, more = ";mediaenc=srtp-mand", "module srtp.so\nsip_verify_server yes\nsip_cafile "+s.authorities+"\n"
	}
	codecs := map[string]int{"PCMU": prompt.Rate, "PCMA": prompt.Rate, "G722": prompt.WideRate}
	if s.password != "" {
		media += ";auth_user=" + extension + ";auth_pass=" + s.password
	}
	b.inband, b.rate = s.inband, codecs[s.codec]
	port := freeTCPPort(t)
	silence(t, filepath.Join(b.dir, "silence.wav"), 600, codecs[s.codec])
	b.write(t, "config", fmt.Sprintf(baresipConfig, b.dir, moduleFolder(t), port)+more)
	b.write(t, "accounts", fmt.Sprintf("<sip:%s@127.0.0.1;transport=%s>;regint=0;answermode=manual;audio_codecs=%s/%d/1%s\n",
		extension, s.transport, s.codec, codecs[s.codec], media))
	cmd := exec.Command(path, "-s", "-f", b.dir)
	cmd.Stdout, cmd.Stderr = b.said, b.said
	startProgram(t, cmd, b.said)
	require.Eventually(t, func() bool {
		var err error
		b.conn, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil
	}, readyWithin, lookAgain, "baresip does not listen for commands: %s", b.said)
	t.Cleanup(func() { b.conn.Close() })
	b.in = bufio.NewReader(b.conn)
	return b
}

func (b *baresip) write(t testing.TB, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600))
}

// moduleFolder asks the package manager where this machine's modules are.
func moduleFolder(t testing.TB) string {
	t.Helper()
	files, err := exec.Command("dpkg", "-L", "baresip-core").Output()
	require.NoError(t, err, "dpkg does not know the package baresip-core")
	for name := range strings.Lines(string(files)) {
		if dir, file := filepath.Split(strings.TrimSpace(name)); file == "g711.so" {
			return dir
		}
	}
	require.FailNow(t, "baresip-core has no module g711.so")
	return ""
}

// startProgram starts a telephone and kills it at the end of the test.
func startProgram(t testing.TB, cmd *exec.Cmd, said *transcript) {
	t.Helper()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("what %s said:\n%s", filepath.Base(cmd.Path), said.tail(8<<10))
		}
	})
}

func freeTCPPort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// message is what ctrl_tcp sends: the answer to a command, or an event.
type message struct {
	Response bool   `json:"response"`
	OK       bool   `json:"ok"`
	Data     string `json:"data"`
	Token    string `json:"token"`
	Event    bool   `json:"event"`
	Type     string `json:"type"`
}

// read takes one netstring; nil if none came in time.
func (b *baresip) read(t testing.TB, within time.Duration) *message {
	t.Helper()
	require.NoError(t, b.conn.SetReadDeadline(time.Now().Add(within)))
	if _, err := b.in.Peek(1); err != nil {
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "baresip is gone: %s", b.said)
		return nil
	}
	require.NoError(t, b.conn.SetReadDeadline(time.Now().Add(soundPatience)))
	length, err := b.in.ReadString(':')
	require.NoError(t, err)
	n, err := strconv.Atoi(length[:len(length)-1])
	require.NoError(t, err)
	body := make([]byte, n+1) // and the comma
	_, err = io.ReadFull(b.in, body)
	require.NoError(t, err)
	m := new(message)
	require.NoError(t, json.Unmarshal(body[:n], m))
	if m.Type == "CALL_CLOSED" {
		b.closed = true
	}
	return m
}

func (b *baresip) await(t testing.TB, what string, is func(*message) bool) {
	t.Helper()
	for until := time.Now().Add(soundPatience); time.Now().Before(until); {
		if m := b.read(t, time.Second); m != nil && is(m) {
			return
		}
	}
	require.FailNow(t, "baresip told nothing", "%s was due", what)
}

func (b *baresip) command(t testing.TB, name, params string) {
	t.Helper()
	b.token++
	token := strconv.Itoa(b.token)
	body, err := json.Marshal(map[string]string{"command": name, "params": params, "token": token})
	require.NoError(t, err)
	_, err = fmt.Fprintf(b.conn, "%d:%s,", len(body), body)
	require.NoError(t, err)
	b.await(t, "the answer to "+name, func(m *message) bool {
		if !m.Response || m.Token != token {
			return false
		}
		require.True(t, m.OK, "%s: %s", name, m.Data)
		return true
	})
}

func (b *baresip) dial(t testing.TB, number string) {
	t.Helper()
	b.closed = false
	if b.inband { // not the keys of the call before
		b.command(t, "ausrc", "aufile,"+filepath.Join(b.dir, "silence.wav"))
	}
	b.command(t, "dial", fmt.Sprintf("sip:%s@%s", number, b.host))
	b.await(t, "the answer to the call", func(m *message) bool { return m.Type == "CALL_ESTABLISHED" })
	name := newFile(t, filepath.Join(b.dir, "dump-*-dec.wav"), b.heard)
	b.heard = append(b.heard, name)
	b.sound = &recording{name: name}
}

func (b *baresip) press(t testing.TB, keys string) {
	t.Helper()
	if b.inband {
		b.play(t, keys)
		return
	}
	for _, key := range keys {
		b.command(t, "sndcode", string(key))
	}
}

// play has the telephone play a file with the sounds of keys in place of its silence.
func (b *baresip) play(t testing.TB, keys string) {
	t.Helper()
	part := b.rate / 10
	pcm := make([]int16, 2*part)
	for i := range keys {
		key, ok := dtmf.DigitOf(keys[i])
		require.True(t, ok)
		sound := make([]int16, 2*part)
		dtmf.NewToneSound(key, 10, b.rate).Fill(sound[:part])
		pcm = append(pcm, sound...)
	}
	pcm = append(pcm, make([]int16, 600*b.rate)...)
	b.played++
	name := fmt.Sprintf("keys-%d.wav", b.played)
	b.write(t, name, string(prompt.WriteWAV(b.rate, pcm)))
	b.command(t, "ausrc", "aufile,"+filepath.Join(b.dir, name))
}

func (b *baresip) received(t testing.TB) []int16 { return b.sound.take(t) }

func (b *baresip) hangUp(t testing.TB) {
	t.Helper()
	b.command(t, "hangup", "")
	for !b.closed {
		b.await(t, "the end of the call", func(m *message) bool { return b.closed })
	}
}

func (b *baresip) farEndHungUp(t testing.TB) bool {
	for !b.closed && b.read(t, time.Millisecond) != nil {
	}
	return b.closed
}

func (b *baresip) trace(testing.TB) string { return b.said.String() }
