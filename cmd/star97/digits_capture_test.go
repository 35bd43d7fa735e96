package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
)

// desk is a telephone or a PBX in a capture.
type desk struct {
	rtp, to string // addresses of its RTP
	ssrc    uint32
	pt      uint8
	seq     uint16
	spoil   func(payload []byte) []byte
}

// press sends a key of 100 ms by events.
func (d *desk) press(t *testing.T, tr *trace, at time.Duration, key dtmf.Digit) {
	for n, piece := range dtmf.Encode(nil, dtmf.Press{Digit: key, Length: 100 * millisecond, Volume: 10}, 8000, 20*millisecond) {
		payload := piece.Payload[:]
		if d.spoil != nil {
			payload = d.spoil(payload)
		}
		tr.rtpTo(t, at+piece.After, d.rtp, d.to, rtp.Packet{Header: rtp.Header{PayloadType: d.pt, SSRC: d.ssrc + uint32(n/4)*d.ssrc/1000,
			SequenceNumber: d.seq, Timestamp: uint32(at/millisecond)*8 + piece.Offset, Marker: piece.Marker}, Payload: payload})
		d.seq++
	}
}

func (tr *trace) rtpTo(t *testing.T, at time.Duration, from, to string, p rtp.Packet) {
	t.Helper()
	p.Version = 2
	data, err := p.Marshal()
	require.NoError(t, err)
	tr.udp(t, at, from, to, data)
}

// dialog sends a message of a call, of which sender and other are the tags.
func (tr *trace) dialog(t *testing.T, at time.Duration, from, to, line, call, sender, other, contentType, body string) {
	fromTag, toTag := sender, other
	if strings.HasPrefix(line, "SIP/2.0") {
		fromTag, toTag = other, sender
	}
	tr.udp(t, at, from, to, fmt.Appendf(nil, "%s\r\nFrom: \"x\" <sip:x@pbx;tag=no>;tag=%s\r\nTo: sip:97@pbx;tag=%s\r\nCall-ID: %s\r\nCSeq: %d INFO\r\nContent-Type: %s\r\n\r\n%s",
		line, fromTag, toTag, call, at/millisecond, contentType, body))
}

func offer(host string, port int, profile string) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s 8 97\r\na=rtpmap:97 telephone-event/8000\r\n", host, host, port, profile)
}

func (tr *trace) heard(t *testing.T) (keys, sources, text string) {
	t.Helper()
	file := tr.file(t)
	keys, sources = pressed(keyLines(t, digitsOf(t, "--json", "--show", file)))
	return keys, sources, digitsOf(t, file)
}

// What is encrypted is no key, whatever its bytes look like.
func TestDigitsOfAnEncryptedCall(t *testing.T) {
	scrambled := func(size int) func([]byte) []byte {
		state := uint32(97)
		return func([]byte) []byte {
			out := make([]byte, size)
			for i := range out {
				state = state*1664525 + 1013904223
				out[i] = byte(state >> 24)
			}
			return out
		}
	}
	for name, c := range map[string]struct {
		profile string
		pt      uint8
		size    int
		note    string
	}{
		"by SDP, tag of 80 bits": {"RTP/SAVP", 97, 14, "SRTP, says their SDP"},
		"by SDP, tag of 32 bits": {"UDP/TLS/RTP/SAVPF", 97, 8, "SRTP, says their SDP"},
		"no SDP, 80 bits":        {"", 101, 14, "are none"},
		"no SDP, 32 bits":        {"", 101, 8, "are none"},
		"no SDP, GCM":            {"", 101, 20, "are none"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrace(t)
			if c.profile != "" {
				tr.dialog(t, 0, "192.0.2.1:5060", "192.0.2.9:5060", "INVITE sip:97@x SIP/2.0", "a", "1", "", "application/sdp", offer("192.0.2.1", 4000, c.profile))
				tr.dialog(t, 1, "192.0.2.9:5060", "192.0.2.1:5060", "SIP/2.0 200 OK", "a", "2", "1", "application/sdp", offer("192.0.2.9", 40000, c.profile))
			}
			d := desk{rtp: "192.0.2.1:4000", to: "192.0.2.9:40000", ssrc: 7, pt: c.pt, spoil: scrambled(c.size)}
			for i := range 10 {
				d.press(t, tr, time.Duration(i)*300*millisecond, 5)
			}
			keys, _, text := tr.heard(t)
			require.Empty(t, keys)
			require.Contains(t, text, c.note)
			require.Contains(t, text, "0 keys counted, 0 not")
		})
	}
}

// As in a call of the service, another SSRC from the same place goes on with the press.
func TestDigitsOfAPressWhoseSSRCChanges(t *testing.T) {
	tr := newTrace(t)
	d := desk{rtp: "192.0.2.1:4000", to: "192.0.2.9:40000", ssrc: 7000, pt: 101}
	d.press(t, tr, 0, 5)
	d.press(t, tr, 300*millisecond, 6)
	keys, _, text := tr.heard(t)
	require.Equal(t, "56", keys)
	require.Contains(t, text, "2 keys counted, 0 not")
}

