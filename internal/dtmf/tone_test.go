package dtmf

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf/tonetest"
)

// call makes presses of 100 ms, 100 ms apart, after 100 ms of silence.
func call(keys string) *tonetest.Take {
	t, r := new(tonetest.Take), rand.New(rand.NewPCG(7, 7))
	t.Pause(100 * ms)
	for i := range keys {
		t.Press(r, tonetest.Press{Key: keys[i], On: 100 * ms, Off: 100 * ms, Level: -10})
	}
	return t
}

// inFrames feeds frames of so many samples at a rate, each at the time of its end.
func inFrames(d *ToneDetector, pcm []int16, frame, rate int) (out []Report) {
	d.Set(rate)
	for at := 0; at < len(pcm); at += frame {
		end := min(at+frame, len(pcm))
		out = d.Decode(pcm[at:end], time.Duration(end)*time.Second/time.Duration(rate), out)
	}
	return out
}

func TestToneTellsDownAndUpOfEachKey(t *testing.T) {
	take := call(tonetest.Keys)
	for _, rate := range []int{8000, 16000} {
		pcm := take.PCM()
		if rate == 16000 {
			pcm = faster(pcm, 0.5)
		}
		for _, frame := range []int{1, 80, 160, 240, 333, 8000} {
			t.Run(fmt.Sprintf("%d Hz, frames of %d", rate, frame), func(t *testing.T) {
				got := inFrames(new(ToneDetector), pcm, frame, rate)
				require.Equal(t, "1'2'3'A'4'5'6'B'7'8'9'C'*'0'#'D'", trace(got))
				for i, m := range take.Marks {
					down, up := got[2*i], got[2*i+1]
					begin := time.Duration(m.Begin) * time.Second / tonetest.Rate
					require.InDelta(t, millis(begin), millis(down.At-down.Held), 4, "key-down of press %d", i)
					require.InDelta(t, millis(begin+100*ms), millis(up.At-up.Held), 6, "key-up of press %d", i)
					require.Less(t, down.At, begin+35*ms+time.Duration(frame)*time.Second/time.Duration(rate))
					require.Equal(t, FromTone, down.Source)
				}
			})
		}
	}
}

// The pause that ends a press lies between 20 ms and 30 ms: Q.24 has 10 ms and 40 ms,
// its Japanese column 30 ms, and a lost packet is 20 ms of silence.
func TestTonePauseThatEndsAPress(t *testing.T) {
	for pause := 1; pause <= 60; pause++ {
		take, r := new(tonetest.Take), rand.New(rand.NewPCG(3, uint64(pause)))
		take.Press(r, tonetest.Press{Key: '7', On: 60 * ms, Off: time.Duration(pause) * ms, Level: -10})
		take.Press(r, tonetest.Press{Key: '7', On: 60 * ms, Off: 100 * ms, Level: -10})
		got := trace(inFrames(new(ToneDetector), take.PCM(), 160, 8000))
		switch {
		case pause <= 20:
			require.Equal(t, "7'", got, "%d ms", pause)
		case pause >= 30:
			require.Equal(t, "7'7'", got, "%d ms", pause)
		}
	}
}

// lossy feeds frames of 20 ms of which some are lost.
func lossy(d *ToneDetector, pcm []int16, lost ...int) (out []Report) {
	gone := map[int]bool{}
	for _, i := range lost {
		gone[i] = true
	}
	for i := 0; (i+1)*160 <= len(pcm); i++ {
		now := time.Duration(i+1) * 20 * ms
		if gone[i] {
			out = d.Lose(160, now, out)
			continue
		}
		out = d.Decode(pcm[i*160:(i+1)*160], now, out)
	}
	return out
}

