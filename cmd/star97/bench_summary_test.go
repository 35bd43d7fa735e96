package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

// benchRow is one line of the table of the README: what was measured, the target, and a value
// for each variant; "-" where there is none, a star where every run of it was disturbed.
type benchRow struct {
	What   string   `json:"what"`
	Target string   `json:"target"`
	Values []string `json:"values"`
	Runs   []int    `json:"runs"` // that each value is the median of
}

// benchValue is a figure of a report.
type benchValue func(r *caller.LoadReport) float64

// percentilesOf finds one of the histograms of a report.
type percentilesOf func(r *caller.LoadReport) caller.Percentiles

func half(p percentilesOf) benchValue             { return func(r *caller.LoadReport) float64 { return p(r).P50 } }
func worst(p percentilesOf) benchValue            { return func(r *caller.LoadReport) float64 { return p(r).P99 } }
func medianAndWorst(p percentilesOf) []benchValue { return []benchValue{half(p), worst(p)} }

func ofAnswer(r *caller.LoadReport) caller.Percentiles  { return r.Answer }
func ofFirst(r *caller.LoadReport) caller.Percentiles   { return r.FirstRTP }
func ofStop(r *caller.LoadReport) caller.Percentiles    { return r.Stop }
func ofNext(r *caller.LoadReport) caller.Percentiles    { return r.Next }
func ofAudible(r *caller.LoadReport) caller.Percentiles { return r.Audible }
func ofPacing(r *caller.LoadReport) caller.Percentiles  { return r.Pacing }

func cpuPerCall(r *caller.LoadReport) float64    { return r.Usage.PerCall }
func megabytes(r *caller.LoadReport) float64     { return float64(r.Usage.Memory) / 1e6 }
func ownMegabytes(r *caller.LoadReport) float64  { return float64(r.Usage.Anonymous) / 1e6 }
func completeCalls(r *caller.LoadReport) float64 { return float64(r.Complete) }
func heldRate(r *caller.LoadReport) float64      { return r.Rate }
func achievedRate(r *caller.LoadReport) float64  { return r.Achieved }
func longestGap(r *caller.LoadReport) float64    { return r.LongestGap }
func setupGaps(r *caller.LoadReport) float64     { return float64(r.SetupOver) }
func setupGap(r *caller.LoadReport) float64      { return r.SetupGap }
func ownBeat(r *caller.LoadReport) float64       { return r.BeatLate.P99 }

