package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

func TestUsersAreRead(t *testing.T) {
	cmd := benchCommand()
	var said bytes.Buffer
	cmd.SetErr(&said)
	users := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(users, []byte("# ours\n4001 5550199\n4002\n\n4003 5550199 8880177\n"), 0o600))
	list, err := readUsers(cmd, users)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, "4001", list[0].From)
	list[0].Code.Reveal(func(digits []byte) { require.Equal(t, "5550199", string(digits)) })
	require.True(t, list[1].Code.Empty())
	list[2].New.Reveal(func(digits []byte) { require.Equal(t, "8880177", string(digits)) })
	require.Empty(t, said.String())

	require.NoError(t, os.Chmod(users, 0o644))
	_, err = readUsers(cmd, users)
	require.NoError(t, err)
	require.Contains(t, said.String(), "chmod 600")
	for text, says := range map[string]string{
		"4001 55x0199\n":                  ":1: write",
		"4000\n4001 5550199 555x199\n":    ":2: write",
		"4001 5550199 5550199 5550199 \n": ":1: write",
		"\n# nobody\n":                    "names no caller",
	} {
		require.NoError(t, os.WriteFile(users, []byte(text), 0o600))
		_, err = readUsers(cmd, users)
		require.ErrorContains(t, err, says)
		require.NotContains(t, strings.ReplaceAll(err.Error(), users, ""), "199", "but for the name of the file")
	}
}

func TestBenchThatCannotBegin(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	gone, err := net.Dial("udp", "127.0.0.1:9") // keeps the port, and is not there for others
	require.NoError(t, err)
	t.Cleanup(func() { _ = gone.Close() })
	nobody := "sip:*97@" + gone.LocalAddr().String()
	some := write("some", "4001 5550199\n4002\n")
	script := write("script", "press {old}#\n")
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no URI":                    {[]string{}, 2, "accepts 1 arg"},
		"URI of another kind":       {[]string{"http://example.org"}, 2, "is no SIP URI"},
		"unknown mode":              {[]string{nobody, "--mode", "sing"}, 2, "use script, listen, keys or rate"},
		"a script in another mode":  {[]string{nobody, "--mode", "keys", "--script", script}, 2, "--script is for --mode script, not keys"},
		"rounds of no script":       {[]string{nobody, "--rounds", "2"}, 2, "--rounds is for --mode script, not listen; leave it out"},
		"codes of no script":        {[]string{nobody, "--mode", "keys", "--codes", some}, 2, "--codes is for --mode script, not keys"},
		"a hold of calls that stay": {[]string{nobody, "--mode", "listen", "--hold", "1s"}, 2, "--hold is for --mode rate, not listen"},
		"keys while listening":      {[]string{nobody, "--keys", "1"}, 2, "--keys is for --mode keys, not listen"},
		"keys at a rate":            {[]string{nobody, "--mode", "rate", "--every", "1s"}, 2, "--every is for --mode keys, not rate"},
		"a rate that does not wait": {[]string{nobody, "--mode", "rate", "--settle", "1s"}, 2, "--settle is for --mode listen or keys, not rate"},
		"no URL of counters":        {[]string{nobody, "--metrics", "127.0.0.1:9797"}, 2, "--metrics \"127.0.0.1:9797\" is no URL; write it like"},
		"no host of counters":       {[]string{nobody, "--metrics", "http:///metrics"}, 2, "is no URL; write it like"},
		"no script":                 {[]string{nobody, "--mode", "script"}, 2, "needs --script"},
		"a script with an error":    {[]string{nobody, "--script", write("bad", "sing\n")}, 2, `There is no verb "sing"`},
		"a code nobody named":       {[]string{nobody, "--script", script}, 2, "nobody said what {old} is"},
		"a code one has not":        {[]string{nobody, "--script", script, "--users", some}, 2, "nobody said what {old} is"},
		"keys by INFO":              {[]string{nobody, "--digits", "info"}, 2, "keys go by events or inband, not by info"},
		"too many calls":            {[]string{nobody, "--calls", "5001"}, 2, "calls is 5001; it must be 1 to 5000"},
		"no calls":                  {[]string{nobody, "--calls", "0"}, 2, "--calls is 0: leave it out"},
		"no hold":                   {[]string{nobody, "--hold", "0s"}, 2, "--hold is 0: leave it out"},
		"a rate that is none":       {[]string{nobody, "--rate", "NaN"}, 2, "rate is NaN; it must be 0.1 to 5000"},
		"too long":                  {[]string{nobody, "--duration", "25h"}, 2, "duration in seconds is 90000"},
		"no such process":           {[]string{nobody, "--pid", "999999999"}, 2, "there is no process 999999999"},
		"no counters":               {[]string{nobody, "--metrics", "http://127.0.0.1:1/metrics"}, 1, "counters cannot be read"},
		"nobody there":              {[]string{nobody}, 4, "nothing listens at " + gone.LocalAddr().String() + "; start the service, or correct"},
		"nobody plays":              {[]string{nobody, "--script", script, "--users", write("all", "4001 5550199\n")}, 4, "nothing listens"},
	} {
		t.Run(name, func(t *testing.T) {
			out, said, code := execute(t, benchCommand(), "", row.args...)
			require.Equal(t, row.code, code, said)
			require.Contains(t, said, row.says)
			require.Empty(t, out)
			require.NotContains(t, said, "5550199")
		})
	}
}

