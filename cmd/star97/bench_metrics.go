package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	metricsTimeout = 5 * time.Second
	maxMetrics     = 16 << 20 // bytes of the page
	// A service counts a call when it has ended there: so long that is waited for.
	countedWithin = 3 * time.Second
	countedEvery  = 100 * time.Millisecond
	callsCounter  = "star97_calls_total"
)

// countersPage is a Prometheus page as it stood when a run began.
type countersPage struct {
	url    string
	before map[string]float64
}

// checkMetrics complains of a --metrics that can be no page.
func (f *benchFlags) checkMetrics() error {
	page, err := url.Parse(f.metrics)
	if f.metrics == "" || err == nil && (page.Scheme == "http" || page.Scheme == "https") && page.Host != "" {
		return nil
	}
	return fmt.Errorf("--metrics %q is no URL; write it like http://127.0.0.1:9797/metrics", f.metrics)
}

func readCounters(ctx context.Context, url string) (*countersPage, error) {
	before, err := countersAt(ctx, url)
	return &countersPage{url, before}, err
}

// grown are the counters that grew since then, by how much. It waits for a moment until
// as many calls have been counted as there were.
func (c *countersPage) grown(ctx context.Context, calls int) (map[string]float64, error) {
	for until := time.Now().Add(countedWithin); ; {
		now, err := countersAt(ctx, c.url)
		if err != nil {
			return nil, err
		}
		ended, counts := 0.0, false
		for name, value := range now {
			if value -= c.before[name]; value <= 0 {
				delete(now, name)
				continue
			}
			now[name] = value
			if strings.HasPrefix(name, callsCounter) {
				ended += value
			}
		}
		for name := range c.before {
			counts = counts || strings.HasPrefix(name, callsCounter)
		}
		if counts = counts || ended > 0; !counts || ended >= float64(calls) || time.Now().After(until) {
			return now, nil
		}
		time.Sleep(countedEvery)
	}
}

// countersAt reads the counters of a page in Prometheus' text format, by name and labels,
// without those of the process and its runtime.
func countersAt(ctx context.Context, url string) (map[string]float64, error) {
	fail := func(err error) (map[string]float64, error) {
		return nil, failed("the service's counters cannot be read: %w; correct --metrics, or leave it out", err)
	}
	ctx, stop := context.WithTimeout(ctx, metricsTimeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fail(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fail(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("%s answers %s", url, res.Status))
	}
	all, typed := counters(io.LimitReader(res.Body, maxMetrics))
	if !typed {
		return fail(fmt.Errorf("%s is no Prometheus page", url))
	}
	return all, nil
}

// counters reads the lines of counters: those whose name ends with _total. typed: the page
// tells the type of something, as Prometheus pages do.
func counters(page io.Reader) (all map[string]float64, typed bool) {
	all = map[string]float64{}
	lines := bufio.NewScanner(page)
	for lines.Scan() {
		typed = typed || strings.HasPrefix(lines.Text(), "# TYPE ")
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 {
			continue
		}
		series, number := lines.Text()[:at], lines.Text()[at+1:]
		name, _, _ := strings.Cut(series, "{")
		value, err := strconv.ParseFloat(number, 64)
		if err == nil && strings.HasSuffix(name, "_total") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "promhttp_") {
			all[series] = value
		}
	}
	return all, typed
}
