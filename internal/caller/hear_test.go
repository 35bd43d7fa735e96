package caller

import (
	"net"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
)

func TestBargeInShowsWhereASentenceWasCut(t *testing.T) {
	p, c, play, out := listening(t)
	go func() {
		audio, _ := masters().Audio(language, prompt.EnterCode, prompt.Words{})
		p.play(c.Media().LocalAddr(), audio.Payload(codec.PCMU)[:12000])
		p.say(c.Media().LocalAddr(), prompt.WrongCode)
	}()
	require.NoError(t, play.Run(within(t, 2*patience), lines(t, "hear wrong-code")))
	require.Contains(t, out.String(), "heard enter-code (cut at 1.5 s)")
}

func TestLostPacketsAreHeardAsSilence(t *testing.T) {
	p, c, play, _ := listening(t)
	go func() {
		audio, _ := masters().Audio(language, prompt.MainMenu, prompt.Words{})
		payload := audio.Payload(codec.PCMU)
		for i := 0; i+160 <= len(payload); i += 160 {
			if i/160%20 == 7 {
				p.seq, p.ts = p.seq+1, p.ts+160
				continue
			}
			p.sendRTP(c.Media().LocalAddr(), payload[i:i+160], i == 0)
			p.rest(i)
		}
		p.say(c.Media().LocalAddr(), prompt.Goodbye)
	}()
	require.NoError(t, play.Run(within(t, 2*patience), lines(t, "hear option-change-2 goodbye")))
	require.Positive(t, c.Media().Stats().Lost)
}

// A port that another telephone had a moment ago gets what is still said to that one.
func TestAStrangersAudioIsNotListenedTo(t *testing.T) {
	p, c, play, out := listening(t)
	stranger, err := net.Dial("udp", c.Media().LocalAddr().String())
	require.NoError(t, err)
	defer stranger.Close()
	go func() {
		sentence := func(id prompt.ID) []byte {
			audio, _ := masters().Audio(language, id, prompt.Words{})
			return audio.Payload(codec.PCMU)
		}
		theirs, ours := sentence(prompt.MainMenu), sentence(prompt.EnterCode)
		other := rtp.Header{Version: 2, SSRC: 8}
		for i := 0; i+160 <= len(ours); i += 160 {
			p.sendRTP(c.Media().LocalAddr(), ours[i:i+160], i == 0)
			other.SequenceNumber, other.Timestamp = uint16(i/160), uint32(i)
			raw, _ := (&rtp.Packet{Header: other, Payload: theirs[i%(len(theirs)-160):][:160]}).Marshal()
			_, _ = stranger.Write(raw)
			p.rest(i)
		}
		p.say(c.Media().LocalAddr(), prompt.Goodbye)
	}()
	require.NoError(t, play.Run(within(t, 2*patience), lines(t, "hear enter-code goodbye")))
	require.NotContains(t, out.String(), "no sentence of ours")
	require.Positive(t, c.Media().Stats().Strange)
	require.Equal(t, 2, c.Media().Stats().Sources)
}

// A sender that is late by whole frames, or was told to hold, leaves out time: what
// it says next is a talkspurt that goes on with the sentence.
func TestASentenceGoesOnWithTheNextTalkspurt(t *testing.T) {
	for name, pause := range map[string]uint32{"late by a frame": 160, "late by half a second": 4000, "held for a minute": 480000, "sooner than the last frame is over": ^uint32(119)} {
		t.Run(name, func(t *testing.T) {
			audio, _ := masters().Audio(language, prompt.Failed, prompt.Words{})
			payload := audio.Payload(codec.PCMU)
			e := newEars(knowing())
			f := frame{at: time.Now(), marker: true}
			for i := 0; i+160 <= len(payload); i += 160 {
				if i == 160*50 {
					f.timestamp += pause
					f.at = f.at.Add(3 * time.Second)
					f.marker = true
				}
				f.n = 160
				format, _ := codec.ByID(codec.PCMU)
				format.Decode(f.pcm[:], payload[i:i+160])
				e.take(&f)
				f.timestamp, f.marker, f.at = f.timestamp+160, false, f.at.Add(20*time.Millisecond)
			}
			heard, _ := e.since(0)
			require.Len(t, heard, 2)
			require.Equal(t, prompt.Failed, heard[1].ID)
			require.True(t, heard[1].Complete)
			require.WithinDuration(t, f.at, e.when(e.fed), 30*time.Millisecond, "what follows is dated by its own arrival")
		})
	}
}
