package dtmf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func report(kind Kind, source Source, c byte, at time.Duration) Report {
	d, _ := DigitOf(c)
	return Report{Kind: kind, Source: source, Digit: d, At: at}
}

// accepted feeds reports and writes the accepted keys.
func accepted(m *Merge, reports []Report) string {
	var out []byte
	for _, r := range reports {
		if d, ok := m.Accept(r); ok {
			out = append(out, d.Char())
		}
	}
	return string(out)
}

// held is a press of 100 ms as one source tells it.
func held(source Source, c byte, at time.Duration) []Report {
	if source == FromInfo {
		return []Report{report(Down, source, c, at)}
	}
	return []Report{report(Down, source, c, at), report(Up, source, c, at+100*ms)}
}

// late is a press that was first told of when its key had been down for so long.
func late(r Report, held time.Duration) Report {
	r.Held = held
	return r
}

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name                string
		in                  [][]Report
		want                string
		lock                Source
		suppressed, wereOut int
	}{
		{"one source alone", [][]Report{held(FromEvent, '1', 0), held(FromEvent, '1', 150*ms)}, "11", FromEvent, 0, 0},
		{"row 23: in-band leak beside events", [][]Report{
			held(FromEvent, '5', 0), held(FromTone, '5', 40*ms), held(FromEvent, '6', 500*ms), held(FromTone, '6', 560*ms),
		}, "56", FromEvent, 2, 0},
		{"row 23: leak comes after the copy window", [][]Report{
			held(FromEvent, '5', 0), held(FromTone, '5', 400*ms),
		}, "5", FromEvent, 0, 1},
		{"a leak that decodes as another key is muted", [][]Report{
			held(FromEvent, '5', 0), held(FromTone, '8', 40*ms),
		}, "5", FromEvent, 0, 1},
		{"tone first, event of the same press later", [][]Report{
			held(FromTone, '5', 0), held(FromEvent, '5', 90*ms), held(FromEvent, '5', 300*ms), held(FromTone, '5', 340*ms),
		}, "55", FromEvent, 2, 0},
		{"one leaked tone, then INFO only", [][]Report{
			held(FromTone, '1', 0), held(FromInfo, '2', 800*ms), held(FromInfo, '3', 1200*ms), held(FromTone, '3', 1200*ms),
		}, "123", FromInfo, 1, 0},
		{"speech taken for a tone does not deafen the call to events", [][]Report{
			held(FromTone, 'D', 0), held(FromEvent, '2', 300*ms), held(FromTone, 'D', 900*ms),
		}, "D2", FromEvent, 0, 1},
		{"INFO and event for each press, INFO first", [][]Report{
			held(FromInfo, '1', 0), held(FromEvent, '1', 30*ms), held(FromInfo, '1', 400*ms), held(FromEvent, '1', 430*ms),
		}, "11", FromInfo, 2, 0},
		{"INFO at key-down, and of the event only its end, after a long press", [][]Report{
			held(FromInfo, '1', 0), {late(held(FromEvent, '1', 900*ms)[0], 700*ms)}, held(FromInfo, '1', 1200*ms),
		}, "11", FromInfo, 1, 0},
		{"INFO, and soon the same key by an event that began later", [][]Report{
			held(FromInfo, '1', 0), {late(held(FromEvent, '1', 900*ms)[0], 100*ms)},
		}, "11", FromEvent, 0, 0},
		{"INFO beside events, lost and sent again 3.5 s later", [][]Report{
			held(FromEvent, '1', 0), held(FromEvent, '1', 300*ms), held(FromInfo, '1', 3500*ms), held(FromInfo, '1', 3501*ms),
		}, "11", FromEvent, 2, 0},
		{"events stop and INFO goes on without renegotiation", [][]Report{
			held(FromEvent, '1', 0), held(FromInfo, '2', 300*ms), held(FromInfo, '2', 600*ms),
		}, "122", FromInfo, 0, 0},
		{"the copy window after key-up is 250 ms", [][]Report{
			held(FromTone, '1', 0), held(FromEvent, '1', 350*ms), held(FromEvent, '2', 1000*ms),
		}, "12", FromEvent, 1, 0},
		{"behind the copy window it is a new press", [][]Report{
			held(FromTone, '1', 0), held(FromEvent, '1', 351*ms),
		}, "11", FromEvent, 0, 0},
		{"a key still down is one press however long", [][]Report{
			{report(Down, FromEvent, '1', 0)}, held(FromTone, '1', 9*time.Second), {report(Up, FromEvent, '1', 10*time.Second)},
		}, "1", FromEvent, 1, 0},
		{"a lost key-up does not hold the key for ever", [][]Report{
			{report(Down, FromTone, '1', 0)}, {report(Down, FromTone, '2', time.Second)}, held(FromEvent, '1', 2*time.Second),
		}, "121", FromEvent, 0, 0},
		{"losses are no press", [][]Report{{{Kind: Lost, Source: FromEvent}}}, "", NoSource, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Merge
			require.Equal(t, c.want, accepted(&m, slices.Concat(c.in...)))
			require.Equal(t, c.lock, m.Source())
			require.EqualValues(t, c.suppressed, m.Stats().LeakSuppressed)
			require.EqualValues(t, c.wereOut, m.Stats().Muted)
		})
	}
}

