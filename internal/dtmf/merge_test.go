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

// An INFO that comes first takes nothing of that: the event that tells of its press holds it,
// so that a tone that breaks, or is first heard long after, is the same press.
func TestAnInfosEventHoldsItsKeyAgainstTones(t *testing.T) {
	for name, tones := range map[string][]time.Duration{
		"two pieces": {40 * ms, 90 * ms}, "three pieces": {40 * ms, 90 * ms, 600 * ms},
		"heard late": {300 * ms}, "heard behind the key-up": {780 * ms}, "before the event": {10 * ms, 400 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			m := Merge{Tones: true}
			var in []Report
			for _, at := range []time.Duration{0, time.Second} {
				in = append(in, report(Down, FromInfo, '5', at), report(Down, FromEvent, '5', at+20*ms), report(Up, FromEvent, '5', at+700*ms))
				for _, after := range tones {
					in = append(in, report(Down, FromTone, '5', at+after), report(Up, FromTone, '5', at+after+30*ms))
				}
			}
			slices.SortStableFunc(in, func(a, b Report) int { return int(a.At - b.At) })
			require.Equal(t, "55", accepted(&m, in))
		})
	}
}

// Where tones count beside events, a tone that breaks while the event holds its key is
// the same press, whichever was first and also across a renegotiation; what comes later
// than a copy is another.
func TestATonesPiecesAreOnePressOfItsEvent(t *testing.T) {
	pieces := func(at time.Duration) []Report {
		return []Report{
			report(Down, FromTone, '5', at), report(Up, FromTone, '5', at+30*ms),
			report(Down, FromTone, '5', at+60*ms), report(Up, FromTone, '5', at+90*ms),
		}
	}
	for name, lead := range map[string]time.Duration{"event first": -40 * ms, "tone first": 20 * ms, "between the pieces": 40 * ms} {
		t.Run(name, func(t *testing.T) {
			m := Merge{Tones: true}
			var in []Report
			for _, at := range []time.Duration{0, 200 * ms} {
				in = append(in, pieces(at)...)
				in = append(in, report(Down, FromEvent, '5', at+lead), report(Up, FromEvent, '5', at+120*ms))
			}
			slices.SortStableFunc(in, func(a, b Report) int { return int(a.At - b.At) })
			got := ""
			for _, r := range in {
				got += accepted(&m, []Report{r})
				m.Unlock()
			}
			require.Equal(t, "55", got)
			require.Equal(t, "5", accepted(&m, held(FromTone, '5', time.Second)))
			require.Equal(t, "55", accepted(&m, append(held(FromEvent, '5', 2*time.Second), held(FromTone, '5', 2*time.Second+351*ms)...)))
		})
	}
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
			for i := range 6000 {
				tones := i%2 == 1 // they always count; beside events they break
				breaks := tones && slices.Contains(ways, FromEvent)
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
							if part := length / 3; breaks && part > 0 && delay+part < length {
								in = append(in, report(Up, way, c, at+delay+part/2), report(Down, way, c, at+delay+part))
							}
						}
					}
					at += length
				}
				slices.SortStableFunc(in, func(a, b Report) int { return int(a.At - b.At) })
				m := Merge{Tones: tones}
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

// A phone tells each press by INFO and by an event. All of one event that comes is a
// part that was held up: the timestamps of the presses before say by how much, and so
// which press it is of. From 16 starts around the wrap of the timestamps.
func TestALateEventIsACopyOfItsInfo(t *testing.T) {
	for _, c := range []struct {
		name   string
		before string        // pressed by both ways, in time
		slow   time.Duration // but the event of the last of them was held up
		late   time.Duration
		part   func(tx) bool
		want   string
	}{
		{"the end alone", "1", 0, 0, isEnd, "17"},
		{"the end alone, held up", "1", 0, 300 * ms, isEnd, "17"},
		{"all of it, held up", "1", 0, 300 * ms, nil, "17"},
		{"all of it, held up for longer than the copy window", "1", 0, 1500 * ms, nil, "17"},
		{"after the same key", "7", 0, 1500 * ms, nil, "77"},
		{"after another that was held up as long", "12", 300 * ms, 300 * ms, nil, "127"},
		{"after many", "123456789*0#123456789", 0, 1500 * ms, nil, "123456789*0#1234567897"},
		{"the first press of all has nothing to be told by", "", 0, 300 * ms, nil, "77"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, rate := range []int{8000, 48000} {
				for _, ts := range starts.ts {
					p := &phone{rate: rate, now: time.Second}
					var d EventDecoder
					d.Set(rate, 20*ms)
					var m Merge
					var in []Report
					for i := range len(c.before) {
						in = append(in, held(FromInfo, c.before[i], p.now)[0])
						press := p.press(c.before[i], 100*ms)
						if i == len(c.before)-1 {
							press = slower(press, c.slow)
						}
						in = append(in, feed(&d, press, 1, ts)...)
						p.now += 400 * ms
					}
					in = append(in, held(FromInfo, '7', p.now)[0])
					press := p.press('7', 100*ms)
					if c.part != nil {
						press = only(press, c.part)
					}
					in = append(in, feed(&d, slower(press, c.late), 1, ts)...)
					require.Equal(t, c.want, accepted(&m, in), "%d Hz from %d", rate, ts)
				}
			}
		})
	}
}

// slower is packets held up by the network.
func slower(in []tx, by time.Duration) []tx {
	return each(in, func(_ int, p *tx) { p.at += by })
}

// A press that an event alone tells of is a press, however soon after the same key by
// INFO, held up or not, and whatever the sender's clock does.
func TestAPressByItsEventAloneIsNeverTakenForACopy(t *testing.T) {
	for name, c := range map[string]struct {
		late   time.Duration
		shift  time.Duration // of the timestamps since the press before
		stands bool          // the timestamp is that of the press before
		ssrc   uint32
	}{
		"in time":                      {},
		"held up":                      {late: 300 * ms},
		"held up for long":             {late: 1500 * ms},
		"a clock that began anew":      {shift: -time.Hour},
		"a clock that jumped ahead":    {shift: time.Hour},
		"a clock that lost seconds":    {shift: -3 * time.Second},
		"another stream's clock":       {shift: -time.Second, ssrc: 9},
		"a clock that stands":          {stands: true},
		"a clock that stands, held up": {late: 300 * ms, stands: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ts := range starts.ts {
				p := &phone{now: time.Second}
				var d EventDecoder
				var m Merge
				in := feed(&d, p.press('1', 100*ms), 1, ts)
				p.now += 500 * ms
				in = append(in, held(FromInfo, '7', p.now)[0])
				p.now += 400 * ms
				in = append(in, feed(&d, each(p.press('7', 100*ms), func(_ int, p *tx) {
					p.at += c.late
					p.SSRC = c.ssrc
					p.TS += uint32(c.shift / ms * 8)
					if c.stands {
						p.TS = ticks(time.Second, 8000)
					}
				}), 1, ts)...)
				require.Equal(t, "177", accepted(&m, in), "from %d", ts)
			}
		})
	}
}
