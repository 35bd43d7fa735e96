package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

// benchVariable names the file that TestBench writes.
const benchVariable = "STAR97_BENCH"

// hotRuns is how often each benchmark of a hot path is run.
const hotRuns = "5"

// hotPackages hold the benchmarks of the paths that may not allocate: the flow's
// step, a key of a call, the event decoder, RTP in and RTP out.
var hotPackages = []struct{ folder, pattern string }{
	{"internal/flow", "^Benchmark(Step|StepKey|AdvanceKey)$"},
	{"internal/call", "^BenchmarkKey$"},
	{"internal/dtmf", "^BenchmarkEventDecoder$"},
	{"internal/media", "^Benchmark(ReceivePacket|PacerSend)$"},
}

// hotPath is one benchmark; the figures are the medians of its runs.
type hotPath struct {
	Name        string  `json:"name"`
	Runs        int     `json:"runs"`
	Nanoseconds float64 `json:"ns"` // per step, event packet, RTP packet or frame
	Lowest      float64 `json:"ns_lowest"`
	Highest     float64 `json:"ns_highest"`
	Bytes       int64   `json:"bytes"`       // the most of all runs
	Allocations int64   `json:"allocations"` // the most of all runs
}

// report is the file that TestBench writes.
type report struct {
	Machine  machine    `json:"machine"`
	HotPaths []hotPath  `json:"hot_paths"`
	Runs     []outcome  `json:"runs"`
	Summary  []benchRow `json:"summary"`
	Warnings []string   `json:"warnings"` // of the services, 20 of each at most
	Seconds  float64    `json:"seconds"`
}

// machine is what was measured, and on what.
type machine struct {
	Version string  `json:"version"` // of the program
	Go      string  `json:"go"`
	System  string  `json:"system"`
	CPU     string  `json:"cpu"`
	Cores   int     `json:"cores"`
	Load    float64 `json:"load_average"` // before anything was measured
}

// benchLine is what `go test -bench` prints for one run.
var benchLine = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// hotPaths runs the benchmarks of the hot paths.
func hotPaths(t *testing.T) (all []hotPath) {
	for _, p := range hotPackages {
		cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "^$", "-bench", p.pattern, "-benchmem", "-benchtime", "200ms",
			"-count", hotRuns, "./"+p.folder)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		all = append(all, readBenchmarks(t, filepath.Base(p.folder), string(out))...)
	}
	return all
}

// readBenchmarks gathers the runs of each benchmark.
func readBenchmarks(t *testing.T, room, out string) (all []hotPath) {
	times := map[string][]float64{}
	for _, m := range benchLine.FindAllStringSubmatch(out, -1) {
		name := room + "." + strings.TrimPrefix(m[1], "Benchmark")
		at := slices.IndexFunc(all, func(h hotPath) bool { return h.Name == name })
		if at < 0 {
			at = len(all)
			all = append(all, hotPath{Name: name})
		}
		values := benchValues(t, m[2])
		ns, ok := values["ns/step"]
		if !ok {
			ns = values["ns/op"]
		}
		require.Contains(t, values, "allocs/op", "%s does not report its allocations", name)
		times[name] = append(times[name], ns)
		all[at].Bytes = max(all[at].Bytes, int64(values["B/op"]))
		all[at].Allocations = max(all[at].Allocations, int64(values["allocs/op"]))
	}
	require.NotEmpty(t, all, "no benchmark ran:\n%s", out)
	for i := range all {
		ns := slices.Sorted(slices.Values(times[all[i].Name]))
		all[i].Runs, all[i].Nanoseconds, all[i].Lowest, all[i].Highest = len(ns), ns[len(ns)/2], ns[0], ns[len(ns)-1]
	}
	return all
}

// benchValues reads pairs of value and unit.
func benchValues(t *testing.T, pairs string) map[string]float64 {
	words := strings.Fields(pairs)
	values := map[string]float64{}
	for i := 0; i+1 < len(words); i += 2 {
		value, err := strconv.ParseFloat(words[i], 64)
		require.NoError(t, err, pairs)
		values[words[i+1]] = value
	}
	return values
}

func TestBenchmarkOutputIsRead(t *testing.T) {
	const out = `goos: linux
BenchmarkStep-2     	  12345	      5000 ns/op	        51.5 ns/step	       0 B/op	       0 allocs/op
BenchmarkStep-2     	  12345	      6000 ns/op	        61.5 ns/step	       0 B/op	       0 allocs/op
BenchmarkStep-2     	  12345	      4000 ns/op	        41.5 ns/step	      16 B/op	       1 allocs/op
BenchmarkX/a_key-2  	  1	      40.5 ns/op	       0 B/op	       0 allocs/op
PASS
`
	require.Equal(t, []hotPath{
		{Name: "flow.Step", Runs: 3, Nanoseconds: 51.5, Lowest: 41.5, Highest: 61.5, Bytes: 16, Allocations: 1},
		{Name: "flow.X/a_key", Runs: 1, Nanoseconds: 40.5, Lowest: 40.5, Highest: 40.5},
	}, readBenchmarks(t, "flow", out))
}