// What helps against a refusal depends on its status: that of most calls, if there are several.
func TestARefusedBenchTellsWhatHelps(t *testing.T) {
	for name, road := range map[string]struct {
		failures map[string]int
		says     string
	}{
		"a password":      {map[string]int{"401 Unauthorized": 1}, "the far end asks for a password"},
		"one of a proxy":  {map[string]int{"407 Proxy Authentication Required": 4, "503 Busy": 1}, "the far end asks for a password"},
		"load":            {map[string]int{"401 Unauthorized": 1, "503 Service Unavailable": 5}, "it is busy or refuses load: ask for fewer"},
		"another refusal": {map[string]int{"404 Not Found": 3, "503 Busy": 3}, "check the number, and whether this machine may call it"},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(benchFlags).outcome(&caller.LoadReport{Refusal: caller.Percentiles{N: 1}, Failures: road.failures})
			var exit exitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, int(caller.CallRefused), exit.code)
			require.ErrorContains(t, err, road.says)
			require.ErrorContains(t, err, slices.Sorted(maps.Keys(road.failures))[0])
		})
	}
}

func TestCountersThatGrew(t *testing.T) {
	asked := 0
	pages := []string{ // the second one was read before all calls had ended
		"# HELP x\nstar97_calls_total{end=\"hung-up\",door=\"own\"} 5\ngo_gc_total 5\nx_seconds_sum 4\nother_total 1e3\nsame_total 3\n",
		"star97_calls_total{end=\"hung-up\",door=\"own\"} 6\nother_total 1e3\nsame_total 3\n",
		"star97_calls_total{end=\"hung-up\",door=\"own\"} 6\nstar97_calls_total{end=\"cut\",door=\"own\"} 1\ngo_gc_total 9\nother_total 1.5e3\nsame_total 3\n",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# TYPE other_total counter\n"+pages[min(asked, 2)])
		asked++
	}))
	defer server.Close()
	page, err := readCounters(t.Context(), server.URL)
	require.NoError(t, err)
	grown, err := page.grown(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{`star97_calls_total{end="hung-up",door="own"}`: 1, `star97_calls_total{end="cut",door="own"}`: 1, "other_total": 500}, grown)
	server.Config.Handler = http.NotFoundHandler()
	_, err = page.grown(t.Context(), 2)
	require.ErrorContains(t, err, "404")
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>all is well 1") })
	_, err = readCounters(t.Context(), server.URL)
	require.ErrorContains(t, err, "no Prometheus page; correct --metrics")
}

// Callers play a script against the real service; what they and it saw is told, and no code.
func TestBenchPlaysAScript(t *testing.T) {
	t.Parallel()
	const codes = "739164 582907"
	own, other, _ := strings.Cut(codes, " ")
	v := startService(t, setup{Codes: map[string]string{"4001": own, "4002": other}})
	file := func(name, text string) string {
		name = filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	users := file("users", "4001 "+own+"\n4002 "+other+"\n")
	script := file("script", "hear enter-code\npress {old}#\nhear option-change-2\nhangup\n")
	out, errs, code := star97(t, "", "bench", "sip:*97@"+v.UDP.String(), "--script", script, "--users", users, "--calls", "2", "--timeout", "4m",
		"--metrics", v.HTTP+"/metrics", "--json")
	require.Zero(t, code, errs)
	require.Empty(t, errs, "no progress with --json, unless somebody looks")
	var r benchReport
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, map[string]int{"completed": 2}, r.Scripts, out)
	require.EqualValues(t, 2, r.Script.N)
	require.EqualValues(t, 2, r.FirstRTP.N)
	require.LessOrEqual(t, r.Next.N, uint64(2), "one for a press")
	require.Equal(t, 2, r.Quality.Told+r.Quality.Untold)
	require.EqualValues(t, 2, r.Service[`star97_key_calls_total{source="event"}`], "%v", r.Service)
	v.stop()
	for _, text := range []string{out, errs, v.Stderr.String()} {
		require.NotContains(t, text, own)
		require.NotContains(t, text, other)
	}
}

// Ctrl-C hangs up and the report is of the time until then.
func TestBenchIsInterrupted(t *testing.T) {
	t.Parallel()
	v := startService(t, setup{})
	cmd := exec.CommandContext(t.Context(), program(t, false), "bench", "sip:*97@"+v.UDP.String(), "--calls", "3", "--duration", "1h")
	var out bytes.Buffer
	cmd.Stdout = &out
	progress, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(progress)
	for lines.Scan() && !strings.Contains(lines.Text(), "measuring, ") {
		require.Contains(t, lines.Text(), "answered")
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	var last string
	for lines.Scan() {
		last = lines.Text()
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), last)
	require.Equal(t, "star97: interrupted; the report is of the time until then", last)
	require.Contains(t, out.String(), "warning: interrupted")
	require.Contains(t, out.String(), "3 answered")
	require.Eventually(t, func() bool { return strings.Count(v.Stderr.String(), "call ended") == 3 }, time.Minute, 20*time.Millisecond)
	require.Equal(t, 3, strings.Count(v.Stderr.String(), "end=hung-up"))
}
