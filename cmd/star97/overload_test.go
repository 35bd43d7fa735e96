package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
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

// Rates and times of TestOverload.
const (
	firstRate   = 50.0 // calls a second; each step is half as much again
	stepLasts   = "5s"
	inTime      = 100.0 // ms, 200 OK p99 of a rate that is held
	inProgress  = 50    // calls, signed in, whose keys are answered all the while
	pressedAt   = 12 * time.Second
	floodFactor = 3
	recovered   = 2 * time.Second
	maxStolen   = 0.2 // seconds of processor time that the host may take
)

// apart gives the service one half of the processors and its callers the other, as where
// they are machines of their own: else each would be late because of the other.
func apart() (service, callers []string) {
	status, _ := os.ReadFile("/proc/self/status")
	allowed := regexp.MustCompile(`(?m)^Cpus_allowed_list:\s+(\S+)$`).FindSubmatch(status)
	if _, err := exec.LookPath("taskset"); err != nil || allowed == nil || runtime.NumCPU() < 2 {
		return nil, nil
	}
	var all []string
	for _, r := range strings.Split(string(allowed[1]), ",") {
		var from, to int
		if n, _ := fmt.Sscanf(r, "%d-%d", &from, &to); n == 1 {
			to = from
		}
		for ; from <= to; from++ {
			all = append(all, strconv.Itoa(from))
		}
	}
	half := len(all) / 2
	return []string{"taskset", "-c", strings.Join(all[:half], ",")}, []string{"taskset", "-c", strings.Join(all[half:], ",")}
}

