package media_test

import (
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/dtmf/tonetest"
	"star97/internal/media"
	"star97/internal/prompt"
	"star97/prompts"
)

// toned is the audio of keys in a codec, 100 ms each and 100 ms apart, in frames of
// 20 ms; of key n the tone is in the frames from 5+10*n to 9+10*n.
func toned(t testing.TB, id codec.ID, keys string, bend ...func(*tonetest.Take)) [][]byte {
	t.Helper()
	take, r := new(tonetest.Take), rand.New(rand.NewPCG(11, 3))
	take.Pause(100 * time.Millisecond)
	for i := range keys {
		take.Press(r, tonetest.Press{Key: keys[i], On: 100 * time.Millisecond, Off: 100 * time.Millisecond, Level: -10})
	}
	for _, b := range bend {
		b(take)
	}
	return encoded(t, id, take.PCM())
}

// encoded is sound of 8000 Hz as payloads of 20 ms.
func encoded(t testing.TB, id codec.ID, pcm []int16) (frames [][]byte) {
	t.Helper()
	f, ok := codec.ByID(id)
	require.True(t, ok)
	if f.SampleRate == 16000 {
		pcm = twice(pcm)
	}
	payload := make([]byte, len(pcm)*1000/f.SampleRate*f.BytesPerMs)
	require.Len(t, payload, f.Encode(payload, pcm))
	for at := 0; at+20*f.BytesPerMs <= len(payload); at += 20 * f.BytesPerMs {
		frames = append(frames, payload[at:at+20*f.BytesPerMs])
	}
	return frames
}

// twice is pcm at twice the rate, near enough for tones.
func twice(pcm []int16) []int16 {
	out := make([]int16, 0, 2*len(pcm))
	for i, v := range pcm {
		next := pcm[min(i+1, len(pcm)-1)]
		out = append(out, v, int16((int(v)+int(next))/2))
	}
	return out
}

// speak sends frames of audio, of which those are lost that lose names.
func (p *phone) speak(pt uint8, frames [][]byte, lose func(i int) bool) {
	for i, payload := range frames {
		if lose != nil && lose(i) {
			p.header.SequenceNumber++
		} else {
			p.send(p.rtp, pt, false, payload)
		}
		p.header.Timestamp += 160
	}
}

// wantTones reads key-downs and key-ups of keys by tone, and no more.
func wantTones(t testing.TB, s media.Session, keys string) {
	t.Helper()
	for i := range keys {
		for _, kind := range []dtmf.Kind{dtmf.Down, dtmf.Up} {
			e := want(t, s, media.Pressed)
			require.Equal(t, kind, e.Report.Kind)
			require.Equal(t, dtmf.FromTone, e.Report.Source)
			require.True(t, keys[i] == e.Report.Digit.Char(), "another key")
			require.LessOrEqual(t, e.At, time.Since(s.Epoch()))
		}
	}
	require.Empty(t, s.Events())
}

var types = map[codec.ID]uint8{codec.PCMU: 0, codec.PCMA: 8, codec.G722: 9}

// inCodec is a call that has begun in a codec.
func (w world) inCodec(t testing.TB, id codec.ID) (media.Session, *phone) {
	t.Helper()
	s, p := w.call(t)
	st := p.stream()
	st.Codec, st.PT = id, types[id]
	s.Set(st)
	s.Start(0)
	return s, p
}

func testTones(t *testing.T, w world) {
	for id, pt := range types {
		s, p := w.inCodec(t, id)
		for _, keys := range []string{"159D", "0011", "*#"} { // no more at once than a queue holds
			p.speak(pt, toned(t, id, keys), nil)
			wantTones(t, s, keys)
		}
		// Of each press a packet is lost, and each third one of the pauses.
		p.speak(pt, toned(t, id, "4477"), func(i int) bool { return i%10 == 7 || i%10 > 0 && i%10 < 5 && i%3 == 0 })
		wantTones(t, s, "4477")
		for lost := range 5 { // whichever packet of a press it is
			p.speak(pt, toned(t, id, "28"), func(i int) bool { return i%10 == 5+lost })
			wantTones(t, s, "28")
		}
		require.Equal(t, uint64(24), s.Stats().Tones.Keys)
		require.Zero(t, s.Stats().Keys)
	}
}

