package caller

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// LoadReport is what a load run found. Durations are in milliseconds.
type LoadReport struct {
	Mode      LoadMode `json:"mode"`
	Calls     int      `json:"calls"`         // at a time
	Rate      float64  `json:"rate"`          // calls set up a second, as asked
	Achieved  float64  `json:"achieved_rate"` // INVITEs that left a second, of those that had their time, rate mode: of the time asked for; 0: too few
	Attempted int      `json:"attempted"`
	NotPlaced int      `json:"not_placed,omitempty"` // rate mode: calls whose time came while all that are allowed were under way

	Answered     int            `json:"answered"`
	Failed       int            `json:"failed"`
	Failures     map[string]int `json:"failures,omitempty"` // by reason
	NoRetry      int            `json:"no_retry_after"`     // refusals without Retry-After
	EndedEarly   int            `json:"ended_early"`        // by the far end, before the measurement or the script was over: not complete
	ByeFailed    int            `json:"bye_failed"`
	Repeated2xx  int            `json:"repeated_2xx"`   // by the far end
	RepeatedByUs int            `json:"repeated_by_us"` // our requests that had no answer within 500 ms

	Answer   Percentiles `json:"invite_to_200"`
	Refusal  Percentiles `json:"invite_to_refusal"`
	FirstRTP Percentiles `json:"ack_to_first_rtp"`
	Stop     Percentiles `json:"key_down_to_last_old_packet"`
	Next     Percentiles `json:"key_down_to_next_talkspurt"` // its first packet
	Audible  Percentiles `json:"key_down_to_first_sound"`    // the first sample in it that can be heard
	Pacing   Percentiles `json:"pacing"`                     // abs(gap - packet time) between packets of a talkspurt

	Keys       uint64  `json:"keys"`    // pressed while measured
	NoNext     uint64  `json:"no_next"` // of these, not followed by a new talkspurt
	Packets    uint64  `json:"packets"`
	Lost       uint64  `json:"lost"`
	Late       uint64  `json:"late"` // behind a later packet
	Twice      uint64  `json:"twice"`
	Unopened   uint64  `json:"unopened"`             // did not prove to be the far end's by SRTP; they are lost, too
	BeforeAck  int     `json:"before_ack"`           // calls that got RTP before they sent the ACK
	NoRTP      int     `json:"no_rtp"`               // calls without any packet
	Complete   int     `json:"complete"`             // calls that lasted, without a lost, late or double packet and without a gap in the measurement
	Gapped     int     `json:"gapped"`               // calls that would be complete but for a gap
	Keyless    int     `json:"keyless"`              // calls in which a key could not be pressed
	LongestGap float64 `json:"longest_gap_ms"`       // in the measurement
	GapsOver40 uint64  `json:"gaps_over_40ms"`       // 20 ms over the packet time
	SetupGap   float64 `json:"setup_longest_gap_ms"` // before it: while calls were set up and signed in
	SetupOver  uint64  `json:"setup_gaps_over_40ms"`

	// The generator's own delay: how late it woke for its beat in the measurement, read an
	// answer (where the kernel tells when it came) and sent an INVITE. judge says what that means.
	BeatLate Percentiles `json:"generator_beat_late"`
	ReadLate Percentiles `json:"generator_read_late"`
	DialLate Percentiles `json:"generator_dial_late"`

	Scripts map[string]int `json:"scripts,omitempty"` // script mode: how they ended
	Script  Percentiles    `json:"script"`            // how long those took that ran to their end
	Unheard uint64         `json:"unheard"`           // packets that the telephones were too busy to listen to
	Unnoted uint64         `json:"unnoted"`           // packets of scripts that are in no figure

	Quality     Quality  `json:"quality"`
	Usage       Usage    `json:"usage"`
	Interrupted bool     `json:"interrupted,omitempty"`
	NoVerdict   []string `json:"no_verdict,omitempty"` // why the figures say nothing about the far end
	Warnings    []string `json:"warnings,omitempty"`
}

// Quality is what single calls were like, a value for each. Of our packets only the far
// end can tell, by RTCP; where it does not, it is not known what became of them.
type Quality struct {
	Jitter    Percentiles `json:"jitter"`             // of what came (RFC 3550 section 6.4.1)
	WithLoss  int         `json:"calls_with_loss"`    // of what came
	WorstLoss float64     `json:"worst_loss_percent"` // of a call's packets
	RoundTrip Percentiles `json:"round_trip"`
	Told      int         `json:"calls_reported"` // by the far end, what it received
	Untold    int         `json:"calls_not_reported"`
	FarLost   uint64      `json:"far_lost"` // our packets, by its word
	FarJitter Percentiles `json:"far_jitter"`
}