// reporting runs `star97 bench` and returns what its telephones saw.
func (v *service) reporting(t testing.TB, number string, args ...string) *caller.LoadReport {
	all := slices.Concat(v.callers, []string{program(t, false), "bench", fmt.Sprintf("sip:%s@%s", number, v.UDP), "--json", "--pid", strconv.Itoa(v.cmd.Process.Pid)}, args)
	cmd := exec.CommandContext(t.Context(), all[0], all[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	r := new(caller.LoadReport)
	if err := cmd.Run(); err != nil {
		t.Errorf("bench: %v: %s", err, errs.String())
		return r
	}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		t.Error(err)
	}
	return r
}

// calling sets calls up at a rate.
func (v *service) calling(t testing.TB, rate float64, lasts string) *caller.LoadReport {
	return v.reporting(t, "*97", "--mode", "rate", "--calls", "5000", "--rate", fmt.Sprintf("%.0f", rate), "--hold", "500ms", "--duration", lasts)
}

// sustainable raises the rate until calls fail, are repeated or are late, and returns the
// highest that was held and its report.
func (v *service) sustainable(t *testing.T) (rate float64, held *caller.LoadReport) {
	failed := 0
	for next := firstRate; next <= 5000; {
		r := v.calling(t, next, stepLasts)
		fmt.Printf("  %5.0f calls/s: %5d answered, %4d failed, %3d repeated; 200 OK p50 %6.2f, p99 %7.2f ms; first audio p99 %7.2f ms\n",
			next, r.Answered, r.Failed, r.Repeated2xx+r.RepeatedByUs, r.Answer.P50, r.Answer.P99, r.FirstRTP.P99)
		if r.Failed+r.NotPlaced > 0 || r.Repeated2xx+r.RepeatedByUs > 0 || r.Answer.P99 > inTime {
			if failed++; failed == 2 { // one may be the machine's
				break
			}
			continue
		}
		rate, held, failed = next, r, 0
		next *= 1.5
	}
	return rate, held
}

// flooded is `make long`'s; STAR97_OVERLOAD gives another time than a minute.
func flooded(t *testing.T) time.Duration {
	if text := os.Getenv("STAR97_OVERLOAD"); text != "" {
		lasts, err := time.ParseDuration(text)
		require.NoError(t, err)
		return lasts
	}
	if os.Getenv("STAR97_LONG") == "" {
		t.Skip("run by `make long`: a flood leaves nothing of the machine to other tests")
	}
	return time.Minute
}

// At three times the rate of calls that this machine can take, those in progress receive
// every packet and have their keys answered, those that are taken are answered in time,
// the others are told at once and when to come again, and two seconds later all is as it
// was. It prints what it measured; nobody else may use the machine meanwhile.
func TestOverload(t *testing.T) {
	lasts := flooded(t)
	wrap, callers := apart()
	v := startService(t, setup{Wrap: wrap, Sections: map[string]string{
		"sip":   `{listen: [{network: udp, address: "127.0.0.1:0"}], limits: {rate: 1000000, burst: 1000000, calls: 2000, unacknowledged: 2000}}`,
		"media": "{port_min: 20000, port_max: 23998}", "log": "{level: warn}", "dialplan": benchDialplan(t),
	}})
	v.callers = callers
	users := v.population(t)
	fmt.Printf("\noverload: the rate of calls that is held (no failure, nothing repeated, 200 OK p99 under %.0f ms)\n", inTime)
	rate, held := v.sustainable(t)
	require.NotNil(t, held, "this machine has no time for %.0f calls a second", firstRate)

	keys := func(during string, d time.Duration, meanwhile func()) *caller.LoadReport {
		done := make(chan *caller.LoadReport, 1)
		// The calls in progress: started here; stop when they were measured for d.
		go func() {
			done <- v.reporting(t, "*97", "--mode", "keys", "--calls", strconv.Itoa(inProgress), "--rate", signInRate, "--settle", "4s",
				"--duration", d.String(), "--users", users)
		}()
		time.Sleep(pressedAt)
		meanwhile()
		r := <-done
		fmt.Printf("calls in progress, %s: %d of %d complete, %d ended early, %d packets lost, gaps over 40 ms: %d; key to prompt p50 %.2f, p99 %.2f ms, %d of %d keys without one\n",
			during, lossless(r), inProgress, r.EndedEarly, r.Lost, r.GapsOver40, r.Next.P50, r.Next.P99, r.NoNext, r.Keys)
		return r
	}
	calm := keys("nothing else", 10*time.Second, func() {})
	var flood, after *caller.LoadReport
	begun := keys(fmt.Sprintf("%.0f calls/s for %v", floodFactor*rate, lasts), lasts+10*time.Second, func() {
		flood = v.calling(t, floodFactor*rate, lasts.String())
		time.Sleep(recovered)
		after = v.calling(t, rate/2, stepLasts)
	})
	show := func(name string, r *caller.LoadReport) {
		fmt.Printf("%s: %d tried, %d answered, %d refused (p50 %.2f, p99 %.2f ms; %d without Retry-After); 200 OK p50 %.2f, p99 %.2f, first audio p99 %.2f ms; %d without all packets (%d lost, %d late, %d double; %d calls without any); %v\n",
			name, r.Attempted, r.Answered, r.Refusal.N, r.Refusal.P50, r.Refusal.P99, r.NoRetry, r.Answer.P50, r.Answer.P99, r.FirstRTP.P99,
			r.Answered-lossless(r), r.Lost, r.Late, r.Twice, r.NoRTP, r.Failures)
	}
	show("at the rate that is held", held)
	show("at three times it", flood)
	show("two seconds later, at half of it", after)
	fmt.Printf("stolen by the host: %.2f s; the generator woke late by p99 %.1f ms\n", flood.Usage.Stolen, flood.BeatLate.P99)
	v.judge(t, calm, begun, flood, after)
}

// judge holds the promises. What the generator itself was late for is no verdict.
func (v *service) judge(t *testing.T, calm, begun, flood, after *caller.LoadReport) {
	require.Equal(t, inProgress, begun.Answered, "%v", begun.Failures)
	require.Zero(t, begun.EndedEarly)
	require.Zero(t, begun.Lost, "calls in progress receive every packet")
	require.Equal(t, inProgress, lossless(begun))
	for reason := range flood.Failures {
		require.Contains(t, []string{"503 Service Unavailable"}, reason)
	}
	require.Zero(t, flood.NoRetry, "who is refused is told when to come again")
	require.Equal(t, flood.Answered, lossless(flood))
	require.Positive(t, flood.Answered)
	require.Zero(t, after.Failed, "%v", after.Failures)
	require.NotContains(t, v.Stderr.String(), "level=ERROR")
	if flood.Usage.Stolen > maxStolen || flood.BeatLate.P99 > inTime || calm.BeatLate.P99 > 5 {
		fmt.Println("no verdict on times: the machine or the generator was late itself;", strings.Join(flood.Warnings, "; "))
		return
	}
	require.LessOrEqual(t, flood.Answer.P99, 2*inTime)
	require.LessOrEqual(t, flood.FirstRTP.P99, 2*inTime)
	require.LessOrEqual(t, flood.Refusal.P99, 2*inTime)
	require.LessOrEqual(t, begun.Next.P99, calm.Next.P99+inTime/2)
	require.LessOrEqual(t, after.Answer.P99, inTime)
}