func TestToneLostPackets(t *testing.T) {
	// Frames 5 to 9 hold the first press, 15 to 19 the second.
	for _, c := range []struct {
		name string
		keys string
		lost []int
		want string
	}{
		{"one within a press", "55", []int{7}, "5'5'"},
		{"two within a press", "55", []int{7, 8}, "5'5'"},
		{"three within a press", "55", []int{7, 8, 9}, "5'5'"},
		{"the end and the pause's beginning", "55", []int{9, 10}, "5'5'"},
		{"the whole pause is more than is held", "55", []int{10, 11, 12, 13, 14}, "5'5'"},
		{"the first of a press", "55", []int{5, 15}, "5'5'"},
		{"the second of a press, before it is certain", "55", []int{6}, "5'5'"},
		{"all of a press", "55", []int{5, 6, 7, 8, 9}, "5'"},
		{"another key behind the gap", "56", []int{8, 9, 10, 11, 12, 13, 14}, "5'6'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d ToneDetector
			require.Equal(t, c.want, trace(lossy(&d, call(c.keys).PCM(), c.lost...)))
			require.EqualValues(t, 160*len(c.lost), d.Stats().Lost)
		})
	}
}

// A phone that stops sending with a key down (silence suppression) has let it go.
func TestToneExpires(t *testing.T) {
	var d ToneDetector
	got := inFrames(&d, call("9").PCM()[:1440], 160, 8000)
	require.Equal(t, "9", trace(got))
	due, open := d.Deadline()
	require.True(t, open)
	require.Equal(t, 180*ms+toneExpiry, due)
	require.Empty(t, d.Expire(due-1, nil))
	got = d.Expire(due+time.Second, nil)
	require.Equal(t, "'", trace(got))
	require.Equal(t, due, got[0].At)
	_, open = d.Deadline()
	require.False(t, open)
	require.EqualValues(t, 1, d.Stats().ForcedEnd)
}

// A long gap ends a press, and what comes after it is heard as ever.
func TestToneLongGap(t *testing.T) {
	var d ToneDetector
	pcm := call("9").PCM()
	got := inFrames(&d, pcm[:1440], 160, 8000)
	got = d.Lose(1<<30, time.Hour, got)
	got = append(got, inFrames(&d, pcm, 160, 8000)...)
	require.Equal(t, "9'9'", trace(got))
	require.Empty(t, d.Lose(-5, time.Hour, nil))
}

// An event takes the call from tones: a tone that leaks beside it is a copy, or muted.
func TestToneBesideEvents(t *testing.T) {
	tones := inFrames(new(ToneDetector), call("12").PCM(), 160, 8000)
	var m Merge
	digits := func(reports ...Report) (out string) {
		for _, r := range reports {
			if d, ok := m.Accept(r); ok {
				out += string(d.Char())
			}
		}
		return out
	}
	require.Equal(t, "1", digits(report(Down, FromEvent, '1', 105*ms), report(Up, FromEvent, '1', 205*ms)))
	require.Equal(t, "", digits(tones[:2]...))
	require.Equal(t, "2", digits(report(Down, FromEvent, '2', 305*ms)))
	require.Equal(t, "", digits(tones[2:]...))
	m.Unlock()
	for i := range tones {
		tones[i].At += time.Minute
	}
	require.Equal(t, "12", digits(tones...), "tones alone")

	m = Merge{Tones: true}
	require.Equal(t, "1", digits(report(Down, FromEvent, '1', 105*ms), report(Up, FromEvent, '1', 205*ms)))
	for i := range tones {
		tones[i].At -= time.Minute
	}
	require.Equal(t, "2", digits(tones...), "the copy of the event does not count, the other tone does")
}

func TestToneStatsTellWhy(t *testing.T) {
	for _, c := range []struct {
		name  string
		press tonetest.Press
		count func(ToneStats) uint64
	}{
		{"counted", tonetest.Press{On: 60 * ms}, func(s ToneStats) uint64 { return s.Keys }},
		{"too short", tonetest.Press{On: 22 * ms}, func(s ToneStats) uint64 { return s.Short }},
		{"out of tune", tonetest.Press{On: 60 * ms, Low: 0.03}, func(s ToneStats) uint64 { return s.Untuned }},
		{"twisted", tonetest.Press{On: 60 * ms, Twist: 6}, func(s ToneStats) uint64 { return s.Twisted }},
	} {
		t.Run(c.name, func(t *testing.T) {
			take, r := new(tonetest.Take), rand.New(rand.NewPCG(1, 1))
			take.Pause(50 * ms)
			c.press.Key, c.press.Level, c.press.Off = '8', -10, 100*ms
			take.Press(r, c.press)
			var d ToneDetector
			inFrames(&d, take.PCM(), 160, 8000)
			require.EqualValues(t, 1, c.count(d.Stats()))
			s := d.Stats()
			require.EqualValues(t, 1, s.Keys+s.Short+s.Untuned+s.Twisted+s.Impure, "for one reason")
		})
	}
	take := call("8")
	take.Noise(rand.New(rand.NewPCG(1, 1)), -10, 4)
	var d ToneDetector
	inFrames(&d, take.PCM()[720:1640], 160, 8000)
	require.Zero(t, d.Stats().Keys)
}

