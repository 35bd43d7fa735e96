package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/pin"
)

const (
	benchBoxes   = 100 // mailboxes, each with a code
	firstBox     = 20000
	signInRate   = "12" // callers a second: about two thirds of a core computes hashes
	maxTries     = 3    // of a run that was disturbed
	benchService = `{listen: [{network: udp, address: "127.0.0.1:0"}], limits: {rate: 1000000, burst: 1000000, calls: 5000, unacknowledged: 5000}}`
	// benchPorts leave room for 3000 calls while as many ports rest, below those that Linux
	// hands out.
	benchPorts = "port_min: 20000, port_max: 31998"
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
	trusts  string // file of the certificate that a service on TLS shows; empty: plain SIP and RTP
	once    bool   // a disturbed run is not made again: others of its kind follow
}

// figure is one measured value. Limit 0 with Must false is information.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Limit float64 `json:"limit"`
	Must  bool    `json:"must"`            // the value must not exceed the limit
	Least bool    `json:"least,omitempty"` // or not be below it
}

func told(name string, value float64, unit string) figure {
	return figure{Name: name, Value: value, Unit: unit}
}

func atMost(limit float64, f figure) figure {
	f.Limit, f.Must = limit, true
	return f
}

func atLeast(limit float64, f figure) figure {
	f.Limit, f.Must, f.Least = limit, true, true
	return f
}

// halves are the median for information and the 99th percentile, judged.
func halves(name string, p caller.Percentiles, limit float64) []figure {
	return []figure{told(name+" p50", p.P50, "ms"), atMost(limit, told(name+" p99", p.P99, "ms"))}
}

// lossless are the calls that lost nothing. A machine that is busy with other tests makes gaps.
func lossless(r *caller.LoadReport) int { return r.Complete + r.Gapped }

// steadily sets calls up at a rate.
func steadily(rate, hold, duration string) []string {
	return []string{"--mode", "rate", "--calls", "5000", "--rate", rate, "--hold", hold, "--duration", duration}
}

func keyFigures(r *caller.LoadReport) []figure {
	first := atMost(10, told("key-down -> first sound p50", r.Audible.P50, "ms"))
	all := append(halves("key-down -> last old packet", r.Stop, 2), halves("key-down -> next talkspurt", r.Next, 2)...)
	return append(all, first, told("key-down -> first sound p99", r.Audible.P99, "ms"),
		atMost(0, told("keys without a next talkspurt", float64(r.NoNext), "")),
		atMost(0, told("calls that failed or ended early", float64(r.Failed+r.EndedEarly+r.NoRTP), "")),
		told("while callers sign in: longest gap", r.SetupGap, "ms"),
		told("while callers sign in: INVITE -> 200 p99", r.Answer.P99, "ms"),
		told("while callers sign in: ACK -> first RTP p99", r.FirstRTP.P99, "ms"))
}

// toneFigures are those of keys that come in-band.
func toneFigures(r *caller.LoadReport) []figure {
	return []figure{atMost(45, told("key-down -> next talkspurt p50", r.Next.P50, "ms")), told("key-down -> next talkspurt p99", r.Next.P99, "ms"),
		atMost(0, told("keys without a next talkspurt", float64(r.NoNext), "")),
		atMost(0, told("calls that failed or ended early", float64(r.Failed+r.EndedEarly+r.NoRTP), ""))}
}

func firstFigures(r *caller.LoadReport) []figure {
	return append(append(halves("INVITE -> 200", r.Answer, 4), halves("ACK -> first RTP", r.FirstRTP, 5)...),
		atMost(0, told("calls that failed, without RTP or with RTP too early", float64(r.Failed+r.NoRTP+r.BeforeAck), "")))
}

