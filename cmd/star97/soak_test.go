package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

// The soak: so many calls at a time, most of them replaced at a steady rate, the others
// signed in and pressing keys.
const (
	soakFor     = 2 * time.Hour
	soakRate    = 20.0 // calls a second
	soakHold    = 9 * time.Second
	soakKeyed   = 20 // calls beside those, for a minute each
	soakSamples = 240
	// soakWarm is not looked at: until then everything that is kept for a while, such as
	// what is known of INVITEs (64*T1) and buffers, has been made for the first time.
	soakWarm = time.Minute
)

// quantity is one thing that must not grow.
type quantity struct {
	name, unit string
	read       func(v *service, metrics string) float64
	share      float64 // of its median that it may grow in the whole time, and
	slack      float64 // so much beside it
}

var quantities = []quantity{
	{"goroutines", "", func(v *service, m string) float64 { return metric(v.t, m, "go_goroutines") }, 0.03, 10},
	{"descriptors", "", func(v *service, _ string) float64 { return openOf(v.t, v.cmd.Process.Pid) }, 0.03, 10},
	{"heap, goal of the collector", "MB", func(v *service, m string) float64 { return metric(v.t, m, "go_memstats_next_gc_bytes") / 1e6 }, 0.05, 1},
	{"resident memory", "MB", func(v *service, _ string) float64 { return residentOf(v.t, v.cmd.Process.Pid) / 1e6 }, 0.05, 4},
}

// metric reads one value of the metrics page.
func metric(t testing.TB, page, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(page)
	require.NotNil(t, m, name)
	value, err := strconv.ParseFloat(m[1], 64)
	require.NoError(t, err)
	return value
}

// slope is the growth of a series by step: the median of the slopes between all pairs
// (Theil and Sen), which what comes and goes does not move.
func slope(series []float64) float64 {
	var all []float64
	for i := range series {
		for j := i + 1; j < len(series); j++ {
			all = append(all, (series[j]-series[i])/float64(j-i))
		}
	}
	return median(all)
}

// grows says by how much a series grew over its whole length, and whether that is more
// than it may.
func (q *quantity) grows(series []float64) (by float64, much bool) {
	by = slope(series) * float64(len(series)-1)
	return by, by > q.share*median(series)+q.slack
}

// third is the median of one third of a series: its start, middle or end.
func third(series []float64, n int) float64 {
	return median(series[n*len(series)/3 : (n+1)*len(series)/3])
}

// soak keeps calls up for a while and returns the series of all quantities.
func (v *service) soak(t *testing.T, users string, lasts time.Duration) (series [][]float64, churn *caller.LoadReport, rounds []*caller.LoadReport) {
	var work sync.WaitGroup
	// The calls that come and go: started here; stop when the time is over.
	work.Go(func() {
		churn = v.reporting(t, "*97", "--mode", "rate", "--calls", "1000", "--rate", fmt.Sprint(soakRate), "--hold", soakHold.String(), "--duration", lasts.String())
	})
	end := time.Now().Add(lasts)
	// The calls that press keys, one round after the other: started here; stop as well.
	work.Go(func() {
		for left := lasts; left > 20*time.Second; left = time.Until(end) {
			length := min(time.Minute, left-15*time.Second) // and what it takes to sign in
			rounds = append(rounds, v.reporting(t, "*97", "--mode", "keys", "--calls", strconv.Itoa(soakKeyed), "--rate", "5", "--duration", length.String(), "--users", users))
		}
	})
	series = make([][]float64, len(quantities))
	every := max((lasts-soakWarm)/soakSamples, 500*time.Millisecond)
	time.Sleep(soakWarm)
	for ; time.Until(end) > 0; time.Sleep(every) {
		_, page := v.get("/metrics")
		for i, q := range quantities {
			series[i] = append(series[i], q.read(v, page))
		}
	}
	work.Wait()
	return series, churn, rounds
}

// tellSoak prints the series and returns what has grown.
func tellSoak(lasts time.Duration, series [][]float64) (grown []string) {
	fmt.Printf("\nsoak for %v, %d samples after %v: medians of thirds, growth by the median slope\n%-32s %10s %10s %10s %10s %10s\n",
		lasts, len(series[0]), soakWarm, "", "start", "middle", "end", "growth", "may grow")
	for i, q := range quantities {
		by, much := q.grows(series[i])
		fmt.Printf("%-32s %10.1f %10.1f %10.1f %+10.2f %10.2f %s\n", q.name, third(series[i], 0), third(series[i], 1), third(series[i], 2),
			by, q.share*median(series[i])+q.slack, q.unit)
		if much {
			grown = append(grown, q.name)
		}
	}
	return grown
}

