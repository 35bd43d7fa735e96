package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/prompt"
)

// The whole loopback network is this machine's: the proxy has an address of its own,
// so that star97 can list it as its only peer.
const (
	proxyHost = "127.0.0.2"
	nobody    = "127.0.0.1:9" // where nothing listens
)

// kamailio is a running one that loads dialplans/kamailio/star97.cfg as it is shipped.
type kamailio struct {
	addr netip.AddrPort
	said *transcript
}

func startKamailio(t testing.TB, at, star97 netip.AddrPort, phones string) *kamailio {
	t.Helper()
	path := requireProgram(t, "kamailio", "kamailio")
	dir := t.TempDir()
	for _, name := range []string{"../../testdata/kamailio/kamailio.cfg", "../../dialplans/kamailio/star97.cfg"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600))
	}
	k := &kamailio{addr: at, said: new(transcript)}
	cmd := exec.Command(path, "-f", filepath.Join(dir, "kamailio.cfg"), "-DD", "-E", "-m", "16", "-M", "4", "-Y", dir,
		"-P", filepath.Join(dir, "pid"), "-l", "udp:"+k.addr.String(),
		"-A", fmt.Sprintf("STAR97=%q", "sip:"+star97.String()), "-A", fmt.Sprintf("PHONES=%q", "sip:"+phones))
	cmd.Stdout, cmd.Stderr = k.said, k.said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // its children end with it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("kamailio:\n%s", k.said.String())
		}
	})
	require.Eventually(t, func() bool { return answersOptions(k.addr) }, readyWithin, 100*time.Millisecond, "kamailio does not answer: %s", k.said)
	return k
}

// freeUDPAddr is a port that was free a moment ago.
func freeUDPAddr(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// answersOptions: a proxy that may forward nothing (Max-Forwards 0) says so.
func answersOptions(to netip.AddrPort) bool { return strings.HasPrefix(options(to, 0), "SIP/2.0 ") }

// behindKamailio is a service that nobody but the proxy may call.
func behindKamailio(t testing.TB, more map[string]string) *service {
	t.Helper()
	sections := map[string]string{
		"sip": `{listen: [{network: udp, address: "127.0.0.1:0"}], peers: [{name: kamailio, addresses: ["` + proxyHost + `"], identity: pai}]}`,
	}
	for name, value := range more {
		sections[name] = value
	}
	return startService(t, setup{Sections: sections, Codes: map[string]string{extension: oldCode}})
}

func (k *kamailio) dials(t testing.TB, number, from string, headers ...caller.Header) *callertest.Phone {
	t.Helper()
	return callertest.Dial(t, caller.Options{URI: "sip:" + number + "@" + k.addr.String(), From: from, Listen: "127.0.0.1", Headers: headers})
}

func TestKamailioRoutesTheVoicemailKeyWithThePhonesIdentity(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		v := behindKamailio(t, nil)
		k := startKamailio(t, freeUDPAddr(t, proxyHost), v.UDP, nobody)

		p := k.dials(t, "*97", extension)
		p.Hear("welcome", "enter-code")
		p.Press(oldCode + "#2" + newCode + "#" + newCode + "#")
		p.Hear("changed")
		p.Hangup()

		p = k.dials(t, "%2A97", extension)
		p.Hear("enter-code")
		p.Press(newCode + "#")
		p.Hear("option-change-2")
		p.Hangup()

		// Whoever the site did not authenticate is nobody, whatever it says of itself.
		p = k.dials(t, "*97", "12125550199", caller.Header{Name: "P-Asserted-Identity", Value: "<sip:" + extension + "@" + proxyHost + ">"})
		p.Hear("welcome", "enter-extension")
		p.Hangup()
	})
}