// wantedRows are the rows, in the order of the table. A relative one is a share of the
// last variant's value, which was measured side by side.
var wantedRows = []struct {
	what, run, format, target string
	values                    []benchValue
	relative                  bool
}{
	{"INVITE -> 200, 100 callers, p50 / p99 ms", talkingRun, "%.2f", "0.8 / 4", medianAndWorst(ofAnswer), false},
	{"ACK -> first RTP, 100 callers, p50 / p99 ms", talkingRun, "%.2f", "1 / 5", medianAndWorst(ofFirst), false},
	{"the same, callers who send nothing", silentRun, "%.2f", "1 / 5", medianAndWorst(ofFirst), false},
	{"key-down -> last packet of the old prompt, 100 callers, p99 ms", keysRun, "%.2f", "2", []benchValue{worst(ofStop)}, false},
	{"key-down -> first packet of the next prompt, 100 callers, p50 / p99 ms", keysRun, "%.2f", "0.3 / 2", medianAndWorst(ofNext), false},
	{"key-down -> first audible sound, 100 callers, p50 ms", keysRun, "%.1f", "10", []benchValue{half(ofAudible)}, false},
	{"in-band key-down -> next prompt, 100 callers, p50 / p99 ms", tonesRun, "%.1f", "45", medianAndWorst(ofNext), false},
	{"CPU per call-second, 200 calls, us", listenRun(200), "%.0f", "399: 1/6 of Asterisk 22.10, measured on two such cores on another day", []benchValue{cpuPerCall}, false},
	{"as a share of the last column", listenRun(200), "%.2f", "", []benchValue{cpuPerCall}, true},
	{"CPU per call-second, 500 calls, us", listenRun(500), "%.0f", "295: 1/8 of it", []benchValue{cpuPerCall}, false},
	{"as a share of the last column", listenRun(500), "%.2f", "", []benchValue{cpuPerCall}, true},
	{"send pacing, abs(gap - 20 ms) p99 ms, 200 calls", listenRun(200), "%.2f", "1", []benchValue{worst(ofPacing)}, false},
	{"the same, 500 calls", listenRun(500), "%.2f", "3", []benchValue{worst(ofPacing)}, false},
	{"the same, 2000 calls", listenRun(2000), "%.2f", "12", []benchValue{worst(ofPacing)}, false},
	{"of 2000 calls, those that get every packet", listenRun(2000), "%.0f", "2000", []benchValue{completeCalls}, false},
	{"of 3000 calls", listenRun(3000), "%.0f", "", []benchValue{completeCalls}, false},
	{"longest gap, 2000 calls, ms", listenRun(2000), "%.1f", "40", []benchValue{longestGap}, false},
	{"the same, 3000 calls", listenRun(3000), "%.1f", "", []benchValue{longestGap}, false},
	{"gaps over 40 ms while 2000 calls are set up / the longest, ms", listenRun(2000), "%.0f", "", []benchValue{setupGaps, setupGap}, false},
	{"the same, 3000 calls", listenRun(3000), "%.0f", "", []benchValue{setupGaps, setupGap}, false},
	{"how late the callers' own packets left, 2000 calls, p99 ms", listenRun(2000), "%.1f", "", []benchValue{ownBeat}, false},
	{"the same, 3000 calls", listenRun(3000), "%.1f", "", []benchValue{ownBeat}, false},
	{"set-up rate held, 200 OK p99 < 20 ms, calls/s", heldRun, "%.0f", "1000", []benchValue{heldRate}, false},
	{"INVITEs that left a second at that rate", heldRun, "%.0f", "", []benchValue{achievedRate}, false},
	{"memory at 500 calls, resident / without pages of files, MB", memoryRun, "%.0f", "30", []benchValue{megabytes, ownMegabytes}, false},
	{"the same, 2000 calls", listenRun(2000), "%.0f", "70", []benchValue{megabytes, ownMegabytes}, false},
	{"the same, after 25 s at half the rate held", kneeRun, "%.0f", "", []benchValue{megabytes, ownMegabytes}, false},
}

// summary makes the rows of what was measured.
func (c *campaign) summary() (all []benchRow) {
	last := variants()[len(variants())-1].name
	for _, w := range wantedRows {
		r := benchRow{What: w.what, Target: w.target}
		measured := false
		for _, of := range variants() {
			runs, disturbed := c.runs(w.run, of.name)
			text := "-"
			if len(runs) > 0 {
				measured = true
				var parts []string
				for _, v := range w.values {
					x := middle(runs, v)
					if w.relative {
						beside, alike := c.runs(w.run, last)
						x /= middle(beside, v)
						disturbed = disturbed || alike
					}
					parts = append(parts, fmt.Sprintf(w.format, x))
				}
				if text = strings.Join(parts, " / "); disturbed {
					text += " *"
				}
			}
			r.Values, r.Runs = append(r.Values, text), append(r.Runs, len(runs))
		}
		if measured {
			all = append(all, r)
		}
	}
	return all
}

// middle is the median of a value of some runs.
func middle(runs []*outcome, v benchValue) float64 {
	var all []float64
	for _, o := range runs {
		all = append(all, v(o.Report))
	}
	if len(all) == 0 {
		return 0
	}
	return median(all)
}

// printSummary prints the table as the README has it.
func printSummary(b *report) {
	if len(b.Summary) == 0 {
		return
	}
	names := []string{}
	for _, of := range variants() {
		names = append(names, of.name)
	}
	fmt.Printf("\nFor the README (runs that were disturbed are left out; *: every one was):\n\n| what | target | %s |\n|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, r := range b.Summary {
		fmt.Printf("| %s | %s | %s |\n", r.What, r.Target, strings.Join(r.Values, " | "))
	}
}

