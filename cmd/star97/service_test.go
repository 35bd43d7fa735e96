package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// Bounds for what hangs: on a very busy machine a service under the race detector,
	// one of many, takes a minute to start.
	readyWithin = 4 * time.Minute
	endWithin   = 2 * time.Minute // of SIGTERM, calls in progress hung up
	commandFor  = 5 * time.Minute // longest run of a command that is not serve

	// Each service has its own RTP ports, below those that Linux hands out and above
	// those of the tests of internal/app.
	firstRTPPort    = 20000
	portsPerService = 200
	portRanges      = 55
)

// The program, built once for a test process: as it is shipped, and with the race
// detector for the services whose tests want it, one of each kind. It starts five times
// as slowly then and takes ten times as long for a call.
var (
	shipped = sync.OnceValues(func() (string, error) { return build("star97") })
	watched = sync.OnceValues(func() (string, error) { return build("star97-race", "-race") })
)

func build(name string, flags ...string) (string, error) {
	name = filepath.Join(buildFolder(), name)
	args := slices.Concat([]string{"build", "-o", name}, flags, []string{"."})
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return name, nil
}

// buildFolder is removed by TestMain.
var buildFolder = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "star97-test-")
	if err != nil {
		panic(err)
	}
	return dir
})

// atOnce is how many tests run side by side: calls wait more than they compute.
const atOnce = "12"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", atOnce)
	}
	code := m.Run()
	os.RemoveAll(buildFolder())
	os.Exit(code)
}

func program(t testing.TB, race bool) string {
	t.Helper()
	build := shipped
	if race {
		build = watched
	}
	name, err := build()
	require.NoError(t, err)
	return name
}

