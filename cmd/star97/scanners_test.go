package main

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// scan is one run of a tool of Debian's sipvicious.
type scan struct {
	name, method string
	tries        int // that it has to make; it may give up before
	args         []string
}

// scans are what the tools are made for: finding a system, its extensions, a password.
// The one mailbox that exists, and its code, are among what they try.
func scans(t testing.TB, peer bool) []scan {
	most, methods := 1010, []string{"REGISTER", "OPTIONS", "INVITE"}
	switch {
	case os.Getenv("STAR97_LONG") != "":
		most = 1100
	case !peer:
		methods = methods[:1]
	}
	all := []scan{{"svmap", "OPTIONS", 1, nil}}
	for _, method := range methods {
		all = append(all, scan{"svwar", method, most - 1000 + 2, []string{"--force", "-m", method, "-e", fmt.Sprintf("1000-%d,%s", most, extension), "--maximumtime", "1"}})
	}
	code, err := strconv.Atoi(oldCode)
	require.NoError(t, err)
	return append(all, scan{"svcrack", "REGISTER", 11, []string{"-u", extension, "-r", fmt.Sprintf("%d-%d", code-5, code+5), "--maximumtime", "1"}})
}

// found is a row of the tables in which svwar and svcrack print what they have found.
var found = regexp.MustCompile(`(?m)^\| +(\d+) +\|`)

// run returns what the tool found, in words, and all that it printed.
func (s scan) run(t testing.TB, to string, port int) (finds []string, said string) {
	path := requireProgram(t, s.name, "sipvicious")
	own := freeUDPAddr(t, "0.0.0.0")
	args := slices.Concat(s.args, []string{"-P", strconv.Itoa(int(own.Port())), "-p", strconv.Itoa(port), to})
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit, "%s", out) // some end badly when they find nothing
	}
	for _, m := range found.FindAllStringSubmatch(string(out), -1) {
		finds = append(finds, m[1])
	}
	return finds, string(out)
}

// estates are where a scanner may stand: what it is to the service.
var estates = map[string]struct {
	sip, verdict string
	methods      []string // whose answers are compared
}{
	"a peer": {`{listen: [{network: udp, address: "127.0.0.1:0"}], peers: [{name: pbx, addresses: ["127.0.0.1"], identity: pai}]}`, "the same answer for all",
		[]string{"OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "PUBLISH", "BYE"}},
	// The one user's password is among those that svcrack tries.
	"a peer with digest": {`{listen: [{network: udp, address: "127.0.0.1:0"}], digest: {realm: here, users_file: USERS}, ` +
		`peers: [{name: edge, addresses: ["127.0.0.1"], identity: digest}]}`, "the same answer for all", []string{"OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "PUBLISH", "BYE"}},
	"a stranger": {`{listen: [{network: udp, address: "127.0.0.1:0"}], peers: [{name: pbx, addresses: ["127.0.0.2"], identity: pai}]}`,
		"403 for all, a few a second", []string{"OPTIONS"}},
	"a stranger, ignored": {`{listen: [{network: udp, address: "127.0.0.1:0"}], strangers: ignore, peers: [{name: pbx, addresses: ["127.0.0.2"], identity: pai}]}`,
		"no answer", []string{"OPTIONS"}},
}

func TestScannersLearnNothing(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards the table
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "from\ttool\ttries\tlearned\tthey get")
	t.Cleanup(func() { w.Flush(); t.Log("\n" + table.String()) })
	for name, e := range estates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := startService(t, setup{Sections: map[string]string{"sip": strings.Replace(e.sip, "USERS", strconv.Quote(digestUsers(t)), 1)}, Codes: map[string]string{extension: oldCode, "1005": oldCode}})
			requireAlike(t, v, e.methods, e.verdict != "no answer")
			for _, s := range scans(t, strings.HasPrefix(name, "a peer")) {
				finds, said := s.run(t, v.UDP.Addr().String(), int(v.UDP.Port()))
				require.Empty(t, finds, "%s %v:\n%s", s.name, s.args, said)
				require.NotContains(t, said, oldCode)
				require.NotContains(t, strings.ToLower(said), "star97", "the product is not told")
				mu.Lock()
				fmt.Fprintf(w, "%s\t%s %s\t%d\tnothing\t%s\n", name, s.name, s.method, s.tries, e.verdict)
				mu.Unlock()
			}
			requireUnseen(t, v)
		})
	}
	t.Run("they do find what is told", func(t *testing.T) { t.Parallel(); theToolsWork(t) })
}