func TestFiguresAreJudged(t *testing.T) {
	for name, c := range map[string]struct {
		f         figure
		disturbed bool
		want      string
	}{
		"for information":           {told("x", 7, "ms"), true, ""},
		"at the limit":              {atMost(2, told("x", 2, "ms")), false, met},
		"above the limit":           {atMost(2, told("x", 2.1, "ms")), false, missed},
		"as many as wanted":         {atLeast(9, told("x", 9, "")), false, met},
		"fewer than wanted":         {atLeast(9, told("x", 8, "")), false, missed},
		"a count that must be 0":    {atMost(0, told("x", 1, "")), false, missed},
		"met in a disturbed run":    {atMost(2, told("x", 1, "ms")), true, noVerdict},
		"missed in a disturbed run": {atMost(2, told("x", 3, "ms")), true, noVerdict},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.f.verdict(c.disturbed)) })
	}
}

// What the report itself calls no verdict is none here, and nothing else.
func TestARunIsDisturbedWhereItsReportSaysSo(t *testing.T) {
	for _, c := range []struct {
		report caller.LoadReport
		want   string
	}{
		{caller.LoadReport{BeatLate: caller.Percentiles{P99: 10}, Warnings: []string{"late"}}, missed},
		{caller.LoadReport{NoVerdict: []string{"late"}}, noVerdict},
	} {
		o := outcome{Report: &c.report}
		o.judge([]figure{atMost(1, told("x", 2, "ms"))})
		require.Equal(t, c.want, o.Figures[0].Verdict)
		require.Equal(t, c.want == noVerdict, o.Disturbed)
	}
}

// printHotPaths prints the first table; an allocation is an error.
func (b *report) printHotPaths(t *testing.T) {
	m := b.Machine
	fmt.Printf("\nstar97 %s, %s, %s, %d cores of %s, load average %.2f\n", m.Version, m.Go, m.System, m.Cores, m.CPU, m.Load)
	fmt.Printf("\n%-44s %5s %10s %21s %6s %7s\n", "hot path, one turn of it", "runs", "ns", "lowest, highest", "bytes", "allocs")
	for _, h := range b.HotPaths {
		fmt.Printf("%-44s %5d %10.1f %10.1f %10.1f %6d %7d\n", h.Name, h.Runs, h.Nanoseconds, h.Lowest, h.Highest, h.Bytes, h.Allocations)
		if h.Allocations > 0 {
			t.Errorf("%s allocates %d times (%d bytes); it must not", h.Name, h.Allocations, h.Bytes)
		}
	}
}

func printHead() {
	fmt.Printf("\n%-54s %12s %8s  %s\n", "load run: the real program, callers in another process", "value", "target", "verdict")
}

func (o *outcome) print() {
	r := o.Report
	fmt.Printf("\n%s%s: %d calls; try %d, load average %.2f, stolen %.2f s, generator late p99 %.2f, max %.1f ms\n",
		o.Name, ofVariant(o.Variant), r.Answered, o.Tries, o.Load, r.Usage.Stolen, r.BeatLate.P99, r.BeatLate.Max)
	for _, f := range o.Figures {
		limit := ""
		switch {
		case f.Must && f.Least:
			limit = fmt.Sprintf(">= %g", f.Limit)
		case f.Must:
			limit = fmt.Sprintf("<= %g", f.Limit)
		}
		fmt.Printf("  %-52s %9.2f %-2s %8s  %s\n", f.Name, f.Value, f.Unit, limit, f.Verdict)
	}
	for _, why := range r.NoVerdict {
		fmt.Println("  no verdict: " + why)
	}
}

func ofVariant(name string) string {
	if name != "" {
		return " (" + name + ")"
	}
	return ""
}

// write prints the summary and writes the file.
func (b *report) write(t *testing.T, file string) {
	printSummary(b)
	text, err := json.MarshalIndent(b, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644))
	fmt.Printf("\nthe services warned:\n%s\n%.0f s; all figures are in %s\n", strings.Join(b.Warnings, ""), b.Seconds, file)
}

func thisMachine() machine {
	m := machine{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Load: loadAverage()}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if version, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		m.Version = strings.TrimSpace(string(version))
	}
	return m
}

// loadAverage is that of the last minute (proc(5)); 0 if it cannot be read.
func loadAverage() float64 {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), " ")
	value, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return value
}

func TestReportIsJSON(t *testing.T) {
	text, err := json.Marshal(report{Machine: thisMachine(), Runs: []outcome{{Name: "x", Figures: []judged{{told("y", 1, "ms"), met}}}}})
	require.NoError(t, err)
	require.Contains(t, string(text), `{"name":"y","value":1,"unit":"ms","limit":0,"must":false,"verdict":"met"}`)
}
