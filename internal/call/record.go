package call

import (
	"cmp"
	"log/slog"
	"strings"
	"time"

	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/media"
)

// Record is what is told of a call when it has ended. It has no field for a code or
// its length, which a number of keys would give away.
type Record struct {
	Arrival
	End      flow.EndReason
	Change   string // Outcome of the last change, NoChange or Unfinished
	Door     mailbox.Door
	Language string // spoken last
	Mailbox  string // Account.ID; empty: none was found
	Lasted   time.Duration
	Keys     dtmf.Source   // by which the last key came
	Sources  []dtmf.Source // by which keys came
	Repeated bool          // a key was told by two roads, and counted once
	LostKeys uint64        // times that the caller was asked again because a key was lost
	Faults   []string      // of KeyFaults: what was wrong with keys; each was counted all the same, but for those of LostKeys
	Media    media.Stats   // without Keys and Tones, whose counts tell how many there were
}

// keyFaults are what can be wrong with keys, and not how often: that would tell how many
// there were.
var keyFaults = [...]struct {
	word string
	met  func(*media.Stats) bool
}{
	{"ends-lost", func(s *media.Stats) bool { return s.Keys.ForcedEnd+s.Tones.ForcedEnd > 0 }},
	{"late", func(s *media.Stats) bool { return s.Keys.Late > 0 }},
	{"lost", func(s *media.Stats) bool { return s.Keys.Lost > 0 }},
	{"timestamp-moved", func(s *media.Stats) bool { return s.Keys.Moved > 0 }},
	{"timestamp-reused", func(s *media.Stats) bool { return s.Keys.ReusedTS > 0 }},
	{"no-duration", func(s *media.Stats) bool { return s.Keys.ZeroDur > 0 }},
	{"damaged", func(s *media.Stats) bool { return s.Keys.Bad > 0 }},
}

// KeyFaults are the words of Record.Faults.
func KeyFaults() (words []string) {
	for _, f := range keyFaults {
		words = append(words, f.word)
	}
	return words
}

// Words for Change beside those of outcomes.
const (
	NoChange   = "none"       // nobody asked for one
	Unfinished = "unfinished" // the caller left before the store's answer; the audit trail has it
)

// attrs are the fields of the line in the log. Their names are documented: append,
// never rename. What is not known is left out and named in the last field, so that no
// field ever changes its type.
func (r *Record) attrs() []slog.Attr {
	m := &r.Media
	all := []slog.Attr{
		slog.String("call", r.CallID), slog.String("end", r.End.String()), slog.String("change", r.Change),
		slog.String("door", r.Door.String()), slog.String("layout", r.Layout), slog.String("language", r.Language),
		slog.String("peer", r.Peer), slog.String("transport", r.Transport), slog.String("source", r.Source),
		slog.String("caller", r.Caller), slog.String("mailbox", r.Mailbox), slog.String("domain", r.Domain),
		slog.Float64("seconds", r.Lasted.Truncate(100*time.Millisecond).Seconds()),
		slog.String("keys", r.Keys.String()), slog.Uint64("keys_lost", r.LostKeys), slog.Bool("keys_repeated", r.Repeated),
		slog.String("key_faults", cmp.Or(strings.Join(r.Faults, ","), "none")), slog.String("codec", m.Codec.String()),
		slog.Uint64("packets_out", m.PacketsOut), slog.Uint64("dropped_in", m.Dropped), slog.Uint64("source_changes", m.SourceChanges),
	}
	var unknown []string
	tell := func(known bool, fields ...slog.Attr) {
		for _, f := range fields {
			if known {
				all = append(all, f)
			} else {
				unknown = append(unknown, f.Key)
			}
		}
	}
	tell(m.Reported, slog.Uint64("lost_out", m.RemoteLost))
	tell(m.RoundTrip > 0, slog.String("round_trip", m.RoundTrip.String()))
	tell(m.PacketsIn > 0 && !m.Thinned, slog.Uint64("lost_in", m.LostIn), slog.String("jitter_in", m.JitterIn.String()))
	return append(all, slog.String("unknown", cmp.Or(strings.Join(unknown, ","), "none")))
}

func (s *Site) spoken(language string) string {
	if s.Spoken == nil {
		return language
	}
	return s.Spoken(language)
}

func (s *Site) speaks(language string) bool { return s.Speaks == nil || s.Speaks(language) }

func (s *Site) prepare(language string) {
	if s.Prepare != nil && language != "" {
		s.Prepare(language)
	}
}

// record is the call as it ends.
func (r *run) record() Record {
	traffic := r.media.Stats()
	var faults []string
	for _, f := range keyFaults {
		if f.met(&traffic) {
			faults = append(faults, f.word)
		}
	}
	traffic.Keys, traffic.Tones = dtmf.Stats{}, dtmf.ToneStats{}
	end := Record{
		Arrival: r.arrival, End: r.end, Change: r.change, Door: r.state.Door(), Language: r.site.spoken(r.state.Language()),
		Mailbox: r.account.ID, Lasted: time.Since(r.began), Keys: r.source,
		Repeated: r.merge.Stats().LeakSuppressed > 0, LostKeys: r.lost, Faults: faults, Media: traffic,
	}
	for s, used := range r.sources {
		if used {
			end.Sources = append(end.Sources, dtmf.Source(s))
		}
	}
	return end
}