func TestUnlockListensToAllAgain(t *testing.T) {
	var m Merge
	require.Equal(t, "1", accepted(&m, held(FromEvent, '1', 0)))
	require.Empty(t, accepted(&m, held(FromTone, '2', time.Second)), "muted")
	m.Unlock()
	require.Equal(t, NoSource, m.Source())
	require.Equal(t, "3", accepted(&m, held(FromTone, '3', 2*time.Second)))
	require.Equal(t, FromTone, m.Source())

	m = Merge{}
	require.Equal(t, "1", accepted(&m, held(FromEvent, '1', 0)))
	m.Unlock()
	require.Empty(t, accepted(&m, held(FromTone, '1', 80*ms)), "a copy in flight stays a copy")
}

// A phone tells every press by one set of ways, each with its own delay: the merge
// gives exactly the keys that were pressed.
func TestEveryPhoneIsHeardAsItPressed(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 97))
	for _, ways := range [][]Source{
		{FromEvent}, {FromInfo}, {FromTone}, {FromEvent, FromTone}, {FromInfo, FromTone},
		{FromEvent, FromInfo}, {FromEvent, FromInfo, FromTone},
	} {
		t.Run(fmt.Sprint(ways), func(t *testing.T) {
			for i := range 3000 {
				var pressed []byte
				var in []Report
				var at, info time.Duration
				for range 1 + r.IntN(12) {
					at += time.Duration(80+r.IntN(1000)) * ms
					c := "112*"[r.IntN(4)]
					length := time.Duration(50+r.IntN(200)) * ms
					pressed = append(pressed, c)
					// INFO of one dialog keeps its order, however late.
					info = max(info, at+time.Duration(r.IntN(3500))*ms) + 1
					for _, way := range ways {
						switch way {
						case FromInfo:
							in = append(in, report(Down, way, c, info))
						case FromEvent:
							delay := time.Duration(r.IntN(60)) * ms
							in = append(in, report(Down, way, c, at+delay), report(Up, way, c, at+length+delay))
						case FromTone:
							delay := time.Duration(40+r.IntN(70)) * ms
							in = append(in, report(Down, way, c, at+delay), report(Up, way, c, at+length+delay))
						}
					}
					at += length
				}
				slices.SortStableFunc(in, func(a, b Report) int { return int(a.At - b.At) })
				var m Merge
				require.Equal(t, string(pressed), accepted(&m, in), "code %d", i)
			}
		})
	}
}

// An INFO tells of a key going down; where of the event only the end arrives, it
// arrives as late as the key was long, and is the same press all the same.
func TestAnEndAloneIsACopyOfItsInfo(t *testing.T) {
	for _, length := range []time.Duration{40 * ms, 300 * ms, 1500 * ms} {
		p := new(phone)
		p.now = time.Second
		var d EventDecoder
		ends := feed(&d, only(p.press('7', length), isEnd), 1, 1)
		require.Equal(t, length, ends[0].Held)
		var m Merge
		require.Equal(t, "7", accepted(&m, append(held(FromInfo, '7', time.Second), ends...)), "a press of %v", length)
	}
}