// Gateways from ATM send 5.5 ms at once, and others 22.5: no whole milliseconds.
func TestTonesInOddPackets(t *testing.T) {
	for _, size := range []int{44, 180} {
		for id, pt := range types {
			synctest.Test(t, func(t *testing.T) {
				s, p := memory().inCodec(t, id)
				for payload := range slices.Chunk(slices.Concat(toned(t, id, "159D")...), size) {
					p.send(p.rtp, pt, false, payload)
					p.header.Timestamp += uint32(len(payload))
					time.Sleep(time.Duration(len(payload)) * time.Second / 8000)
				}
				wantTones(t, s, "159D")
				p.forget()
				s.Close()
			})
		}
	}
}

// testToneUp is a telephone that stops to send with a key down.
func testToneUp(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	p.speak(0, toned(t, codec.PCMU, "7")[:9], nil)
	down := want(t, s, media.Pressed)
	up := want(t, s, media.Pressed)
	require.Equal(t, []dtmf.Kind{dtmf.Down, dtmf.Up}, []dtmf.Kind{down.Report.Kind, up.Report.Kind})
	require.GreaterOrEqual(t, up.At-down.At, 150*time.Millisecond)
	require.Equal(t, uint64(1), s.Stats().Tones.ForcedEnd)
}

// testTonesBesideEvents: who sends events is not listened to for tones any more, until
// the stream is negotiated anew; or always, or never, where that is wanted.
func testTonesBesideEvents(t *testing.T, w world) {
	for mode, want := range map[media.Inband][3]string{
		media.InbandAuto: {"1", "", "3"}, media.InbandAlways: {"1", "2", "3"}, media.InbandNever: {},
	} {
		s, p := w.call(t)
		st := p.stream()
		st.Inband = mode
		s.Set(st)
		s.Start(0)
		heard := func(n uint64) {
			t.Helper()
			require.Eventually(t, func() bool { return s.Stats().PacketsIn == n }, patience, time.Millisecond)
		}
		p.speak(0, toned(t, codec.PCMU, "1"), nil)
		heard(15)
		wantTones(t, s, want[0])
		p.press(p.rtp, 8)
		wantKey(t, s, dtmf.Down, 8)
		wantKey(t, s, dtmf.Up, 8)
		p.speak(0, toned(t, codec.PCMU, "2"), nil)
		heard(15 + 7 + 15)
		wantTones(t, s, want[1])
		s.Set(st)
		p.speak(0, toned(t, codec.PCMU, "3"), nil)
		heard(15 + 7 + 15 + 15)
		wantTones(t, s, want[2])
		require.Equal(t, uint64(len(want[0]+want[1]+want[2])), s.Stats().Tones.Keys)
	}
}

// testTonesOff: an INFO takes the call from tones. A tone that sounds is let go.
func testTonesOff(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	p.speak(0, toned(t, codec.PCMU, "1")[:8], nil)
	require.Equal(t, dtmf.Down, want(t, s, media.Pressed).Report.Kind)
	s.TonesOff()
	require.Equal(t, dtmf.Up, want(t, s, media.Pressed).Report.Kind)
	s.TonesOff()
	p.speak(0, toned(t, codec.PCMU, "12"), nil)
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 8+25 }, patience, time.Millisecond)
	require.Empty(t, s.Events())
	st := p.stream()
	st.Inband = media.InbandAlways
	s.Set(st)
	s.TonesOff() // always is always
	p.speak(0, toned(t, codec.PCMU, "4"), nil)
	wantTones(t, s, "4")
	s.Close()
	s.TonesOff()
}

