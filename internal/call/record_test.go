package call

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/media"
)

func TestTheRecordSaysHowTheCallEnded(t *testing.T) {
	change := "482915#2739164#739164#"
	for name, c := range map[string]struct {
		keys    string
		store   func(*store)
		end     flow.EndReason
		changed string
	}{
		"nothing asked": {"482915#*", nil, flow.EndGoodbye, NoChange},
		"changed":       {change, nil, flow.EndHungUp, "done"},
		"refused": {change, func(s *store) {
			s.change = func(context.Context) mailbox.Result { return mailbox.Refuse(mailbox.CannotChange) }
		}, flow.EndHungUp, "refused"},
		"unknown": {change, func(s *store) {
			s.change = func(context.Context) mailbox.Result { return mailbox.Doubt(nil) }
		}, flow.EndUnconfirmed, "unknown"},
		"hung up before the answer": {change, func(s *store) {
			s.change = func(context.Context) mailbox.Result { time.Sleep(3 * time.Second); return mailbox.Proved() }
		}, flow.EndHungUpLate, Unfinished},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, mailbox.OwnDoor, func(r *rig) {
				if c.store != nil {
					c.store(r.store)
				}
				r.answer()
				r.press(c.keys)
				if c.end != flow.EndHungUp && c.end != flow.EndHungUpLate {
					r.finish()
					time.Sleep(time.Second)
				}
				r.leg.gone()
				<-r.done
				require.Equal(t, c.end.String(), r.end.End.String())
				require.Equal(t, c.changed, r.end.Change)
				require.Equal(t, mailbox.OwnDoor, r.end.Door)
				require.Equal(t, []dtmf.Source{dtmf.FromEvent}, r.end.Sources)
				require.False(t, r.end.Repeated)
				require.Regexp(t, `msg="call ended" call=one end=\S+ change=\S+ door=own layout=default language=\S* peer=test .* mailbox=\S+ domain=north `, r.log.String())
			})
		})
	}
}

func TestTheRecordKnowsTheRoadsOfKeysAndNotTheirNumber(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.session.stats = media.Stats{PacketsOut: 7, Keys: dtmf.Stats{Events: 9, DupEnd: 6, Late: 2, ForcedEnd: 1}, Tones: dtmf.ToneStats{Keys: 3}}
		at := time.Since(r.session.Epoch())
		r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromEvent, Digit: 1, At: at}})
		synctest.Wait()
		r.leg.signals <- &Signal{Kind: InfoKey, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: 1, At: at}}
		synctest.Wait()
		r.leg.signals <- &Signal{Kind: InfoKey, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: 2, At: at}}
		synctest.Wait()
		r.session.tell(media.Event{Kind: media.Overrun})
		synctest.Wait()
		r.leg.gone()
		<-r.done
		require.Equal(t, []dtmf.Source{dtmf.FromEvent, dtmf.FromInfo}, r.end.Sources)
		require.Equal(t, dtmf.FromInfo, r.end.Keys)
		require.True(t, r.end.Repeated)
		require.EqualValues(t, 1, r.end.LostKeys)
		require.Equal(t, []string{"ends-lost", "late"}, r.end.Faults)
		require.Subset(t, KeyFaults(), r.end.Faults)
		require.Equal(t, media.Stats{PacketsOut: 7}, r.end.Media, "each key repeats its end twice")
	})
}

func TestTheReadmeNamesTheFieldsOfTheRecord(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	everything := Record{Media: media.Stats{PacketsIn: 1, Reported: true, RoundTrip: 1}}
	for _, a := range everything.attrs() {
		require.Contains(t, string(readme), "`"+a.Key+"`")
	}
}

// What the kernel dropped unread was not lost, and of what nobody told nothing is known.
func TestTheRecordTellsNoLossThatIsNotKnown(t *testing.T) {
	fields := func(m media.Stats) map[string]string {
		all := map[string]string{}
		for _, a := range (&Record{Media: m}).attrs() {
			all[a.Key] = a.Value.String()
		}
		return all
	}
	all := media.Stats{PacketsIn: 9, LostIn: 3, JitterIn: time.Millisecond, Reported: true, RemoteLost: 2, RoundTrip: time.Second}
	known := fields(all)
	for name, c := range map[string]struct {
		alter   func(*media.Stats)
		unknown string
	}{
		"nothing":         {func(*media.Stats) {}, "none"},
		"kernel filter":   {func(m *media.Stats) { m.Thinned = true }, "lost_in,jitter_in"},
		"silent":          {func(m *media.Stats) { m.PacketsIn = 0 }, "lost_in,jitter_in"},
		"no report":       {func(m *media.Stats) { m.Reported, m.RoundTrip = false, 0 }, "lost_out,round_trip"},
		"no time of ours": {func(m *media.Stats) { m.RoundTrip = 0 }, "round_trip"},
	} {
		m := all
		c.alter(&m)
		told := fields(m)
		require.Equal(t, c.unknown, told["unknown"], name)
		for field, value := range known {
			switch {
			case field == "unknown":
			case slices.Contains(strings.Split(c.unknown, ","), field):
				require.NotContains(t, told, field, name)
			default:
				require.Equal(t, value, told[field], name)
			}
		}
	}
	require.Equal(t, []string{"3", "1ms", "2", "1s"}, []string{known["lost_in"], known["jitter_in"], known["lost_out"], known["round_trip"]})
}

// slow is a session whose loop did not keep up: each call of Events gives one event more.
type slow struct {
	*session
	behind []media.Event
}

func (s *slow) Events() <-chan media.Event {
	if len(s.behind) > 0 && len(s.session.events) == 0 {
		s.session.events <- s.behind[0]
		s.behind = s.behind[1:]
	}
	return s.session.Events()
}

func TestWhatWaitsBehindTheEventsIsHeardBeforeTheEnd(t *testing.T) {
	h := newHandled(t, mailbox.AnyDoor)
	h.media = &slow{session: h.session, behind: slices.Repeat([]media.Event{{Kind: media.Overrun}}, 3)}
	before := h.lost
	h.hearOut(nil)
	require.Equal(t, before, h.lost, "nothing is heard before the ACK")
	h.hearOut(h.session.Events())
	require.Equal(t, before+3, h.lost)
}