// How late the generator may be itself, in ms at p99.
const (
	lateKeys  = 5.0  // its beat, where that says when a key goes down
	lateLoad  = 20.0 // its beat elsewhere: a packet time
	lateStart = 20.0 // an INVITE, and the reading of an answer
)

func (r *LoadReport) doubt(format string, args ...any) {
	r.NoVerdict = append(r.NoVerdict, fmt.Sprintf(format, args...))
}

func (r *LoadReport) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Table writes the report for people.
func (r *LoadReport) Table(w io.Writer) error {
	var b strings.Builder
	for _, why := range r.NoVerdict {
		fmt.Fprintln(&b, "no verdict: "+why)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(&b, "warning: "+warning)
	}
	fmt.Fprintf(&b, "mode %s, %d calls at a time, %g a second (%g achieved): %d answered, %d failed, %d ended early",
		r.Mode, r.Calls, r.Rate, r.Achieved, r.Answered, r.Failed, r.EndedEarly)
	if r.NotPlaced > 0 {
		fmt.Fprintf(&b, ", %d not placed", r.NotPlaced)
	}
	fmt.Fprintln(&b)
	counted(&b, "failed", r.Failures)
	counted(&b, "script", r.Scripts)
	fmt.Fprintf(&b, "repeated: %d of their 2xx, %d of our requests; BYE without answer: %d\n", r.Repeated2xx, r.RepeatedByUs, r.ByeFailed)
	r.percentiles(&b)
	if r.Answered > 0 {
		r.traffic(&b)
	}
	r.Usage.table(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// traffic writes what came of the answered calls.
func (r *LoadReport) traffic(b io.Writer) {
	fmt.Fprintf(b, "\nRTP: %d packets, %d lost, %d late, %d twice; calls: %d complete, %d so but for a gap, %d without any RTP, %d with RTP before their ACK\n",
		r.Packets, r.Lost, r.Late, r.Twice, r.Complete, r.Gapped, r.NoRTP, r.BeforeAck)
	fmt.Fprintf(b, "gaps over the packet time by 20 ms: %d, longest %.1f ms", r.GapsOver40, r.LongestGap)
	if r.SetupGap > 0 {
		fmt.Fprintf(b, "; during the set-up: %d, longest %.1f ms", r.SetupOver, r.SetupGap)
	}
	fmt.Fprintln(b)
	if r.Unopened > 0 {
		fmt.Fprintf(b, "SRTP: %d packets did not open\n", r.Unopened)
	}
	if r.Keys > 0 {
		fmt.Fprintf(b, "keys: %d, of them %d without a new talkspurt\n", r.Keys, r.NoNext)
	}
	r.Quality.table(b)
}

// counted writes how often what happened, most often first.
func counted(w io.Writer, what string, times map[string]int) {
	words := slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(cmp.Compare(times[b], times[a]), strings.Compare(a, b))
	})
	for _, word := range words {
		fmt.Fprintf(w, "  %s, %d times: %s\n", what, times[word], word)
	}
}

func (r *LoadReport) percentiles(w io.Writer) {
	fmt.Fprintf(w, "\n%-34s %8s %9s %9s %9s %9s %9s\n", "milliseconds", "n", "p50", "p90", "p99", "p99.9", "max")
	for _, row := range []struct {
		name string
		p    Percentiles
	}{
		{"INVITE -> 200", r.Answer}, {"INVITE -> refusal", r.Refusal}, {"ACK -> first RTP", r.FirstRTP},
		{"key-down -> last old packet", r.Stop}, {"key-down -> next talkspurt", r.Next}, {"key-down -> first sound of it", r.Audible},
		{"abs(gap - packet time)", r.Pacing}, {"jitter of a call", r.Quality.Jitter},
		{"round trip (RTCP)", r.Quality.RoundTrip}, {"jitter there (RTCP)", r.Quality.FarJitter}, {"script, the whole call", r.Script},
		{"generator: beat late", r.BeatLate}, {"generator: answer read late", r.ReadLate}, {"generator: INVITE sent late", r.DialLate},
	} {
		if row.p.N > 0 {
			fmt.Fprintf(w, "%-34s %8d %9.3f %9.3f %9.3f %9.3f %9.3f\n", row.name, row.p.N, row.p.P50, row.p.P90, row.p.P99, row.p.P999, row.p.Max)
		}
	}
}

func (q Quality) table(w io.Writer) {
	fmt.Fprintf(w, "calls that lost packets: %d, the worst %.2f %%; of our packets ", q.WithLoss, q.WorstLoss)
	switch {
	case q.Told == 0:
		fmt.Fprintln(w, "the far end reported nothing: what it lost is unknown")
	case q.Untold == 0:
		fmt.Fprintf(w, "the far end lost %d\n", q.FarLost)
	default:
		fmt.Fprintf(w, "the far end lost %d in %d calls; of %d it reported nothing: unknown\n", q.FarLost, q.Told, q.Untold)
	}
}

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}
