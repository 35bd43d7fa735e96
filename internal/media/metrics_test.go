package media

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/metrics"
)

func TestEachPacedPacketIsCountedByItsLateness(t *testing.T) {
	b := newBench(t, &sink{})
	m := metrics.New(metrics.Words{})
	b.engine.options.Metrics = m
	b.Start(0)
	for range 10 {
		b.frame()
	}
	b.now = time.Duration(b.session.due)*slot + 15*time.Millisecond
	b.tick(b.session.due, b.now)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for upTo, n := range map[string]int{"0.0001": 10, "0.01": 10, "0.02": 11} {
		require.Contains(t, w.Body.String(), `star97_pacing_late_seconds_bucket{le="`+upTo+`"} `+strconv.Itoa(n)+"\n")
	}
}
