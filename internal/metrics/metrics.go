// Package metrics holds the Prometheus collectors of one service and writes them
// in the text format. Every label has a closed set of values: words of the
// program's own lists and names of the configuration. What is in no list is counted
// as "other", so that nothing that comes over the network can make a series. No
// code, no extension and no caller is ever a label, and no value tells how long a
// code is. Counting takes no lock where packets are sent or refused. It opens no
// port (console does) and knows no room.
package metrics

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Words are the closed sets of label values.
type Words struct {
	Ends       []string // how a call ended
	Doors      []string
	Transports []string // of the INVITE
	Sources    []string // the roads of a key
	KeyFaults  []string
	Operations []string // of a store
	Answers    []string // codes of a store's answers
	Outcomes   []string // of a change
	Rules      []string // for new codes
	Refusals   []string // of the front door
	Failures   []string // of registrations
	Version    string   // of the program
}

// Metrics counts for one service. All methods are safe for concurrent use and
// count nothing on a nil *Metrics.
type Metrics struct {
	registry *prometheus.Registry
	words    sets
	named    atomic.Pointer[names]

	calls       *prometheus.CounterVec
	lasted      *prometheus.HistogramVec
	answered    prometheus.Histogram
	firstPacket prometheus.Histogram
	keys        counters
	repeats     prometheus.Counter
	lostKeys    prometheus.Counter

	packetsIn, packetsOut prometheus.Counter
	lostIn, lostOut       prometheus.Counter
	dropped, thinned      prometheus.Counter
	jitter, roundTrip     prometheus.Histogram
	keyFaults             counters
	late                  prometheus.Histogram

	answers   *prometheus.CounterVec
	took      *prometheus.HistogramVec
	changes   *prometheus.CounterVec
	refused   counters // new codes, by rule
	lockouts  counters
	unwritten prometheus.Counter

	refusals counters
	reloads  counters

	unregistered *prometheus.CounterVec
}

// New makes collectors that stand at 0.
func New(w Words) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), words: newSets(w)}
	m.named.Store(&names{})
	m.makeCalls(w)
	m.makeMedia()
	m.makeStore(w)
	m.refusals = m.counters("star97_refusals_total", "SIP requests that were not served, by reason.", "reason", w.Refusals)
	m.reloads = m.counters("star97_reloads_total", "Configurations that were read again, by result: ok (in force) or failed (the old one stayed).", "result", reloadResults[:])
	m.unregistered = m.counterVec("star97_registration_failures_total", "Tries to register that failed, by reason.", "registration", "reason")
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "star97_build_info", Help: "Always 1; the version of the program."}, []string{"version"})
	build.WithLabelValues(w.Version).Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Upper ends of buckets, in seconds.
var (
	quick = []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2}
	slow  = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 4, 8, 16}
	paces = []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .04, .1}
	spans = []float64{1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600}
)

func (m *Metrics) makeCalls(w Words) {
	m.calls = m.counterVec("star97_calls_total", "Calls that were answered and have ended.", "end", "door", "language", "transport", "peer")
	m.lasted = m.histogramVec("star97_call_seconds", "From the answer to the end of a call.", spans, "door")
	m.answered = m.histogram("star97_answer_seconds", "From an INVITE to its 200 OK.", quick)
	m.firstPacket = m.histogram("star97_first_packet_seconds", "From the ACK to the first RTP packet.", quick)
	// Calls and not keys are counted: on a quiet day the keys of one call would tell
	// how long its code is.
	m.keys = m.counters("star97_key_calls_total", "Calls in which keys came by this road.", "source", w.Sources)
	m.repeats = m.counter("star97_key_repeat_calls_total", "Calls in which two roads told of one key; it counts once.")
	m.keyFaults = m.counters("star97_key_fault_calls_total", "Calls in which something was wrong with keys, by what.", "fault", w.KeyFaults)
	m.lostKeys = m.counter("star97_keys_lost_total", "Times that a key was lost and the caller was asked again.")
}

func (m *Metrics) makeMedia() {
	packets := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "star97_rtp_packets_total", Help: "RTP packets of calls that have ended."}, []string{"direction"})
	lost := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "star97_rtp_lost_total", Help: "RTP packets that did not arrive: in, here; out, as the far ends report."}, []string{"direction"})
	m.registry.MustRegister(packets, lost)
	m.packetsIn, m.packetsOut = packets.WithLabelValues("in"), packets.WithLabelValues("out")
	m.lostIn, m.lostOut = lost.WithLabelValues("in"), lost.WithLabelValues("out")
	m.dropped = m.counter("star97_rtp_dropped_total", "Datagrams on RTP ports that were not the caller's, or no RTP.")
	m.thinned = m.counter("star97_rtp_thinned_calls_total", "Calls whose audio was left to the kernel unread, for a time: neither their lost packets nor their jitter is counted.")
	m.jitter = m.histogram("star97_rtp_jitter_seconds", "Interarrival jitter of a call's audio at its end (RFC 3550 section 6.4.1).", paces)
	m.roundTrip = m.histogram("star97_rtp_round_trip_seconds", "Round trip of a call's packets at its end, as far as the far end's RTCP tells it.", quick)
	m.late = m.histogram("star97_pacing_late_seconds", "How late a packet left; counted while calls are up.", paces)
}

func (m *Metrics) makeStore(w Words) {
	m.answers = m.counterVec("star97_store_answers_total", "Answers of voicemail systems.", "operation", "backend", "code")
	m.took = m.histogramVec("star97_store_seconds", "How long a voicemail system took to answer.", slow, "operation", "backend")
	m.changes = m.counterVec("star97_changes_total", "Changes that were asked for, by how they ended and, if refused, why.", "outcome", "reason")
	m.refused = m.counters("star97_new_codes_refused_total", "New codes that a rule of star97 refused.", "rule", w.Rules)
	m.lockouts = m.counters("star97_lockouts_total", "Tries that the lock-out turned away.", "door", w.Doors)
	m.unwritten = m.counter("star97_audit_errors_total", "Records that could not be written to the audit trail.")
	for _, outcome := range w.Outcomes {
		m.changes.WithLabelValues(outcome, noReason)
	}
}

// Gauge adds a value that is read whenever somebody asks; read must return at once.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Handler writes all of it, at most two answers at a time.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 5 * time.Second})
}

// Gather is all of it for programs.
func (m *Metrics) Gather() prometheus.Gatherer { return m.registry }