// testTonesRenegotiated: another law in the middle of a press makes no second one, and
// neither does another sender (RFC 3550 section 8).
func testTonesRenegotiated(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	ulaw, alaw := toned(t, codec.PCMU, "55"), toned(t, codec.PCMA, "55")
	p.speak(0, ulaw[:7], nil)
	require.Equal(t, dtmf.Down, want(t, s, media.Pressed).Report.Kind)
	st := p.stream()
	st.Codec, st.PT = codec.PCMA, 8
	s.Set(st)
	p.speak(8, alaw[7:8], nil)
	p.header.SSRC, p.header.SequenceNumber, p.header.Timestamp = 99, 30000, 5
	p.speak(8, alaw[8:], nil)
	require.Equal(t, dtmf.Up, want(t, s, media.Pressed).Report.Kind)
	wantTones(t, s, "5")

	// What was on its way in the codec before is heard as well.
	st.Codec, st.PT = codec.G722, 9
	s.Set(st)
	p.speak(8, toned(t, codec.PCMA, "8")[5:], nil)
	p.speak(9, toned(t, codec.G722, "3"), nil)
	wantTones(t, s, "83")
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 25+10+15 }, patience, time.Millisecond)
	require.Zero(t, s.Stats().Dropped)
	if w.exact {
		time.Sleep(2 * time.Second)
		p.speak(8, toned(t, codec.PCMA, "7"), nil)
		time.Sleep(time.Millisecond)
		require.Empty(t, s.Events(), "it has had its time")
		require.Equal(t, uint64(15), s.Stats().Dropped)
	}
}

// testTonesAmongOthers: what is no audio is not missing from it, what comes late is not
// heard, and what the sender left out is silence.
func testTonesAmongOthers(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	frames := toned(t, codec.PCMU, "66")
	for i, payload := range frames {
		p.send(p.rtp, 13, false, []byte{60})
		switch i {
		case 10, 11, 12, 13, 14: // the pause: comfort noise alone
		case 15:
			p.send(p.rtp, 0, true, payload)
		default:
			p.send(p.rtp, 0, false, payload)
			p.header.SequenceNumber -= 2 // once more, and late
			p.send(p.rtp, 0, false, payload)
			p.header.SequenceNumber++
		}
		p.header.Timestamp += 160
	}
	wantTones(t, s, "66")
	require.Zero(t, s.Stats().Tones.Lost)
}

// testToneEcho: our own voice comes back from the telephone, and keys within it count.
func testToneEcho(t *testing.T, w world) {
	for id, pt := range types {
		s, p := w.inCodec(t, id)
		echo := voice(t)
		all := encoded(t, id, echo)
		for at := 0; at < len(all); at += 50 { // no more at once than a socket takes
			p.speak(pt, all[at:at+50], nil)
			require.Eventually(t, func() bool { return s.Stats().PacketsIn == uint64(at+50) }, patience, time.Millisecond)
		}
		require.Empty(t, s.Events(), "a prompt is no key")
		for n := range 8 {
			keys := tonetest.Keys[2*n : 2*n+2]
			p.speak(pt, toned(t, id, keys, func(take *tonetest.Take) {
				take.Echo(rand.New(rand.NewPCG(uint64(n), 9)), echo, 12)
			}), nil)
			wantTones(t, s, keys)
		}
	}
}

// voice is ten seconds of our own voice at 8000 Hz.
func voice(t testing.TB) (pcm []int16) {
	t.Helper()
	files, err := fs.Glob(prompts.FS, "en-US/*.wav")
	require.NoError(t, err)
	for _, name := range files {
		data, err := fs.ReadFile(prompts.FS, name)
		require.NoError(t, err)
		rate, wide, err := prompt.ReadWAV(data, nil)
		require.NoError(t, err)
		if pcm = append(pcm, prompt.Narrow(wide, rate)...); len(pcm) > 80000 {
			break
		}
	}
	return pcm[:80000]
}
