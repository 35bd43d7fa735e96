package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/pin"
)

const (
	benchBoxes   = 200 // mailboxes, each with a code
	benchCalls   = 100
	firstBox     = 20000
	signInRate   = "12" // callers a second: about two thirds of a core computes hashes
	maxTries     = 3    // of a run that was disturbed
	benchBudget  = 330 * time.Second
	maxStolen    = 0.2 // seconds: above it a run is no verdict
	benchService = `{listen: [{network: udp, address: "127.0.0.1:0"}], limits: {rate: 1000000, burst: 1000000}}`
)

// benchPlan lets one sentence follow another almost at once: what a listening call
// gets is a minute of prompt.
const benchPlan = "timers: {first_digit: 200ms, menu: 200ms}\nlimits: {silent_rounds: 10}\n"

// loadRun is one run of `star97 bench` and what it is judged by.
type loadRun struct {
	name    string
	number  string
	args    []string
	figures func(r *caller.LoadReport) []figure
}

// figure is one measured value. Limit 0 with Must false is information.
type figure struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Limit   float64 `json:"limit"`
	Must    bool    `json:"must"`                        // the value must not exceed the limit
	OwnLate float64 `json:"generator_late_ms,omitempty"` // at the same percentile; beyond the limit: no verdict
}

func told(name string, value float64, unit string) figure {
	return figure{Name: name, Value: value, Unit: unit}
}

func atMost(limit float64, f figure) figure {
	f.Limit, f.Must = limit, true
	return f
}

// halves are the median for information and the 99th percentile, judged.
func halves(name string, p caller.Percentiles, limit, ownLate float64) []figure {
	worst := atMost(limit, told(name+" p99", p.P99, "ms"))
	worst.OwnLate = ownLate
	return []figure{told(name+" p50", p.P50, "ms"), worst}
}

func loadRuns() []loadRun {
	calls := strconv.Itoa(benchCalls)
	runs := []loadRun{
		{"keys, signed in, menu", "*97", []string{"--mode", "keys", "--calls", calls, "--rate", signInRate, "--settle", "4s", "--duration", "20s"}, keyFigures},
		{"ACK, talking callers", "*97", steadily("20", "5s", "15s"), firstFigures},
		{"ACK, silent callers", "*97", append(steadily("20", "5s", "15s"), "--silent"), firstFigures},
		{"listen, 60 s of prompt", "*98", []string{"--mode", "listen", "--calls", "500", "--rate", "200", "--duration", "60s"}, listenFigures},
	}
	for _, rate := range []string{"50", "100", "200"} {
		runs = append(runs, loadRun{"set-up, " + rate + " calls/s", "*97", steadily(rate, "500ms", "10s"), setUpFigures})
	}
	return runs
}

// steadily sets calls up at a rate.
func steadily(rate, hold, duration string) []string {
	return []string{"--mode", "rate", "--calls", "1000", "--rate", rate, "--hold", hold, "--duration", duration}
}

func keyFigures(r *caller.LoadReport) []figure {
	return append(append(halves("key-down -> last old packet", r.Stop, 2, r.BeatLate.P99),
		halves("key-down -> next talkspurt", r.Next, 2, r.BeatLate.P99)...),
		atMost(0, told("keys without a next talkspurt", float64(r.NoNext), "")),
		atMost(0, told("calls that failed or ended early", float64(r.Failed+r.EndedEarly+r.NoRTP), "")),
		told("while callers sign in: longest gap", r.SetupGap, "ms"),
		told("while callers sign in: INVITE -> 200 p99", r.Answer.P99, "ms"),
		told("while callers sign in: ACK -> first RTP p99", r.FirstRTP.P99, "ms"))
}

func firstFigures(r *caller.LoadReport) []figure {
	return append(halves("ACK -> first RTP", r.FirstRTP, 5, r.BeatLate.P99),
		atMost(0, told("calls that failed, without RTP or with RTP too early", float64(r.Failed+r.NoRTP+r.BeforeAck), "")))
}

func listenFigures(r *caller.LoadReport) []figure {
	over := atMost(0, told("gaps over 40 ms", float64(r.GapsOver40), ""))
	if r.BeatLate.Max > 40 { // then the machine gave nobody time
		over.OwnLate = r.BeatLate.Max
	}
	return []figure{
		over, told("longest gap", r.LongestGap, "ms"),
		atMost(0, told("calls not complete", float64(r.Calls-r.Complete), "")),
		atMost(0, told("calls that ended early", float64(r.EndedEarly), "")),
		told("abs(gap - 20 ms) p50", r.Pacing.P50, "ms"), told("abs(gap - 20 ms) p99", r.Pacing.P99, "ms"),
		told("abs(gap - 20 ms) p99.9", r.Pacing.P999, "ms"),
		told("CPU per call-second", r.Usage.PerCall, "us"), told("memory", float64(r.Usage.Memory)/1e6, "MB"),
	}
}

func setUpFigures(r *caller.LoadReport) []figure {
	return append(halves("INVITE -> 200", r.Answer, 20, r.DialLate.P99),
		atMost(0, told("failed, or a message repeated", float64(r.Failed+r.Repeated2xx+r.RepeatedByUs), "")),
		told("CPU per call", r.Usage.CPU/float64(max(r.Answered, 1))*1e6, "us"), told("memory", float64(r.Usage.Memory)/1e6, "MB"))
}