// star97 runs the program to its end.
func star97(t testing.TB, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), commandFor)
	defer stop()
	cmd := exec.CommandContext(ctx, program(t, false), args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// setup is how a service is started; the zero value is enough for most tests.
type setup struct {
	// Sections replace or add top-level sections of the configuration, each written
	// as a YAML flow value: "log": "{level: info}".
	Sections map[string]string
	// Codes of the mailboxes to make, by extension.
	Codes map[string]string
	// Args follow "serve --config FILE --data FOLDER".
	Args []string
	// Race asks for the program with the race detector. What it finds it writes to
	// standard error, and the service ends with another exit code than 0.
	Race bool
	// Wrap is a command, with arguments, that the program is run by.
	Wrap []string
}

// service is the real program, serving.
type service struct {
	Data   string         // folder
	Config string         // file
	UDP    netip.AddrPort // the first of each network; zero if there is none
	TCP    netip.AddrPort
	TLS    netip.AddrPort
	HTTP   string // the URL of health and metrics, without a path
	Stdout *transcript
	Stderr *transcript

	// callers is a command, with arguments, that the programs that call it are run by.
	callers []string

	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{} // closed when err is known
	err    error
}

// startService makes the mailboxes and starts serving on free loopback ports. It is
// stopped, and has to stop well, when the test ends.
func startService(t testing.TB, s setup) *service {
	t.Helper()
	dir := t.TempDir()
	v := &service{Data: filepath.Join(dir, "data"), Config: filepath.Join(dir, "star97.yaml"), t: t}
	require.NoError(t, os.WriteFile(v.Config, []byte(s.yaml(t)), 0o600))
	for _, extension := range slices.Sorted(maps.Keys(s.Codes)) {
		v.addMailbox(extension, s.Codes[extension])
	}
	v.start(s)
	return v
}

// services counts those started, so that each has ports of its own.
var services atomic.Int64

// freeRTPPorts finds a range of which nobody has a port.
func freeRTPPorts(t testing.TB) (first, last int) {
	t.Helper()
	for range portRanges {
		n := (os.Getpid()*7 + int(services.Add(1))) % portRanges
		first = firstRTPPort + n*portsPerService
		if last = first + portsPerService - 2; allFree(first, last+1) {
			return first, last
		}
	}
	require.FailNow(t, "no free UDP ports on loopback for RTP")
	return 0, 0
}

func allFree(first, last int) bool {
	for port := first; port <= last; port++ {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}

func (s setup) yaml(t testing.TB) string {
	t.Helper()
	first, last := freeRTPPorts(t)
	sections := map[string]string{
		"sip":   `{listen: [{network: udp, address: "127.0.0.1:0"}, {network: tcp, address: "127.0.0.1:0"}]}`,
		"media": fmt.Sprintf("{port_min: %d, port_max: %d}", first, last),
		"http":  `{listen: "127.0.0.1:0"}`,
		"log":   "{level: debug}",
		"drain": "3s", // a telephone that crashed does not keep the service up
		// Hashes give way to everything else: on a busy machine they may take long.
		"call":  "{store_deadline: 30s}",
		"store": "{sqlite: {queue_wait: 30s}}",
	}
	for name, value := range s.Sections {
		sections[name] = value
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		fmt.Fprintf(&b, "%s: %s\n", name, sections[name])
	}
	return b.String()
}

// addMailbox adds a mailbox by the command line, its code on standard input.
func (v *service) addMailbox(extension, code string) {
	v.t.Helper()
	_, stderr, exit := v.mailbox(code+"\n", "add", extension)
	require.Zero(v.t, exit, stderr)
}

// mailbox runs a mailbox command on the service's data.
func (v *service) mailbox(stdin string, args ...string) (stdout, stderr string, code int) {
	v.t.Helper()
	return star97(v.t, stdin, slices.Concat([]string{"mailbox", "--config", v.Config, "--data", v.Data}, args)...)
}

func (v *service) start(s setup) {
	t := v.t
	t.Helper()
	line := slices.Concat(s.Wrap, []string{program(t, s.Race), "serve", "--config", v.Config, "--data", v.Data}, s.Args)
	v.cmd = exec.Command(line[0], line[1:]...)
	v.Stdout, v.Stderr, v.exited = new(transcript), new(transcript), make(chan struct{})
	v.cmd.Stderr = v.Stderr
	out, err := v.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, v.cmd.Start())
	ready := make(chan string, 1)
	// The reader of one service: started here, stops when the process has ended.
	go v.watch(out, ready)
	t.Cleanup(v.end)
	select {
	case words := <-ready:
		v.UDP, v.TCP, v.TLS = listening(words, "udp"), listening(words, "tcp"), listening(words, "tls")
		_, page, _ := strings.Cut(words, ", metrics on ")
		v.HTTP, _, _ = strings.Cut(page, "/metrics")
	case <-v.exited:
		require.FailNow(t, "serve ended before it was ready", "%v\n%s", v.err, v.Stderr)
	case <-time.After(readyWithin):
		require.FailNow(t, "serve is not ready", "%s", v.Stderr)
	}
}

func (v *service) watch(out io.Reader, ready chan<- string) {
	lines := bufio.NewReader(io.TeeReader(out, v.Stdout))
	for {
		line, err := lines.ReadString('\n')
		if strings.HasPrefix(line, "ready: ") {
			ready <- line
			break
		}
		if err != nil {
			break
		}
	}
	_, _ = io.Copy(io.Discard, lines) // an error is the end of the process, told by Wait
	v.err = v.cmd.Wait()
	close(v.exited)
}

// listening finds the first "NETWORK IP:port" of a ready line.
func listening(line, network string) netip.AddrPort {
	_, rest, found := strings.Cut(line, " "+network+" ")
	if !found {
		return netip.AddrPort{}
	}
	addr, err := netip.ParseAddrPort(rest[:strings.IndexAny(rest, ", \n")])
	if err != nil {
		return netip.AddrPort{}
	}
	return addr
}

// signal sends a signal to the process.
func (v *service) signal(s syscall.Signal) { _ = v.cmd.Process.Signal(s) } // it may have ended already

// wait returns how the process ended: nil for exit code 0.
func (v *service) wait() error {
	v.t.Helper()
	select {
	case <-v.exited:
		return v.err
	case <-time.After(endWithin):
		v.signal(syscall.SIGQUIT) // its goroutines go to stderr
		<-v.exited
		require.FailNow(v.t, "serve did not end", "%s", v.Stderr)
		return nil
	}
}

// stop ends the service as an administrator does; it has to end with exit code 0.
func (v *service) stop() {
	v.t.Helper()
	v.signal(syscall.SIGTERM)
	require.NoError(v.t, v.wait(), "%s", v.Stderr)
}

// end stops a service that the test has not ended itself.
func (v *service) end() {
	select {
	case <-v.exited:
	default:
		v.stop()
	}
	if v.t.Failed() {
		v.t.Logf("standard error of the service:\n%s", v.Stderr.tail(16<<10))
	}
}

// again starts the service once more on the same data, after it has ended.
func (v *service) again(s setup) { v.t.Helper(); v.start(s) }

// transcript keeps what a process writes. It may be read while the process runs.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *transcript) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *transcript) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// tail is the last part of the transcript, at most so many bytes.
func (b *transcript) tail(bytes int) string {
	all := b.String()
	return all[max(0, len(all)-bytes):]
}

func TestServiceStartsAndStops(t *testing.T) {
	t.Parallel()
	v := startService(t, setup{Race: true, Codes: map[string]string{"4001": "739164"}})
	require.True(t, v.UDP.Addr().IsLoopback())
	require.True(t, v.TCP.Addr().IsLoopback())
	out, _, code := v.mailbox("", "list")
	require.Zero(t, code)
	require.Contains(t, out, "4001")
	v.stop()
	require.Equal(t, 1, strings.Count(v.Stdout.String(), "ready: "))
	require.Regexp(t, `(?m)^ready: .*, media by (portable|reactor \(epoll, [a-z_:, ]+\)), data in `, v.Stdout.String())
	v.again(setup{Race: true})
	v.stop()
	require.NotContains(t, v.Stderr.String(), "DATA RACE")
}