// An INFO belongs to the call that its Call-ID names, on whatever way it came and whoever
// else sends from the same host.
func TestDigitsOfAnINFOBelongToItsCall(t *testing.T) {
	info := func(tr *trace, at time.Duration, from string) {
		tr.dialog(t, at, from, "192.0.2.9:5060", "INFO sip:x SIP/2.0", "a", "1", "2", "application/dtmf", "5")
	}
	for name, c := range map[string]struct {
		media string // of call a, by its SDP
		via   string // the sender of the INFO
		mute  bool   // no answer is in the capture
	}{
		"from the PBX":       {"192.0.2.2", "192.0.2.2:5060", false},
		"by a proxy":         {"192.0.2.2", "192.0.2.77:5060", false},
		"from behind NAT":    {"10.0.0.2", "192.0.2.2:5060", false},
		"NAT and by a proxy": {"10.0.0.2", "192.0.2.77:5060", false},
		"by a proxy that sends RTP, without an answer": {"192.0.2.2", "192.0.2.77:5060", true},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrace(t)
			for i, call := range []struct{ id, media string }{{"a", c.media}, {"b", "192.0.2.2"}} {
				tr.dialog(t, time.Duration(2*i), "192.0.2.2:5060", "192.0.2.9:5060", "INVITE sip:97@x SIP/2.0", call.id, "1", "", "application/sdp", offer(call.media, 4000+2*i, "RTP/AVP"))
				if !c.mute {
					tr.dialog(t, time.Duration(2*i+1), "192.0.2.9:5060", "192.0.2.2:5060", "SIP/2.0 200 OK", call.id, "2", "1", "application/sdp", offer("192.0.2.9", 40000+2*i, "RTP/AVP"))
				}
			}
			one := desk{rtp: "192.0.2.2:4000", to: "192.0.2.9:40000", ssrc: 7, pt: 97}
			two := desk{rtp: "192.0.2.2:4002", to: "192.0.2.9:40002", ssrc: 8, pt: 97}
			third := desk{rtp: "192.0.2.77:4000", to: "192.0.2.9:40004", ssrc: 9, pt: 101}
			third.press(t, tr, 500*millisecond, 1)
			one.press(t, tr, time.Second, 5)
			two.press(t, tr, 1200*millisecond, 6)
			info(tr, 1400*millisecond, c.via)     // the key of call a, whose RTP came before that of b
			two.press(t, tr, 1600*millisecond, 5) // b's own
			keys, sources, text := tr.heard(t)
			require.Equal(t, "1565", keys)
			require.Equal(t, "eeee", sources)
			require.Regexp(t, `info +not counted: the same press by another way +192\.0\.2\.2:4000`, text)
		})
	}
}

// Before any RTP of its call an INFO is no key of another call of the same PBX.
func TestDigitsOfAnINFOBeforeItsRTP(t *testing.T) {
	tr := newTrace(t)
	for i, id := range []string{"a", "b"} {
		tr.dialog(t, time.Duration(i), "192.0.2.2:5060", "192.0.2.9:5060", "INVITE sip:97@x SIP/2.0", id, "1", "", "application/sdp", offer("192.0.2.2", 4000+2*i, "RTP/AVP"))
	}
	b := desk{rtp: "192.0.2.2:4002", to: "192.0.2.9:40002", ssrc: 8, pt: 97}
	b.press(t, tr, time.Second, 6)
	tr.dialog(t, 1500*millisecond, "192.0.2.2:5060", "192.0.2.9:5060", "INFO sip:x SIP/2.0", "a", "1", "2", "application/dtmf", "5")
	b.press(t, tr, 1600*millisecond, 5)
	a := desk{rtp: "192.0.2.2:4000", to: "192.0.2.9:40000", ssrc: 7, pt: 97}
	a.press(t, tr, 1620*millisecond, 5)
	keys, sources, text := tr.heard(t)
	require.Equal(t, "655", keys)
	require.Equal(t, "eie", sources)
	require.Regexp(t, `event +not counted: the same press by another way +192\.0\.2\.2:4000`, text)
}

