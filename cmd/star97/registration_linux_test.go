package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
)

const (
	accountUser     = "voicemail"
	accountPassword = "quite-a-secret-97"
	registrarAt     = "127.0.0.6" // nobody's address but the registrar's
)

// registrar is a Kamailio that keeps registrations in its memory.
type registrar struct {
	kamailio
	cmd *exec.Cmd
}

func startRegistrar(t testing.TB, at netip.AddrPort, network, algorithm string, life int) *registrar {
	t.Helper()
	path := requireProgram(t, "kamailio", "kamailio")
	dir := t.TempDir()
	config, err := filepath.Abs("../../testdata/kamailio/registrar.cfg")
	require.NoError(t, err)
	r := &registrar{kamailio: kamailio{addr: at, said: new(transcript)}}
	r.cmd = exec.Command(path, "-f", config, "-DD", "-E", "-m", "16", "-M", "4", "-Y", dir, "-P", filepath.Join(dir, "pid"), "-l", "udp:"+at.String(), "-l", network+":"+at.String(),
		"-A", fmt.Sprintf("USER=%q", accountUser), "-A", fmt.Sprintf("PASSWORD=%q", accountPassword), "-A", fmt.Sprintf("ALGORITHM=%q", algorithm), "-A", fmt.Sprintf("LIFE=%d", life))
	r.cmd.Stdout, r.cmd.Stderr = r.said, r.said
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("kamailio:\n%s", r.said.String())
		}
	})
	require.Eventually(t, func() bool { return answersOptions(at) }, readyWithin, 100*time.Millisecond, "kamailio does not answer: %s", r.said)
	return r
}

// stop ends it and its memory.
func (r *registrar) stop() {
	_ = r.cmd.Process.Signal(os.Interrupt) // its children end with it
	_ = r.cmd.Wait()
}

// registered is a service that has an account at a registrar.
func registered(t testing.TB, at netip.AddrPort, password, more string, race bool) *service {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte(password+"\n"), 0o600))
	return startService(t, setup{Race: race, Codes: map[string]string{extension: oldCode}, Sections: map[string]string{
		"drain": "1m",
		"sip":   `{listen: [{network: udp, address: "127.0.0.1:0"}], peers: [{name: pbx, registration: account, identity: pai}]}`,
		"registrations": fmt.Sprintf(`[{name: account, registrar: "%s", user: %s, contact_user: "*97", password: {file: %q}, expires: 1m, retry_first: 1s%s}]`,
			at, accountUser, secret, more),
	}})
}

// password is the file that the configuration names.
func (v *service) password(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(v.Config)
	require.NoError(t, err)
	m := regexp.MustCompile(`password: \{file: "([^"]*)"`).FindSubmatch(text)
	require.Len(t, m, 2)
	return string(m[1])
}

// calls dials the account; false if the registrar knows nobody who has it.
func (r *registrar) calls(t testing.TB) (*callertest.Phone, error) {
	return callertest.TryDial(t, caller.Options{URI: "sip:" + accountUser + "@" + r.addr.String(), From: extension, Listen: "127.0.0.1"})
}

func TestARegistrationWithKamailioBringsCallsAlsoAfterItHasForgotten(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]struct{ network, algorithm, more string }{
		"UDP, MD5, a question every 5 s":  {"udp", "MD5", ", keep_alive: 5s, keep_alive_by: options"},
		"TCP, SHA-256, by the connection": {"tcp", "SHA-256", ", keep_alive: 5s, network: tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				at := freeUDPAddr(t, registrarAt)
				r := startRegistrar(t, at, set.network, set.algorithm, 600)
				v := registered(t, at, accountPassword, set.more, false)
				v.says("msg=registered ", 1)

				p, err := r.calls(t)
				require.NoError(t, err)
				p.Hear("welcome", "enter-code")
				p.Press(oldCode + "#2" + newCode + "#" + newCode + "#")
				p.Hear("changed")
				p.Hangup()

				r.stop()
				r = startRegistrar(t, at, set.network, set.algorithm, 600)
				require.Eventually(t, func() bool {
					p, err = r.calls(t)
					return err == nil
				}, readyWithin, 500*time.Millisecond, "star97 does not come back")
				p.Hear("enter-code")
				p.Press(newCode + "#")
				p.Hear("option-change-2")

				v.signal(syscall.SIGTERM)
				v.says("registration taken back", 1)
				_, err = r.calls(t)
				require.ErrorContains(t, err, "404", "nobody has the account any more")
				p.Press("5") // no key of the menu; the call that is up goes on
				p.Hear("invalid-key")
				p.Hangup()
				require.NoError(t, v.wait(), "%s", v.Stderr)
				require.NotContains(t, v.Stderr.String(), accountPassword)
			})
		})
	}
}

func TestAWrongPasswordIsShownToKamailioOnce(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		at := freeUDPAddr(t, registrarAt)
		r := startRegistrar(t, at, "udp", "MD5", 600)
		v := registered(t, at, "another-password", "", true)
		v.says(`does not take the user \"voicemail\" with this password`, 1)
		time.Sleep(2 * time.Second) // retry_first is 1s; the tests of the room wait for hours
		require.Equal(t, 2, strings.Count(r.said.String(), "REGISTER from "), "one without and one with the password: %s", r.said)
		require.NotContains(t, v.Stderr.String(), "another-password")
		v.reads(`star97_registration_failures_total\{reason="password",registration="account"\} 1`,
			`star97_registration_registered\{registration="account"\} 0`, `star97_registration_expires_seconds\{registration="account"\} 0`)

		require.NoError(t, os.WriteFile(v.password(t), []byte(accountPassword), 0o600))
		require.NoError(t, os.Chmod(v.password(t), 0o644))
		v.signal(syscall.SIGHUP)
		v.says("run chmod 600 on it", 1)
		v.says("the configuration is not taken over", 1)
		require.NoError(t, os.Chmod(v.password(t), 0o600))
		v.signal(syscall.SIGHUP) // nothing but the password is different
		v.says("msg=registered ", 1)
		v.reads(`star97_registration_registered\{registration="account"\} 1`)
		text, err := os.ReadFile(v.Config)
		require.NoError(t, err)
		text = regexp.MustCompile(`(?m)^registrations:.*$`).ReplaceAll(text, []byte("registrations: []"))
		text = bytes.ReplaceAll(text, []byte("registration: account"), []byte(`addresses: ["127.0.0.5"]`))
		require.NoError(t, os.WriteFile(v.Config, text, 0o600))
		v.signal(syscall.SIGHUP)
		v.says("registration taken back", 1)
		_, err = r.calls(t)
		require.ErrorContains(t, err, "404")
		_, page := v.get("/metrics")
		require.NotContains(t, page, "star97_registration_registered{")
		require.NotContains(t, v.Stderr.String(), accountPassword)
	})
}