// listenFigures are those of calls that get prompt all the time; pacing is judged where
// there is a target for so many calls.
func listenFigures(r *caller.LoadReport) []figure {
	pacing := told("abs(gap - 20 ms) p99", r.Pacing.P99, "ms")
	if limit, known := map[int]float64{200: 1, 500: 3, 2000: 12}[r.Calls]; known {
		pacing = atMost(limit, pacing)
	}
	return []figure{
		atMost(0, told("gaps over 40 ms", float64(r.GapsOver40), "")), told("longest gap", r.LongestGap, "ms"),
		told("gaps over 40 ms during the set-up", float64(r.SetupOver), ""), told("longest gap during the set-up", r.SetupGap, "ms"),
		atMost(0, told("calls not complete", float64(r.Calls-r.Complete), "")),
		atMost(0, told("calls that ended early", float64(r.EndedEarly), "")),
		told("abs(gap - 20 ms) p50", r.Pacing.P50, "ms"), pacing, told("abs(gap - 20 ms) p99.9", r.Pacing.P999, "ms"),
		told("CPU per call-second", r.Usage.PerCall, "us"), told("memory", float64(r.Usage.Memory)/1e6, "MB"),
	}
}

func setUpFigures(r *caller.LoadReport) []figure {
	return append(halves("INVITE -> 200", r.Answer, heldWithin),
		atMost(0, told("failed, not placed, or a message repeated", float64(r.Failed+r.NotPlaced+r.Repeated2xx+r.RepeatedByUs), "")),
		told("INVITEs that left", r.Achieved, "/s"), told("an INVITE left late p99", r.DialLate.P99, "ms"),
		told("CPU per call", r.Usage.CPU/float64(max(r.Answered, 1))*1e6, "us"), told("memory", float64(r.Usage.Memory)/1e6, "MB"))
}

// Verdicts of a run.
const (
	met       = "met"
	missed    = "missed"
	noVerdict = "no verdict"
)

// verdict judges a figure. In a run that was disturbed none is judged.
func (f figure) verdict(disturbed bool) string {
	switch {
	case !f.Must:
		return ""
	case disturbed:
		return noVerdict
	case f.Least && f.Value < f.Limit, !f.Least && f.Value > f.Limit:
		return missed
	}
	return met
}

// outcome is a run that was made.
type outcome struct {
	Name      string             `json:"name"`
	Variant   string             `json:"variant,omitempty"` // how the service carried packets
	Tries     int                `json:"tries"`
	Load      float64            `json:"load_average"` // of the machine, just before
	Disturbed bool               `json:"disturbed"`    // the report says that it is no verdict, whatever the variant
	Figures   []judged           `json:"figures"`
	Report    *caller.LoadReport `json:"report"`
}

type judged struct {
	figure
	Verdict string `json:"verdict,omitempty"`
}

// judge reads the figures of its report.
func (o *outcome) judge(figures []figure) {
	o.Disturbed = len(o.Report.NoVerdict) > 0
	for _, f := range figures {
		o.Figures = append(o.Figures, judged{f, f.verdict(o.Disturbed)})
	}
}

// undisturbed are those runs that were not disturbed; all of them if all were.
func undisturbed(all []*outcome) (those []*outcome, disturbed bool) {
	for _, o := range all {
		if !o.Disturbed {
			those = append(those, o)
		}
	}
	if len(those) == 0 {
		return all, len(all) > 0
	}
	return those, false
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

func benchDialplan(t testing.TB) string {
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
	args := append([]string{"bench", fmt.Sprintf("sip:%s@%s", run.number, v.UDP), "--json", "--pid", strconv.Itoa(v.cmd.Process.Pid)}, run.args...)
	if users != "" {
		args = append(args, "--users", users)
	}
	if run.trusts != "" {
		args[1] = fmt.Sprintf("sips:%s@%s", run.number, v.TLS)
		args = append(args, "--ca-file", run.trusts, "--srtp", "required")
	}
	for try := 1; ; try++ {
		o = outcome{Name: run.name, Tries: try, Load: loadAverage(), Report: new(caller.LoadReport)}
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program(t, false), args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		began := time.Now()
		require.NoError(t, cmd.Run(), errs.String())
		require.NoError(t, json.Unmarshal(out.Bytes(), o.Report))
		o.judge(run.figures(o.Report))
		if !o.Disturbed || run.once || try == maxTries || time.Now().Add(time.Since(began)).After(until) {
			return o
		}
	}
}