func TestAnAttendantsTransferThroughKamailioLeadsToTheAnyDoor(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		v := behindKamailio(t, nil)
		k := startKamailio(t, freeUDPAddr(t, proxyHost), v.UDP, nobody)
		// What a blind transfer is at the end: the caller's own new INVITE (RFC 3515 section 2.4.4).
		p := k.dials(t, "9700", "12125550199", caller.Header{Name: "Referred-By", Value: "<sip:attendant@" + proxyHost + ">"})
		p.Hear("welcome", "enter-extension")
		p.Press(extension + "#")
		p.Hear("enter-code")
		p.Press(oldCode + "#2" + newCode + "#" + newCode + "#")
		p.Hear("changed")
		p.Hangup()
	})
}

func TestStar97TakesNoCallThatWentAroundKamailio(t *testing.T) {
	t.Parallel()
	v := behindKamailio(t, nil)
	_, err := callertest.TryDial(t, caller.Options{URI: "sip:*97@" + v.UDP.String(), From: extension, Listen: "127.0.0.1"})
	require.ErrorContains(t, err, "403")
}

// startTarget starts SIPp as the one to whom callers are transferred, and returns its address.
func startTarget(t testing.TB, status int) string {
	t.Helper()
	path := requireProgram(t, "sipp", "sip-tester")
	dir := t.TempDir()
	scenario, err := template.ParseFiles("../../testdata/kamailio/target.xml")
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(dir, "target.xml"))
	require.NoError(t, err)
	require.NoError(t, scenario.Execute(file, struct{ Status int }{status}))
	require.NoError(t, file.Close())
	addr := freeUDPAddr(t, "127.0.0.1")
	said := new(transcript)
	cmd := exec.Command(path, "-sf", file.Name(), "-m", "1", "-i", "127.0.0.1", "-p", fmt.Sprint(addr.Port()),
		"-mi", "127.0.0.1", "-mp", fmt.Sprint(freeUDPAddr(t, "127.0.0.1").Port()), "-nostdin")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	startProgram(t, cmd, said)
	return addr.String()
}

func TestKeyOneTransfersAPhoneToItsMessages(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]struct {
		status    int
		connected bool
	}{
		"the target answers":   {200, true},
		"the target refuses":   {486, false},
		"the target is silent": {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				at := freeUDPAddr(t, proxyHost)
				plan := filepath.Join(t.TempDir(), "dialplan.yaml")
				require.NoError(t, os.WriteFile(plan, fmt.Appendf(nil, "targets: {messages: \"sip:777@%s\"}\ntimers: {transfer: 8s}\n", at), 0o600))
				v := behindKamailio(t, map[string]string{"dialplan": plan})
				k := startKamailio(t, at, v.UDP, startTarget(t, set.status))
				phone := startBaresip(t, &service{UDP: k.addr}, baresipSetup{codec: "PCMU", transport: "udp"})
				c := call(t, phone, "*97")
				c.enter(ownDoor)
				phone.press(t, oldCode+"#")
				c.hears("option-messages-1")
				phone.press(t, "1")
				c.hears(prompt.Transferring)
				if set.connected {
					require.Eventually(t, func() bool { return phone.farEndHungUp(t) }, soundPatience, lookAgain)
					require.Eventually(t, func() bool { return strings.Contains(v.Stderr.String(), "end=transferred") }, soundPatience, lookAgain)
					return
				}
				c.hears(prompt.TransferFailed, "option-messages-1")
				if set.status != 0 { // else baresip's keys go to the call that still rings
					phone.press(t, "*")
					c.hears(prompt.Goodbye)
				}
			})
		})
	}
}

// An attendant consults star97 first and then connects the caller: the caller's INVITE
// replaces the attendant's call (RFC 3891).
func TestAnAttendedTransferThroughKamailioBeginsAnew(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		v := behindKamailio(t, nil)
		k := startKamailio(t, freeUDPAddr(t, proxyHost), v.UDP, nobody)
		attendant := k.dials(t, "9700", "4002")
		attendant.Hear("welcome", "enter-extension")
		p := k.dials(t, "star97", "12125550199", caller.Header{Name: "Replaces", Value: attendant.Replaces()})
		attendant.Ended()
		p.Hear("welcome", "enter-extension")
		p.Press(extension + "#" + oldCode + "#")
		p.Hear("option-change-2")
		p.Hangup()
	})
}
