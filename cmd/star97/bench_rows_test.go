package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

// rowsVariable names the parts of the load run that are wanted, by a pattern; empty: all.
const rowsVariable = "STAR97_BENCH_ROWS"

// benchTime is what all of it takes at most, disturbed runs repeated while there is time.
const benchTime = 19 * time.Minute

// benchPart is one part of the bench and about how long it takes when no run is disturbed.
type benchPart struct {
	name  string
	takes time.Duration
	run   func()
}

// latest is when a part has to be over, so that there is time for those after it.
func latest(begun time.Time, part int, all []benchPart) time.Time {
	until := begun.Add(benchTime)
	for _, later := range all[part+1:] {
		until = until.Add(-later.takes)
	}
	return until
}

// variant is one way for the service to carry packets. The first one is judged, the others
// are what it is compared with.
type variant struct{ name, media string }

func variants() []variant {
	return []variant{
		{"reactor", "engine: reactor"},
		{"reactor, no kernel filter", "engine: reactor, kernel_filter: off"},
		{"portable, no kernel filter", "engine: portable, kernel_filter: off"},
	}
}

// campaign is one `make bench`: a service for each variant, side by side, idle while
// another one is measured.
type campaign struct {
	t        *testing.T
	report   report
	until    time.Time  // disturbed runs of a part are made again until then
	services []*service // of the variants
	users    []string   // files of their callers, who have codes
	press    string     // file of callers who press one key, so that their telephones are known to send events
	logs     []string
}

// TestBench is `make bench`: it measures the real program with callers in another
// process, prints tables and writes the file that the environment names. It fails
// when a hot path allocates, or a target is missed on a machine quiet enough to tell.
func TestBench(t *testing.T) {
	file := os.Getenv(benchVariable)
	if file == "" {
		t.Skip("run by `make bench`")
	}
	wanted, err := regexp.Compile(os.Getenv(rowsVariable))
	require.NoError(t, err)
	begun := time.Now()
	c := &campaign{t: t, report: report{Machine: thisMachine()}}
	c.press = filepath.Join(t.TempDir(), "press.txt")
	require.NoError(t, os.WriteFile(c.press, []byte("1000 1\n"), 0o600))
	parts := slices.DeleteFunc([]benchPart{
		{"hot", 50 * time.Second, c.hot}, {"latency", 250 * time.Second, c.latency}, {"cpu", 325 * time.Second, c.cpu},
		{"large", 125 * time.Second, c.large}, {"setup", 145 * time.Second, c.setup}, {"secured", 115 * time.Second, c.secured},
	}, func(p benchPart) bool { return !wanted.MatchString(p.name) })
	for n, part := range parts {
		fmt.Printf("\n== %s (after %.0f s)\n", part.name, time.Since(begun).Seconds())
		c.until = latest(begun, n, parts)
		part.run()
	}
	c.report.Summary = c.summary()
	c.report.Seconds = time.Since(begun).Seconds()
	for _, log := range c.logs {
		c.report.Warnings = append(c.report.Warnings, warnings(t, log)...)
	}
	c.report.write(t, file)
}

func (c *campaign) hot() {
	c.report.HotPaths = hotPaths(c.t)
	c.report.printHotPaths(c.t)
}

// service starts one of a variant.
func (c *campaign) service(of variant) *service {
	log := filepath.Join(c.t.TempDir(), "log")
	c.logs = append(c.logs, log)
	return startService(c.t, setup{
		Sections: map[string]string{
			"sip": benchService, "media": fmt.Sprintf("{%s, %s}", benchPorts, of.media), "log": "{level: info}", "dialplan": benchDialplan(c.t),
		},
		Wrap: []string{"sh", "-c", `exec "$@" 2>"$0"`, log}, // a file, as a service manager gives it
	})
}

// each runs something with the service of each variant, which is started before the first
// time and stays.
func (c *campaign) each(do func(n int, v *service)) {
	if c.services == nil {
		for _, of := range variants() {
			v := c.service(of)
			c.services, c.users = append(c.services, v), append(c.users, v.population(c.t))
		}
	}
	for n, v := range c.services {
		do(n, v)
	}
}

