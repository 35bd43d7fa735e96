package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// other stands for whatever is in no list.
const other = "other"

// noReason is the reason of a change that was not refused.
const noReason = "none"

var reloadResults = [...]string{"ok", "failed"}

// set is a closed list of words.
type set map[string]bool

func setOf(words []string) set {
	s := make(set, len(words))
	for _, w := range words {
		s[w] = true
	}
	return s
}

// word is w, or other.
func (s set) word(w string) string {
	if s[w] {
		return w
	}
	return other
}

// sets are those that never change.
type sets struct{ ends, doors, transports, operations, codes, outcomes, reasons, failures set }

func newSets(w Words) sets {
	return sets{
		ends: setOf(w.Ends), doors: setOf(w.Doors), transports: setOf(w.Transports), operations: setOf(w.Operations),
		codes: setOf(w.Answers), outcomes: setOf(w.Outcomes), failures: setOf(w.Failures), reasons: setOf(append(slices.Clone(w.Answers), noReason)),
	}
}

// names are what the configuration lets stand in labels.
type names struct{ peers, languages, backends, registrations set }

// Names allow peers, languages, backends and registrations of a configuration as label values,
// beside those allowed before: calls in progress keep theirs.
type Names struct{ Peers, Languages, Backends, Registrations []string }

// namesMost bounds each list over the life of a process, however often it is reloaded.
const namesMost = 1000

// Allow adds names. Only one goroutine at a time may call it.
func (m *Metrics) Allow(n Names) {
	if m == nil {
		return
	}
	old := m.named.Load()
	m.named.Store(&names{
		peers: old.peers.with(n.Peers), languages: old.languages.with(n.Languages), backends: old.backends.with(n.Backends),
		registrations: old.registrations.with(n.Registrations),
	})
}

func (s set) with(more []string) set {
	all := make(set, len(s)+len(more))
	for w := range s {
		all[w] = true
	}
	for _, w := range more {
		if len(all) == namesMost {
			break
		}
		all[w] = true
	}
	return all
}

// counters are the series of one label, all of them made at the start: they are
// read without a lock, and an alert sees their first step.
type counters map[string]prometheus.Counter

func (m *Metrics) counters(name, help, label string, words []string) counters {
	vec := m.counterVec(name, help, label)
	all := make(counters, len(words)+1)
	for _, w := range words {
		all[w] = vec.WithLabelValues(w)
	}
	if all[other] == nil {
		all[other] = vec.WithLabelValues(other)
	}
	return all
}

func (c counters) add(word string, n uint64) {
	one, ok := c[word]
	if !ok {
		one = c[other]
	}
	one.Add(float64(n))
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}