func TestToneAllocatesNothing(t *testing.T) {
	pcm := call("159D").PCM()
	for _, rate := range []int{8000, 16000} {
		var d ToneDetector
		d.Set(rate)
		out, told := make([]Report, 0, MaxReports), 0
		require.Zero(t, testing.AllocsPerRun(20, func() {
			for at := 0; at+160 <= len(pcm); at += 160 {
				out = d.Decode(pcm[at:at+160], time.Duration(at), out[:0])
				told += len(out)
			}
			out = d.Lose(160, 0, d.Expire(0, out[:0]))
		}))
		if rate == 8000 {
			require.Equal(t, 21*8, told, "all of it was heard")
		}
	}
}

func TestToneDetectorShowsNoKey(t *testing.T) {
	d := new(ToneDetector)
	inFrames(d, call("9").PCM()[:1440], 160, 8000)
	require.True(t, d.open)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		require.Equal(t, "dtmf.ToneDetector", fmt.Sprintf(verb, d))
	}
}

// FuzzToneDetector claims that reports alternate; that they depend on the samples and
// not on how they are cut into packets, or on their sign; that no time lies before the
// beginning; and that what is heard before is forgotten: after half a second of silence
// a press is heard as it is by a new detector.
func FuzzToneDetector(f *testing.F) {
	bytes := func(pcm []int16) (b []byte) {
		for _, v := range pcm {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
		return b
	}
	f.Add(bytes(call("1").PCM()[720:2400]), []byte{160}, false)
	f.Add(bytes(faster(call("4").PCM()[720:1800], 0.5)), []byte{1, 200, 33}, true)
	f.Add(bytes(tonetest.Whistle(rand.New(rand.NewPCG(1, 1)), 0.2)), []byte{80, 81}, true)
	after := call("5").PCM()
	f.Fuzz(func(t *testing.T, data, cuts []byte, wide bool) {
		data = data[:min(len(data), 1<<13)]
		rate, silence := 8000, make([]int16, 4000)
		if wide {
			rate, silence = 16000, make([]int16, 8000)
		}
		pcm, turned := make([]int16, len(data)/2), make([]int16, len(data)/2)
		for i := range pcm {
			pcm[i] = max(int16(binary.LittleEndian.Uint16(data[2*i:])), -32767)
			turned[i] = -pcm[i]
		}
		var whole, pieces, mirror ToneDetector
		want := inFrames(&whole, pcm, 80, rate)
		require.Equal(t, want, inFrames(&mirror, turned, 80, rate))
		pieces.Set(rate)
		var got []Report
		for at, i := 0, 0; at < len(pcm); i++ {
			n := 1
			if len(cuts) > 0 {
				n = max(1, int(cuts[i%len(cuts)]))
			}
			end := min(at+n, len(pcm))
			got = pieces.Decode(pcm[at:end], time.Duration(end)*time.Second/time.Duration(rate), got)
			at = end
		}
		require.Len(t, got, len(want))
		for i, w := range want {
			g := got[i]
			require.Equal(t, w.Kind, g.Kind)
			require.Equal(t, w.Digit, g.Digit)
			require.True(t, g.Digit.Valid())
			require.Equal(t, [2]Kind{Down, Up}[i%2], g.Kind)
			require.InDelta(t, millis(w.At-w.Held), millis(g.At-g.Held), 0.2)
			require.GreaterOrEqual(t, g.At, g.Held-10*ms)
		}
		inFrames(&whole, silence, 160, rate)
		require.Equal(t, "5'", trace(inFrames(&whole, after, 160, 8000)))
	})
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