func TestTheSummaryIsOfUndisturbedRuns(t *testing.T) {
	of := variants()[0].name
	last := variants()[len(variants())-1].name
	between := variants()[1].name
	listened := func(variant string, cpu float64, doubts ...string) outcome {
		o := outcome{Name: listenRun(200), Variant: variant, Report: &caller.LoadReport{Calls: 200, NoVerdict: doubts, Usage: caller.Usage{PerCall: cpu}, Pacing: caller.Percentiles{P99: cpu / 100}}}
		o.judge(nil)
		return o
	}
	c := &campaign{report: report{Runs: []outcome{
		listened(of, 100), listened(of, 110), listened(of, 90), listened(of, 999, "late"), listened(last, 400, "late"), listened(last, 200), listened(between, 300, "late"),
	}}}
	rows := c.summary()
	find := func(what string) benchRow {
		i := slices.IndexFunc(rows, func(r benchRow) bool { return r.What == what })
		require.GreaterOrEqual(t, i, 0)
		return rows[i]
	}
	cpu := find("CPU per call-second, 200 calls, us")
	require.Equal(t, "100", cpu.Values[0])
	require.Equal(t, "200", cpu.Values[len(cpu.Values)-1])
	require.Equal(t, 3, cpu.Runs[0])
	require.Equal(t, "0.50", find("as a share of the last column").Values[0])
	require.Equal(t, "300 *", cpu.Values[1])
	require.Equal(t, "1.50 *", find("as a share of the last column").Values[1])
	require.Len(t, rows, 3, "what was not measured is left out")
	c.report.Runs = c.report.Runs[:4]
	require.Equal(t, "-", c.summary()[0].Values[1])
}

// A rate that only the generator was too late for is not held, and not refuted either; nor
// is one for which others left no time. One that fills the machine is refuted.
func TestAHeldRateIsAVerdict(t *testing.T) {
	good := caller.LoadReport{Answered: 9, Answer: caller.Percentiles{P99: 19.9}, Usage: caller.Usage{Seconds: 4, CPU: 5, Own: 1.4}}
	for name, c := range map[string]struct {
		alter          func(r *caller.LoadReport)
		held, doubtful bool
	}{
		"held":            {func(*caller.LoadReport) {}, true, false},
		"disturbed":       {func(r *caller.LoadReport) { r.NoVerdict = []string{"late"} }, false, true},
		"late":            {func(r *caller.LoadReport) { r.Answer.P99 = 20 }, false, false},
		"late, disturbed": {func(r *caller.LoadReport) { r.Answer.P99, r.NoVerdict = 20, []string{"late"} }, false, false},
		"late, disturbed by others": {func(r *caller.LoadReport) {
			r.Answer.P99, r.NoVerdict, r.Usage.Own = 20, []string{"late"}, 1.3
		}, false, true},
		"one failed": {func(r *caller.LoadReport) { r.Failed = 1 }, false, false},
		"one not placed": {func(r *caller.LoadReport) {
			r.NotPlaced, r.NoVerdict = 1, []string{"not placed"}
		}, false, false},
		"one repeated": {func(r *caller.LoadReport) { r.RepeatedByUs = 1 }, false, false},
	} {
		r := good
		c.alter(&r)
		held, doubtful := isHeld(&r, 2)
		require.Equal(t, [2]bool{c.held, c.doubtful}, [2]bool{held, doubtful}, name)
	}
}

// Runs made again in one part leave the others their time.
func TestThePartsOfABenchLeaveTimeToEachOther(t *testing.T) {
	begun := time.Now()
	parts := []benchPart{{"a", time.Minute, nil}, {"b", 2 * time.Minute, nil}, {"c", 3 * time.Minute, nil}}
	for n, want := range []time.Duration{5 * time.Minute, 3 * time.Minute, 0} {
		require.Equal(t, begun.Add(benchTime-want), latest(begun, n, parts))
	}
}

func TestTheRateThatIsHeldIsFound(t *testing.T) {
	for limit, want := range map[float64][2]float64{90: {0, 0}, 150: {130, 150}, 1000: {917, 1000}, 1e9: {3200, 3200}} {
		got := bisect(100, 3, func(rate float64) bool { return rate <= limit })
		require.GreaterOrEqual(t, got, want[0])
		require.LessOrEqual(t, got, want[1])
	}
}
