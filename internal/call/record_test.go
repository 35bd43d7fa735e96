package call

import (
	"context"
	"os"
	"path/filepath"
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
		r.session.stats = media.Stats{PacketsOut: 7, Keys: dtmf.Stats{Events: 9, DupEnd: 6}}
		at := time.Since(r.session.Epoch())
		r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromEvent, Digit: 1, At: at}})
		synctest.Wait()
		r.leg.signals <- Signal{Kind: InfoKey, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: 1, At: at}}
		synctest.Wait()
		r.leg.signals <- Signal{Kind: InfoKey, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: 2, At: at}}
		synctest.Wait()
		r.session.tell(media.Event{Kind: media.Overrun})
		synctest.Wait()
		r.leg.gone()
		<-r.done
		require.Equal(t, []dtmf.Source{dtmf.FromEvent, dtmf.FromInfo}, r.end.Sources)
		require.Equal(t, dtmf.FromInfo, r.end.Keys)
		require.True(t, r.end.Repeated)
		require.EqualValues(t, 1, r.end.LostKeys)
		require.Equal(t, media.Stats{PacketsOut: 7}, r.end.Media, "each key repeats its end twice")
	})
}

func TestTheReadmeNamesTheFieldsOfTheRecord(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	for _, a := range new(Record).attrs() {
		require.Contains(t, string(readme), "`"+a.Key+"`")
	}
}