// digestUsers is a file with one user, whose password is digits.
func digestUsers(t testing.TB) string {
	name := filepath.Join(t.TempDir(), "users")
	login := []byte(extension + ":here:" + oldCode)
	text := fmt.Sprintf("%[1]s:here:SHA-256:%[2]x\n%[1]s:here:MD5:%[3]x\n", extension, sha256.Sum256(login), md5.Sum(login))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// theToolsWork shows the tools a system that tells extensions that exist from others, and
// takes a password in clear: what finds nothing there would prove nothing here.
func theToolsWork(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	// The leaky system: started here; stops when its socket is closed; owns its buffer.
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			ask := string(buf[:n])
			status := "404 Not Found"
			if strings.Contains(ask, "To: \""+extension+"\"") {
				status = "200 OK"
			}
			_, _ = conn.WriteToUDPAddrPort([]byte(echoed(ask, status)), from)
		}
	}()
	to := conn.LocalAddr().(*net.UDPAddr)
	finds, said := scan{name: "svwar", args: []string{"-m", "REGISTER", "-e", "4000-4004", "--maximumtime", "1"}}.run(t, "127.0.0.1", to.Port)
	require.Equal(t, []string{extension}, finds, said)
}

// echoed answers a request with its own words.
func echoed(ask, status string) string {
	lines := []string{"SIP/2.0 " + status}
	for line := range strings.SplitSeq(ask, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "via", "from", "call-id", "cseq":
			lines = append(lines, line)
		case "to":
			lines = append(lines, line+";tag=1")
		}
	}
	return strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")
}

// requireAlike asks for a mailbox that exists and for one that does not, in every way: the
// answers, where there are any, are the same but for what was asked and the tag, which is
// drawn by lot.
func requireAlike(t testing.TB, v *service, methods []string, answered bool) {
	t.Helper()
	lots := regexp.MustCompile(`;tag=[0-9a-f]{20}|nonce="[^"]+"`)
	within := soundPatience
	if !answered {
		within = silentFor
	}
	for _, method := range methods {
		var answers []string
		for _, user := range []string{extension, "4999", "admin"} {
			conn, err := net.Dial("udp4", v.UDP.String())
			require.NoError(t, err)
			_, err = fmt.Fprintf(conn, "%[1]s sip:%[2]s@%[3]s SIP/2.0\r\nVia: SIP/2.0/UDP %[4]s;branch=z9hG4bK-%[2]s;rport\r\nMax-Forwards: 70\r\n"+
				"From: <sip:%[2]s@%[3]s>;tag=9\r\nTo: <sip:%[2]s@%[3]s>\r\nCall-ID: %[2]s-%[1]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:%[2]s@%[4]s>\r\nContent-Length: 0\r\n\r\n",
				method, user, v.UDP, conn.LocalAddr())
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(within)))
			var b bytes.Buffer
			buf := make([]byte, 4096)
			n, err := conn.Read(buf)
			if err == nil {
				for s := bufio.NewScanner(bytes.NewReader(buf[:n])); s.Scan(); {
					b.WriteString(lots.ReplaceAllString(s.Text(), "") + "\n")
				}
			}
			// Addresses first: a port may hold the digits of a user.
			own := strings.NewReplacer(v.UDP.String(), "SERVICE", conn.LocalAddr().String(), "FROM",
				fmt.Sprintf("rport=%d", conn.LocalAddr().(*net.UDPAddr).Port), "PORT", user, "USER")
			answers = append(answers, own.Replace(b.String()))
			conn.Close()
		}
		require.Equal(t, []string{answers[0], answers[0], answers[0]}, answers, method)
		require.Equal(t, answered, answers[0] != "", "%s: %s", method, answers[0])
		require.NotContains(t, strings.ToLower(answers[0]), "server:")
	}
}

// silentFor is how long nothing has to come where there is no answer.
const silentFor = time.Second