// Verdicts of a run.
const (
	met       = "met"
	missed    = "missed"
	noVerdict = "no verdict"
)

// verdict judges a figure of a run in which the host stole so much time. Nothing is
// judged when the generator itself was later than the figure may be.
func (f figure) verdict(stolen float64) string {
	switch {
	case !f.Must:
		return ""
	case stolen > maxStolen, f.OwnLate > max(f.Limit, 0) && f.OwnLate > 0:
		return noVerdict
	case f.Value > f.Limit:
		return missed
	}
	return met
}

// outcome is a run that was made.
type outcome struct {
	Name    string             `json:"name"`
	Tries   int                `json:"tries"`
	Load    float64            `json:"load_average"` // of the machine, just before
	Figures []judged           `json:"figures"`
	Report  *caller.LoadReport `json:"report"`
}

type judged struct {
	figure
	Verdict string `json:"verdict,omitempty"`
}

func (o *outcome) settled() bool {
	return !slices.ContainsFunc(o.Figures, func(f judged) bool { return f.Verdict == noVerdict })
}

// doubt takes back what was missed in a run that was disturbed.
func (o *outcome) doubt() {
	if o.settled() {
		return
	}
	for i := range o.Figures {
		if o.Figures[i].Verdict == missed {
			o.Figures[i].Verdict = noVerdict
		}
	}
}

// TestBench is `make bench`: it measures the real program with callers in another
// process, prints a table and writes the file that the environment names. It fails
// when a hot path allocates, or a target is missed on a machine quiet enough to tell.
func TestBench(t *testing.T) {
	file := os.Getenv(benchVariable)
	if file == "" {
		t.Skip("run by `make bench`")
	}
	begun := time.Now()
	b := report{Machine: thisMachine(), HotPaths: hotPaths(t)}
	b.printHotPaths(t)
	log := filepath.Join(t.TempDir(), "log")
	house := startService(t, setup{
		Sections: map[string]string{
			"sip": benchService, "media": "{port_min: 20000, port_max: 23998}", "log": "{level: info}", "dialplan": benchDialplan(t),
		},
		Wrap: []string{"sh", "-c", `exec "$@" 2>"$0"`, log}, // a file, as a service manager gives it
	})
	users := house.population(t)
	printHead()
	for _, run := range loadRuns() {
		o := house.measure(t, run, users, begun.Add(benchBudget))
		o.print()
		b.Runs = append(b.Runs, o)
		for _, f := range o.Figures {
			if f.Verdict == missed {
				t.Errorf("%s: %s is %g %s; the target is %g", o.Name, f.Name, f.Value, f.Unit, f.Limit)
			}
		}
	}
	b.Warnings = warnings(t, log)
	b.Seconds = time.Since(begun).Seconds()
	text, err := json.MarshalIndent(b, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644))
	fmt.Printf("\nthe service warned:\n%s\n%.0f s; all figures are in %s\n", strings.Join(b.Warnings, ""), b.Seconds, file)
}

// warnings are the lines of the service's log above level info.
func warnings(t *testing.T, log string) (lines []string) {
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, " level=INFO ") && len(lines) < 20 {
			lines = append(lines, line)
		}
	}
	return lines
}

func benchDialplan(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "plan.yaml")
	require.NoError(t, os.WriteFile(name, []byte(benchPlan), 0o600))
	return strconv.Quote(name)
}

// population imports mailboxes and returns the file of their callers.
func (v *service) population(t *testing.T) string {
	var boxes, users strings.Builder
	boxes.WriteString(strings.Join(importHeader[:optional], ",") + "\n")
	rules := pin.DefaultPolicy()
	for n := 0; n < benchBoxes; {
		extension, digits := strconv.Itoa(firstBox+n), fmt.Sprintf("%06d", rand.IntN(1e6))
		code, err := pin.Parse(digits)
		require.NoError(t, err)
		if rules.Check(code, pin.Context{Extension: extension}) != pin.Pass {
			continue
		}
		fmt.Fprintf(&boxes, "%s,,,,%s\n", extension, digits)
		fmt.Fprintf(&users, "%s %s\n", extension, digits)
		n++
	}
	_, stderr, exit := v.mailbox(boxes.String(), "import", "-")
	require.Zero(t, exit, stderr)
	name := filepath.Join(t.TempDir(), "users.txt")
	require.NoError(t, os.WriteFile(name, []byte(users.String()), 0o600))
	return name
}

// measure makes a run, and again while it was disturbed and there is time.
func (v *service) measure(t *testing.T, run loadRun, users string, until time.Time) (o outcome) {
	args := append([]string{"bench", fmt.Sprintf("sip:%s@%s", run.number, v.UDP), "--json", "--users", users, "--pid", strconv.Itoa(v.cmd.Process.Pid)}, run.args...)
	for try := 1; ; try++ {
		o = outcome{Name: run.name, Tries: try, Load: loadAverage(), Report: new(caller.LoadReport)}
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program(t, false), args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		began := time.Now()
		require.NoError(t, cmd.Run(), errs.String())
		require.NoError(t, json.Unmarshal(out.Bytes(), o.Report))
		for _, f := range run.figures(o.Report) {
			o.Figures = append(o.Figures, judged{f, f.verdict(o.Report.Usage.Stolen)})
		}
		o.doubt()
		if o.settled() || try == maxTries || time.Now().Add(time.Since(began)).After(until) {
			return o
		}
	}
}
