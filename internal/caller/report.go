package caller

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// LoadReport is what a load run found. Durations are in milliseconds.
type LoadReport struct {
	Mode      LoadMode `json:"mode"`
	Calls     int      `json:"calls"` // at a time
	Rate      float64  `json:"rate"`  // calls set up a second
	Attempted int      `json:"attempted"`

	Answered     int            `json:"answered"`
	Failed       int            `json:"failed"`
	Failures     map[string]int `json:"failures,omitempty"` // by reason
	EndedEarly   int            `json:"ended_early"`        // by the far end, before the measurement was over
	ByeFailed    int            `json:"bye_failed"`
	Repeated2xx  int            `json:"repeated_2xx"`   // by the far end
	RepeatedByUs int            `json:"repeated_by_us"` // our requests that had no answer within 500 ms

	Answer   Percentiles `json:"invite_to_200"`
	FirstRTP Percentiles `json:"ack_to_first_rtp"`
	Stop     Percentiles `json:"key_down_to_last_old_packet"`
	Next     Percentiles `json:"key_down_to_next_talkspurt"`
	Pacing   Percentiles `json:"pacing"` // abs(gap - packet time) between packets of a talkspurt

	Keys       uint64  `json:"keys"`    // pressed while measured
	NoNext     uint64  `json:"no_next"` // of these, not followed by a new talkspurt
	Packets    uint64  `json:"packets"`
	Lost       uint64  `json:"lost"`
	Late       uint64  `json:"late"` // behind a later packet
	Twice      uint64  `json:"twice"`
	BeforeAck  int     `json:"before_ack"`     // calls that got RTP before they sent the ACK
	NoRTP      int     `json:"no_rtp"`         // calls without any packet
	Complete   int     `json:"complete"`       // calls without a lost, late or double packet
	LongestGap float64 `json:"longest_gap_ms"` // in the measurement
	GapsOver40 uint64  `json:"gaps_over_40ms"`
	SetupGap   float64 `json:"setup_longest_gap_ms"` // before it: while calls were set up and signed in
	SetupOver  uint64  `json:"setup_gaps_over_40ms"`

	// The generator's own delay: how late it woke for its beat, read an answer and
	// began a call. When it is late itself, what it measured is no verdict.
	BeatLate Percentiles `json:"generator_beat_late"`
	ReadLate Percentiles `json:"generator_read_late"`
	DialLate Percentiles `json:"generator_dial_late"`

	Usage    Usage    `json:"usage"`
	Warnings []string `json:"warnings,omitempty"`
}

// What makes a run no verdict.
const (
	lateBeat  = 5.0  // ms at p99
	lateStart = 20.0 // ms at p99
	stolen    = 200 * time.Millisecond
)

func (r *LoadReport) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Table writes the report for people.
func (r *LoadReport) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "mode %s, %d calls at a time, %g a second: %d answered, %d failed, %d ended early\n",
		r.Mode, r.Calls, r.Rate, r.Answered, r.Failed, r.EndedEarly)
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(&b, "  failed %d times: %s\n", r.Failures[reason], reason)
	}
	fmt.Fprintf(&b, "repeated: %d of their 2xx, %d of our requests; BYE without answer: %d\n", r.Repeated2xx, r.RepeatedByUs, r.ByeFailed)
	fmt.Fprintf(&b, "\n%-34s %8s %9s %9s %9s %9s %9s\n", "milliseconds", "n", "p50", "p90", "p99", "p99.9", "max")
	for _, row := range []struct {
		name string
		p    Percentiles
	}{
		{"INVITE -> 200", r.Answer}, {"ACK -> first RTP", r.FirstRTP},
		{"key-down -> last old packet", r.Stop}, {"key-down -> next talkspurt", r.Next},
		{"abs(gap - packet time)", r.Pacing}, {"generator: beat late", r.BeatLate},
		{"generator: answer read late", r.ReadLate}, {"generator: call begun late", r.DialLate},
	} {
		if row.p.N > 0 {
			fmt.Fprintf(&b, "%-34s %8d %9.3f %9.3f %9.3f %9.3f %9.3f\n", row.name, row.p.N, row.p.P50, row.p.P90, row.p.P99, row.p.P999, row.p.Max)
		}
	}
	fmt.Fprintf(&b, "\nRTP: %d packets, %d lost, %d late, %d twice; calls: %d complete, %d without any RTP, %d with RTP before their ACK\n",
		r.Packets, r.Lost, r.Late, r.Twice, r.Complete, r.NoRTP, r.BeforeAck)
	fmt.Fprintf(&b, "gaps over 40 ms: %d, longest %.1f ms; during the set-up: %d, longest %.1f ms\n", r.GapsOver40, r.LongestGap, r.SetupOver, r.SetupGap)
	if r.Keys > 0 {
		fmt.Fprintf(&b, "keys: %d, of them %d without a new talkspurt\n", r.Keys, r.NoNext)
	}
	r.Usage.table(&b)
	for _, warning := range r.Warnings {
		fmt.Fprintln(&b, "warning: "+warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}