// soaking is how long a soak lasts; STAR97_SOAK says another time than two hours.
func soaking(t *testing.T) time.Duration {
	lasts := soakFor
	if text := os.Getenv("STAR97_SOAK"); text != "" {
		var err error
		lasts, err = time.ParseDuration(text)
		require.NoError(t, err)
		require.Greater(t, lasts, 2*soakWarm, "the first %v are not looked at", soakWarm)
	} else if os.Getenv("STAR97_LONG") == "" {
		t.Skip("run by `make long`")
	}
	return lasts
}

// Two hundred calls for hours, twenty new ones a second: nothing grows.
func TestSoak(t *testing.T) {
	lasts := soaking(t)
	v := soaked(t)
	series, churn, rounds := v.soak(t, v.population(t), lasts)
	grown := tellSoak(lasts, series)
	fmt.Printf("%d calls answered, %d failed %v, %d without all packets, %d BYEs without answer; %d rounds of %d calls that press keys\n",
		churn.Answered, churn.Failed, churn.Failures, churn.Answered-lossless(churn), churn.ByeFailed, len(rounds), soakKeyed)
	require.Empty(t, grown, "these grew")
	require.Zero(t, churn.Failed, "%v", churn.Failures)
	require.NotContains(t, v.Stderr.String(), "level=ERROR")
	v.stop()
}

// A leak is found: somebody opens a connection every second and keeps it.
func TestASoakFindsALeak(t *testing.T) {
	lasts := soaking(t)
	lasts = min(lasts, 4*time.Minute) // two leave not much to look at, hours are no better
	v := soaked(t)
	over := make(chan struct{})
	var leak sync.WaitGroup
	// The leak: started here; stops at the test's end; owns its connections.
	leak.Go(func() {
		var kept []net.Conn
		for n := int64(0); ; n++ {
			select {
			case <-over:
				for _, conn := range kept {
					conn.Close()
				}
				return
			case <-time.After(time.Second):
			}
			conn, err := net.Dial("tcp", v.TCP.String())
			if err != nil {
				t.Error(err)
				continue
			}
			kept = append(kept, conn)
			if err := askOptions(conn, "TCP", 70, n); err != nil {
				t.Error(err)
			}
		}
	})
	series, _, _ := v.soak(t, v.population(t), lasts)
	close(over)
	leak.Wait()
	grown := tellSoak(lasts, series)
	require.Contains(t, grown, "goroutines")
	require.Contains(t, grown, "descriptors")
}

func soaked(t *testing.T) *service {
	return startService(t, setup{Sections: map[string]string{
		"sip":   `{listen: [{network: udp, address: "127.0.0.1:0"}, {network: tcp, address: "127.0.0.1:0"}], limits: {rate: 1000000, burst: 1000000}}`,
		"media": "{port_min: 20000, port_max: 23998}", "log": "{level: warn}", "dialplan": benchDialplan(t),
	}})
}

func TestGrowthIsToldFromNoise(t *testing.T) {
	q := quantity{share: 0.03, slack: 10}
	for name, c := range map[string]struct {
		at   func(n int) float64
		much bool
	}{
		"flat":                            {func(int) float64 { return 1000 }, false},
		"noise":                           {func(n int) float64 { return 1000 + float64(n*7919%101) }, false},
		"a saw":                           {func(n int) float64 { return 1000 + 10*float64(n%20) }, false},
		"a peak in the middle":            {func(n int) float64 { return 1000 + 900*float64(max(0, 20-max(n-120, 120-n))) }, false},
		"the last samples are high":       {func(n int) float64 { return 1000 + 900*float64(n/230) }, false},
		"a little growth":                 {func(n int) float64 { return 1000 + float64(n)/10 }, false},
		"it shrinks":                      {func(n int) float64 { return 1000 - float64(n) }, false},
		"a leak of one in each sample":    {func(n int) float64 { return 1000 + float64(n) }, true},
		"a leak under noise":              {func(n int) float64 { return 1000 + float64(n*7919%101) + float64(n)/2 }, true},
		"a leak that is collected partly": {func(n int) float64 { return 1000 + 40*float64(n%20) + float64(n) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			series := make([]float64, soakSamples)
			for n := range series {
				series[n] = c.at(n)
			}
			by, much := q.grows(series)
			require.Equal(t, c.much, much, "%g", by)
		})
	}
}