// Where a side asks for something else, tones count again until another way is shown.
func TestDigitsAfterARenegotiation(t *testing.T) {
	for name, again := range map[string]struct{ sdp, want string }{
		"the same again":  {offer("192.0.2.1", 4000, "RTP/AVP"), "5"},
		"without events":  {strings.Replace(offer("192.0.2.1", 4000, "RTP/AVP"), "8 97", "8", 1), "51"},
		"from other port": {offer("192.0.2.1", 4002, "RTP/AVP"), "51"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrace(t)
			invite := func(at time.Duration, body string) {
				tr.dialog(t, at, "192.0.2.1:5060", "192.0.2.9:5060", "INVITE sip:97@x SIP/2.0", "a", "1", "", "application/sdp", body)
			}
			tr.dialog(t, 0, "192.0.2.9:5060", "192.0.2.1:5060", "SIP/2.0 200 OK", "a", "2", "1", "application/sdp", answer)
			d := desk{rtp: "192.0.2.1:4000", to: "192.0.2.9:40000", ssrc: 9, pt: 97}
			invite(0, offer("192.0.2.1", 4000, "RTP/AVP"))
			d.press(t, tr, 0, 5)
			invite(time.Second, again.sdp)
			tr.start = tr.start.Add(2 * time.Second)
			tr.audio(t, "192.0.2.1:4000", append(toneCall("1"), make([]int16, 4000)...))
			keys, _, _ := tr.heard(t)
			require.Equal(t, again.want, keys)
		})
	}
}

// Whatever is not heard of a capture is said.
func TestDigitsSaysWhatItDidNotUnderstand(t *testing.T) {
	t.Run("NAT, and the type of events by SDP alone", func(t *testing.T) {
		tr := newTrace(t)
		tr.dialog(t, 0, "198.51.100.9:5060", "198.51.100.1:5060", "SIP/2.0 200 OK", "a", "2", "1", "application/sdp", offer("10.0.0.9", 40000, "RTP/AVP"))
		d := desk{rtp: "198.51.100.1:4000", to: "198.51.100.9:40000", ssrc: 7, pt: 97}
		d.press(t, tr, 0, 5)
		keys, _, _ := tr.heard(t)
		require.Equal(t, "5", keys)
	})
	t.Run("no SDP at all", func(t *testing.T) {
		tr := newTrace(t)
		d := desk{rtp: "192.0.2.1:4000", to: "192.0.2.9:40000", ssrc: 7, pt: 97}
		d.press(t, tr, 0, 5)
		keys, _, text := tr.heard(t)
		require.Empty(t, keys)
		require.Contains(t, text, "8 packets of payload type 97 not understood")
	})
	t.Run("a codec that is not heard", func(t *testing.T) {
		tr := newTrace(t)
		tr.sip(t, 0, "192.0.2.9:5060", "192.0.2.1:5060", "SIP/2.0 200 OK", "application/sdp", strings.Replace(answer, "8 97", "18 97", 1)+"a=rtpmap:18 G729/8000\r\n")
		for i := range 9 {
			tr.rtp(t, time.Duration(i)*20*millisecond, "192.0.2.1:4000", rtp.Packet{Header: rtp.Header{PayloadType: 18, SSRC: 7, SequenceNumber: uint16(i)}, Payload: make([]byte, 20)})
		}
		_, _, text := tr.heard(t)
		require.Contains(t, text, "9 packets of payload type 18 not heard: G729 is neither")
	})
	t.Run("frames of another link", func(t *testing.T) {
		tr := keyed(t)
		data := tr.Bytes()
		binary.LittleEndian.PutUint32(data[20:], 200)
		h := new(keysHeard)
		require.NoError(t, h.read(data))
		require.Empty(t, h.told)
		require.Contains(t, strings.Join(h.note, "\n"), "9 frames not understood, of link type 200")
	})
	t.Run("packets cut by the snap length", func(t *testing.T) {
		tr := keyed(t)
		short := &trace{start: tr.start}
		short.w = pcapgo.NewWriter(&short.Buffer)
		require.NoError(t, short.w.WriteFileHeader(54, layers.LinkTypeEthernet))
		eachFrame(t, tr, func(frame []byte, info gopacket.CaptureInfo) {
			info.CaptureLength = min(54, info.Length)
			require.NoError(t, short.w.WritePacket(info, frame[:info.CaptureLength]))
		})
		_, _, text := short.heard(t)
		require.Contains(t, text, "9 packets were cut short")
	})
	t.Run("a file cut off within a packet", func(t *testing.T) {
		for _, less := range []int{1, 20, 60, 70} { // the last packet has 60 bytes behind a header of 16
			tr := keyed(t)
			h := &keysHeard{}
			require.ErrorContains(t, h.read(tr.Bytes()[:tr.Len()-less]), "cut off behind 1.1", "%d bytes less", less)
			require.Len(t, h.told, 2)
		}
	})
	t.Run("one bad file of three", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad")
		require.NoError(t, os.WriteFile(bad, []byte("x"), 0o600))
		cmd := digitsCommand()
		var out, notes bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&notes)
		cmd.SetArgs([]string{"--json", keyed(t).file(t), bad, keyed(t).file(t)})
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		require.ErrorContains(t, cmd.Execute(), bad+": the file is neither")
		require.Len(t, keyLines(t, out.String()), 4)
		require.Equal(t, 2, strings.Count(notes.String(), "1 RTP streams, 1 keys by SIP INFO"))
	})
}
