package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegistrationFailed counts a try to register that failed.
func (m *Metrics) RegistrationFailed(registration, reason string) {
	if m == nil {
		return
	}
	m.unregistered.WithLabelValues(m.named.Load().registrations.word(registration), m.words.failures.word(reason)).Inc()
}

// Registration is how one stands.
type Registration struct {
	Name       string // of the configuration
	Registered bool
	Left       time.Duration // until it expires
	Failed     int           // tries in a row, up to the last one
}

// Registrations adds what is read whenever somebody asks; read must return at once.
func (m *Metrics) Registrations(read func() []Registration) {
	m.registry.MustRegister(registrations{
		up:   prometheus.NewDesc("star97_registration_registered", "1 for a registration that stands, until it expires although no refresh succeeds; 0 for one that does not.", []string{"registration"}, nil),
		left: prometheus.NewDesc("star97_registration_expires_seconds", "How long a registration still stands; 0: it does not.", []string{"registration"}, nil),
		row:  prometheus.NewDesc("star97_registration_failed_tries", "Tries to register or to refresh that failed one after the other, up to the last; 0: that succeeded.", []string{"registration"}, nil),
		read: read,
	})
}

// registrations are a prometheus.Collector: a registration that is gone leaves no series.
type registrations struct {
	up, left, row *prometheus.Desc
	read          func() []Registration
}

// Describe implements prometheus.Collector.
func (r registrations) Describe(to chan<- *prometheus.Desc) {
	to <- r.up
	to <- r.left
	to <- r.row
}

// Collect implements prometheus.Collector.
func (r registrations) Collect(to chan<- prometheus.Metric) {
	for _, one := range r.read() {
		up, left := 0.0, 0.0
		if one.Registered {
			up, left = 1, one.Left.Seconds()
		}
		to <- prometheus.MustNewConstMetric(r.up, prometheus.GaugeValue, up, one.Name)
		to <- prometheus.MustNewConstMetric(r.left, prometheus.GaugeValue, left, one.Name)
		to <- prometheus.MustNewConstMetric(r.row, prometheus.GaugeValue, float64(one.Failed), one.Name)
	}
}