// add makes a run with the n-th variant and keeps what came of it.
func (c *campaign) add(n int, v *service, run loadRun, users string) *outcome {
	o := v.measure(c.t, run, users, c.until)
	o.Variant = variants()[n].name
	if n > 0 {
		for i := range o.Figures { // for comparison
			o.Figures[i].Must, o.Figures[i].Verdict = false, ""
		}
	}
	o.print()
	o.complain(c.t)
	c.report.Runs = append(c.report.Runs, o)
	return &c.report.Runs[len(c.report.Runs)-1]
}

// Names of runs, which the summary looks for.
const (
	talkingRun = "ACK, 100 talking callers"
	silentRun  = "ACK, 100 silent callers"
	keysRun    = "keys by events, 100 callers in the menu"
	tonesRun   = "keys by tones, 100 callers in the menu"
	heldRun    = "set-up rate that is held"
	kneeRun    = "set-up for 25 s at half of it"
)

func listenRun(calls int) string { return fmt.Sprintf("listen, %d calls", calls) }

// latency is what a caller feels, 100 at a time.
func (c *campaign) latency() {
	const calls = "100"
	keyed := []string{"--mode", "keys", "--calls", calls, "--rate", signInRate, "--settle", "4s", "--duration", "15s"}
	printHead()
	c.each(func(n int, v *service) {
		c.add(n, v, loadRun{name: talkingRun, number: "*97", args: steadily("20", "5s", "10s"), figures: firstFigures}, "")
		c.add(n, v, loadRun{name: silentRun, number: "*97", args: append(steadily("20", "5s", "10s"), "--silent"), figures: firstFigures}, "")
		c.add(n, v, loadRun{name: keysRun, number: "*97", args: keyed, figures: keyFigures}, c.users[n])
		c.add(n, v, loadRun{name: tonesRun, number: "*97", args: append(keyed, "--digits", "inband"), figures: toneFigures}, c.users[n])
	})
}

// alternations are how often the processor time of each variant is measured, by turns.
const alternations = 5

// prompted are so many calls that get prompt and have pressed a key before.
func prompted(calls, seconds int) loadRun {
	return loadRun{name: listenRun(calls), number: "*98", figures: listenFigures,
		args: []string{"--mode", "listen", "--calls", strconv.Itoa(calls), "--rate", "250", "--settle", "1s", "--duration", fmt.Sprint(seconds, "s")}}
}

// cpu is the processor time and the pacing of 200 and 500 calls.
func (c *campaign) cpu() {
	printHead()
	for range alternations {
		for _, calls := range []int{200, 500} {
			c.each(func(n int, v *service) {
				run := prompted(calls, 8)
				run.once = true
				c.add(n, v, run, c.press)
			})
		}
	}
}

// large is the memory of 500 and 2000 calls of a new service that computed no hash, and
// whether 2000 and 3000 calls get every packet.
func (c *campaign) large() {
	printHead()
	for n, of := range variants() {
		v := c.service(of)
		c.add(n, v, prompted(500, 5), c.press).Name = memoryRun
		c.add(n, v, prompted(2000, 15), c.press)
		if n == 0 {
			o := c.add(n, v, prompted(3000, 15), c.press)
			fmt.Printf("  3000 calls: %d complete\n", o.Report.Complete)
		}
		v.stop()
	}
}

const memoryRun = "listen, 500 calls of a new service"

// Set-up rates.
const (
	heldWithin = 20.0 // ms, 200 OK p99 of a rate that is held
	lowestRate = 100.0
	rateSteps  = 3 // halvings of the interval, in ratio, between what was held and what was not
)

