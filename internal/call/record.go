package call

import (
	"log/slog"
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
	Media    media.Stats   // without Keys, whose counts tell how many there were
}

// Words for Change beside those of outcomes.
const (
	NoChange   = "none"       // nobody asked for one
	Unfinished = "unfinished" // the caller left before the store's answer; the audit trail has it
)

// attrs are the fields of the line in the log. Their names are documented: append,
// never rename.
func (r *Record) attrs() []slog.Attr {
	m := &r.Media
	return []slog.Attr{
		slog.String("call", r.CallID), slog.String("end", r.End.String()), slog.String("change", r.Change),
		slog.String("door", r.Door.String()), slog.String("layout", r.Layout), slog.String("language", r.Language),
		slog.String("peer", r.Peer), slog.String("transport", r.Transport), slog.String("source", r.Source),
		slog.String("caller", r.Caller), slog.String("mailbox", r.Mailbox), slog.String("domain", r.Domain),
		slog.Float64("seconds", r.Lasted.Truncate(100*time.Millisecond).Seconds()),
		slog.String("keys", r.Keys.String()), slog.Uint64("keys_lost", r.LostKeys),
		slog.Uint64("packets_out", m.PacketsOut), slog.Uint64("lost_out", m.RemoteLost), slog.String("round_trip", m.RoundTrip.String()),
		slog.Uint64("lost_in", m.LostIn), slog.String("jitter_in", m.JitterIn.String()),
		slog.Uint64("dropped_in", m.Dropped), slog.Uint64("source_changes", m.SourceChanges),
	}
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
	traffic.Keys = dtmf.Stats{}
	end := Record{
		Arrival: r.arrival, End: r.end, Change: r.change, Door: r.state.Door(), Language: r.site.spoken(r.state.Language()),
		Mailbox: r.account.ID, Lasted: time.Since(r.began), Keys: r.source,
		Repeated: r.merge.Stats().LeakSuppressed > 0, LostKeys: r.lost, Media: traffic,
	}
	for s, used := range r.sources {
		if used {
			end.Sources = append(end.Sources, dtmf.Source(s))
		}
	}
	return end
}