// setup finds the set-up rate that each variant holds, and what memory that takes when
// ended transactions are kept.
func (c *campaign) setup() {
	for n, of := range variants() {
		if n == 1 {
			continue // what is not set up yet has nothing to filter
		}
		v := c.service(of)
		fmt.Printf("\n%s: the rate of calls that is held (no failure, nothing repeated, 200 OK p99 under %.0f ms)\n", of.name, heldWithin)
		best, doubtful := new(caller.LoadReport), false
		rate := bisect(lowestRate, rateSteps, func(rate float64) bool {
			r, held, otherwise := c.holds(v, rate)
			if held {
				best = r
			}
			doubtful = doubtful || otherwise
			return held
		})
		o := c.add(n, v, loadRun{name: kneeRun, number: "*97", args: steadily(fmt.Sprintf("%.0f", max(rate/2, lowestRate/2)), "500ms", "25s"), figures: setUpFigures}, "")
		held := told("calls a second", rate, "/s")
		if n == 0 {
			held = atLeast(1000, held)
		}
		found := outcome{Name: heldRun, Variant: of.name, Tries: 1, Load: o.Load, Disturbed: doubtful, Report: best, Figures: []judged{
			{held, held.verdict(doubtful)}, {figure: told("INVITEs that left", best.Achieved, "/s")}, {figure: told("INVITE -> 200 p99", best.Answer.P99, "ms")},
			{figure: told("an INVITE left late p99", best.DialLate.P99, "ms")}}}
		found.print()
		found.complain(c.t)
		c.report.Runs = append(c.report.Runs, found)
		v.stop()
	}
}

// holds tells whether a rate is held for 4 s, in one of two tries, a failure may be the
// machine's, or of three if one was no verdict. doubtful: it is not, but that is none.
func (c *campaign) holds(v *service, rate float64) (r *caller.LoadReport, held, doubtful bool) {
	for try := 1; !held && (try < maxTries || doubtful && try == maxTries); try++ {
		r = v.reporting(c.t, "*97", steadily(fmt.Sprintf("%.0f", rate), "500ms", "4s")...)
		fmt.Printf("  %5.0f calls/s (%.0f left): %5d answered, %4d failed, %3d repeated; 200 OK p50 %6.2f, p99 %7.2f ms; INVITEs late p99 %.2f ms %s\n",
			rate, r.Achieved, r.Answered, r.Failed, r.Repeated2xx+r.RepeatedByUs, r.Answer.P50, r.Answer.P99, r.DialLate.P99, strings.Join(r.NoVerdict, "; "))
		var otherwise bool
		held, otherwise = isHeld(r, runtime.NumCPU())
		doubtful = doubtful || otherwise
	}
	return r, held, doubtful && !held
}

// filled is the share of the processors' time from which the service and its callers have
// filled a machine: what is late then is late because of them.
const filled = 0.8

// isHeld judges the report of a rate. One that is no verdict does not show that a rate is
// held; that it is not held it shows where nobody else was using the machine.
func isHeld(r *caller.LoadReport, cores int) (held, doubtful bool) {
	kept := r.Failed+r.NotPlaced == 0 && r.Repeated2xx+r.RepeatedByUs == 0 && r.Answer.P99 < heldWithin && r.Answered > 0
	if len(r.NoVerdict) == 0 {
		return kept, false
	}
	return false, kept || r.Usage.CPU+r.Usage.Own < filled*r.Usage.Seconds*float64(cores)
}

// bisect doubles a rate from the lowest on until it is not held, and then halves the
// interval, in ratio, so often. It returns the highest rate that was held; 0: none.
func bisect(lowest float64, steps int, holds func(rate float64) bool) float64 {
	const highest = 5000
	held, failed := 0.0, lowest
	for failed <= highest && holds(failed) {
		held, failed = failed, failed*2
	}
	if held == 0 || failed > highest {
		return held
	}
	for ratio := 2.0; steps > 0; steps-- {
		ratio = math.Sqrt(ratio)
		if next := held * ratio; holds(next) {
			held = next
		}
	}
	return held
}

func (c *campaign) secured() {
	c.report.Runs = append(c.report.Runs, benchSecured(c.t, c.until)...)
}

// runs are those of a name and a variant that were not disturbed; all of them if all were.
func (c *campaign) runs(name, variant string) (those []*outcome, disturbed bool) {
	var all []*outcome
	for i := range c.report.Runs {
		if o := &c.report.Runs[i]; o.Name == name && o.Variant == variant {
			all = append(all, o)
		}
	}
	return undisturbed(all)
}
