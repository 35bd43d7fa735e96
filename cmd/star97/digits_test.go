package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/dtmf/tonetest"
	"star97/internal/prompt"
)

const millisecond = time.Millisecond

func digitsOf(t *testing.T, args ...string) string {
	t.Helper()
	cmd := digitsCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	require.NoError(t, cmd.Execute())
	return out.String()
}

func keyLines(t *testing.T, out string) (lines []keyLine) {
	t.Helper()
	for line := range strings.Lines(out) {
		var k keyLine
		require.NoError(t, json.Unmarshal([]byte(line), &k))
		lines = append(lines, k)
	}
	return lines
}

func pressed(lines []keyLine) (keys, sources string) {
	for _, k := range lines {
		keys += k.Key
		sources += k.Source[:1]
	}
	return keys, sources
}

// toneCall presses keys for 100 ms each, 100 ms apart, from 100 ms on.
func toneCall(keys string) []int16 {
	take, r := new(tonetest.Take), rand.New(rand.NewPCG(5, 5))
	take.Pause(100 * millisecond)
	for i := range keys {
		take.Press(r, tonetest.Press{Key: keys[i], On: 100 * millisecond, Off: 100 * millisecond, Level: -12})
	}
	return take.PCM()
}

func TestDigitsOfAWAV(t *testing.T) {
	file := filepath.Join(t.TempDir(), "call.wav")
	pcm := toneCall("48#")
	take, r := new(tonetest.Take), rand.New(rand.NewPCG(6, 6))
	take.Press(r, tonetest.Press{Key: '9', On: 60 * millisecond, Off: 100 * millisecond, Level: -12, High: 0.03})
	take.Press(r, tonetest.Press{Key: '9', On: 22 * millisecond, Level: -12})
	require.NoError(t, os.WriteFile(file, prompt.WriteWAV(8000, append(pcm, take.PCM()...)), 0o600))

	lines := keyLines(t, digitsOf(t, "--json", "--show", file))
	keys, sources := pressed(lines)
	require.Equal(t, "48#", keys)
	require.Equal(t, "ttt", sources)
	for i, k := range lines {
		require.Equal(t, file, k.File)
		require.InDelta(t, 100+200*i, k.Start, 5)
		require.InDelta(t, 200+200*i, k.End, 7)
		require.InDelta(t, k.Start+40, k.Emit, 12)
	}
	hidden := digitsOf(t, file)
	require.Contains(t, hidden, "3 keys counted, 2 not")
	require.Contains(t, hidden, "out of tune")
	require.Contains(t, hidden, "less than 25 ms")
	require.NotRegexp(t, `\s[0-9#*A-D]\s+tone`, hidden)
	masked, _ := pressed(keyLines(t, digitsOf(t, "--json", file)))
	require.Equal(t, "keykeykey", masked)
}

// trace writes a capture as a sniffer on the wire would.
type trace struct {
	bytes.Buffer
	w     *pcapgo.Writer
	start time.Time
}

func newTrace(t *testing.T) *trace {
	tr := &trace{start: time.Unix(1700000000, 0)}
	tr.w = pcapgo.NewWriter(&tr.Buffer)
	require.NoError(t, tr.w.WriteFileHeader(65535, layers.LinkTypeEthernet))
	return tr
}

// file is the name of a file that holds the trace.
func (tr *trace) file(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "call.pcap")
	require.NoError(t, os.WriteFile(name, tr.Bytes(), 0o600))
	return name
}

func (tr *trace) udp(t *testing.T, at time.Duration, from, to string, body []byte) {
	t.Helper()
	src, err := net.ResolveUDPAddr("udp", from)
	require.NoError(t, err)
	dst, err := net.ResolveUDPAddr("udp", to)
	require.NoError(t, err)
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.IP, DstIP: dst.IP}
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port), DstPort: layers.UDPPort(dst.Port)}
	require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
	tr.frame(t, at, layers.EthernetTypeIPv4, ip, udp, gopacket.Payload(body))
}

func (tr *trace) frame(t *testing.T, at time.Duration, kind layers.EthernetType, inside ...gopacket.SerializableLayer) {
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: kind}
	data := serialized(t, append([]gopacket.SerializableLayer{eth}, inside...)...)
	require.NoError(t, tr.w.WritePacket(gopacket.CaptureInfo{Timestamp: tr.start.Add(at), CaptureLength: len(data), Length: len(data)}, data))
}

func serialized(t *testing.T, all ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...))
	return buf.Bytes()
}

func (tr *trace) rtp(t *testing.T, at time.Duration, from string, p rtp.Packet) {
	p.Version = 2
	data, err := p.Marshal()
	require.NoError(t, err)
	tr.udp(t, at, from, "192.0.2.9:40000", data)
}

const answer = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 97\r\na=rtpmap:97 telephone-event/8000\r\n"

func (tr *trace) sip(t *testing.T, at time.Duration, from, to, line, contentType, body string) {
	tr.udp(t, at, from, to, fmt.Appendf(nil, "%s\r\nCall-ID: x\r\nCSeq: %d INFO\r\nContent-Type: %s\r\n\r\n%s", line, at/(50*time.Millisecond), contentType, body))
}

// audio sends samples as PCMA from 0 on, but for the packets that are lost.
func (tr *trace) audio(t *testing.T, from string, pcm []int16, lost ...int) {
	format, _ := codec.ByID(codec.PCMA)
	for i := 0; (i+1)*160 <= len(pcm); i++ {
		gone := false
		for _, l := range lost {
			gone = gone || l == i
		}
		if gone {
			continue
		}
		payload := make([]byte, 160)
		format.Encode(payload, pcm[i*160:(i+1)*160])
		tr.rtp(t, time.Duration(i+1)*20*millisecond, from, rtp.Packet{Header: rtp.Header{PayloadType: 8, SSRC: 7,
			SequenceNumber: uint16(65530 + i), Timestamp: uint32(160 * i)}, Payload: payload})
	}
}

// A gateway may send no whole milliseconds at once.
func TestDigitsOfACaptureInOddPackets(t *testing.T) {
	tr := newTrace(t)
	format, _ := codec.ByID(codec.PCMA)
	at := 0
	for pcm := range slices.Chunk(toneCall("159D"), 44) {
		payload := make([]byte, len(pcm))
		format.Encode(payload, pcm)
		tr.rtp(t, time.Duration(at+len(pcm))*time.Second/8000, "192.0.2.1:4000", rtp.Packet{Header: rtp.Header{PayloadType: 8, SSRC: 7,
			SequenceNumber: uint16(at / 44), Timestamp: uint32(at)}, Payload: payload})
		at += len(pcm)
	}
	keys, sources := pressed(keyLines(t, digitsOf(t, "--json", "--show", tr.file(t))))
	require.Equal(t, "159D", keys)
	require.Equal(t, "tttt", sources)
}

// G.722 is decoded across packets, and 9 is its payload type without a word of SDP.
func TestDigitsOfACaptureInG722(t *testing.T) {
	tr := newTrace(t)
	format, _ := codec.ByID(codec.G722)
	encoder := format.NewEncoder()
	i := 0
	for _, c := range "52" {
		key, _ := dtmf.DigitOf(byte(c))
		sound := dtmf.NewToneSound(key, 10, format.SampleRate)
		for n := range 12 {
			pcm, payload := make([]int16, 320), make([]byte, 160)
			if n < 5 {
				sound.Fill(pcm)
			}
			encoder.Encode(payload, pcm)
			tr.rtp(t, time.Duration(i+1)*20*millisecond, "192.0.2.1:4000", rtp.Packet{Header: rtp.Header{PayloadType: 9, SSRC: 7,
				SequenceNumber: uint16(i), Timestamp: uint32(160 * i)}, Payload: payload})
			i++
		}
	}
	keys, sources := pressed(keyLines(t, digitsOf(t, "--json", "--show", tr.file(t))))
	require.Equal(t, "52", keys)
	require.Equal(t, "tt", sources)
}

func TestDigitsOfACapture(t *testing.T) {
	tr := newTrace(t)
	tr.sip(t, 0, "192.0.2.9:5060", "192.0.2.1:5060", "SIP/2.0 200 OK", "application/sdp", answer)
	// One telephone by tones, of whose second press a packet is lost.
	tr.audio(t, "192.0.2.1:4000", append(toneCall("17"), make([]int16, 4000)...), 17)
	// Another by events, the payload type by SDP; its audio leaks the tone as well.
	d, _ := dtmf.DigitOf('5')
	seq := uint16(0)
	for i := range 10 {
		at := 2*time.Second + time.Duration(i)*20*millisecond
		tr.rtp(t, at, "192.0.2.2:4000", rtp.Packet{Header: rtp.Header{PayloadType: 8, SSRC: 9, SequenceNumber: seq, Timestamp: uint32(i * 160)}, Payload: bytes.Repeat([]byte{0xD5}, 160)})
		seq++
	}
	for _, piece := range dtmf.Encode(nil, dtmf.Press{Digit: d, Length: 100 * millisecond, Volume: 10}, 8000, 20*millisecond) {
		tr.rtp(t, 2200*millisecond+piece.After, "192.0.2.2:4000", rtp.Packet{Header: rtp.Header{PayloadType: 97, SSRC: 9, SequenceNumber: seq,
			Timestamp: 1600 + piece.Offset, Marker: piece.Marker}, Payload: piece.Payload[:]})
		seq++
	}
	// It tells of the press by INFO too, twice; and a third telephone has INFO only.
	for _, at := range []time.Duration{2350, 2351} {
		tr.sip(t, at*millisecond, "192.0.2.2:5060", "192.0.2.9:5060", "INFO sip:x SIP/2.0", "application/dtmf-relay", "Signal=5\r\nDuration=100\r\n")
	}
	tr.sip(t, 3*time.Second, "192.0.2.3:5060", "192.0.2.9:5060", "INFO sip:x SIP/2.0", "application/dtmf", "*")
	// What is no RTP must not become keys.
	for i := range 20 {
		tr.udp(t, 4*time.Second, "192.0.2.4:53", "192.0.2.9:53", bytes.Repeat([]byte{byte(0x80 + i)}, 30))
	}
	file := tr.file(t)
	lines := keyLines(t, digitsOf(t, "--json", "--show", file))
	keys, sources := pressed(lines)
	require.Equal(t, "175*", keys)
	require.Equal(t, "ttei", sources)
	require.InDelta(t, 2200, lines[2].Start, 25)
	require.InDelta(t, 2300, lines[2].End, 25)
	text := digitsOf(t, file)
	require.Contains(t, text, "the same press by another way")
	require.Contains(t, text, "2 RTP streams, 2 keys by SIP INFO")
	require.Contains(t, text, "192.0.2.3:5060")
}

func TestDigitsRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ data, want string }{
		"text.txt":  {"hello", "neither a WAV file nor a capture"},
		"empty":     {"", "neither a WAV file nor a capture"},
		"fast.wav":  {string(prompt.WriteWAV(48000, make([]int16, 100))), "not 8000 or 16000"},
		"short.wav": {"RIFF", "not a WAV file"},
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(c.data), 0o600))
		_, err := readKeys(file, true)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := readKeys(filepath.Join(dir, "none"), true)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzCapture claims that whatever a capture holds, times do not fall, no key is shown
// unasked, and reading it twice tells the same.
func FuzzCapture(f *testing.F) {
	f.Add([]byte(answer), uint16(0))
	f.Add([]byte("INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf\r\n\r\n5"), uint16(1))
	f.Add(bytes.Repeat([]byte{0x80, 101, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 5, 10, 0, 160}, 4), uint16(16))
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		tr := newTrace(t)
		body = body[:min(len(body), 1<<12)]
		for i, n := 0, max(1, int(cut)); i < len(body); i += n {
			tr.udp(t, time.Duration(i)*millisecond, "192.0.2.1:4000", "192.0.2.9:40000", body[i:min(i+n, len(body))])
		}
		read := func(show bool) (*keysHeard, string) {
			h := &keysHeard{show: show}
			require.NoError(t, h.read(tr.Bytes()))
			var b bytes.Buffer
			require.NoError(t, h.write(&b, "x"))
			return h, b.String()
		}
		h, first := read(false)
		_, second := read(false)
		require.Equal(t, first, second)
		var last time.Duration
		for _, k := range h.told {
			require.GreaterOrEqual(t, k.emit, last)
			require.GreaterOrEqual(t, k.start, time.Duration(0))
			last = k.emit
			require.Contains(t, []string{"", "key"}, k.key)
			require.GreaterOrEqual(t, k.end, k.start)
			require.GreaterOrEqual(t, k.emit, k.start)
		}
	})
}

// A press of which only the redundancy of the next one tells (RFC 2198), types by SDP.
func TestDigitsOfACaptureInRedundancy(t *testing.T) {
	tr := newTrace(t)
	tr.sip(t, 0, "192.0.2.9:5060", "192.0.2.1:5060", "SIP/2.0 200 OK", "application/sdp", strings.Replace(answer, "8 97", "8 121 97", 1)+"a=rtpmap:121 red/8000\r\na=fmtp:121 97/97\r\n")
	earlier := []byte{1<<7 | 97, 1600 >> 6, 1600 & 63 << 2, 4, 97, 4, 0x8A, 3, 32} // 4, ended after 100 ms, 200 ms before
	for n, piece := range dtmf.Encode(nil, dtmf.Press{Digit: 5, Length: 100 * millisecond, Volume: 10}, 8000, 20*millisecond) {
		tr.rtp(t, time.Second+piece.After, "192.0.2.2:4000", rtp.Packet{Header: rtp.Header{PayloadType: 121, SSRC: 9, SequenceNumber: uint16(n),
			Timestamp: 8000 + piece.Offset, Marker: piece.Marker}, Payload: append(slices.Clone(earlier), piece.Payload[:]...)})
	}
	keys, sources := pressed(keyLines(t, digitsOf(t, "--json", "--show", tr.file(t))))
	require.Equal(t, "45", keys)
	require.Equal(t, "ee", sources)
}

// Several types of RFC 2198 never hold one another, however often that is looked up.
func TestEventsAreWhatRedundancyHolds(t *testing.T) {
	for range 100 {
		known := map[uint8]payload{97: {event: true, rate: 8000}, 98: {event: true, rate: 16000}, 99: {event: true, rate: 8000},
			96: {packed: true, rate: 8000}, 121: {packed: true, rate: 8000}, 122: {packed: true, rate: 16000}, 123: {packed: true, rate: 48000}}
		redundant(known)
		inside := [4]uint8{known[96].inside, known[121].inside, known[122].inside, known[123].inside}
		require.Equal(t, [4]uint8{97, 97, 98, 0}, inside)
		require.False(t, known[123].event)
	}
}

// keyed is a capture of two keys, one by INFO and one by events.
func keyed(t *testing.T) *trace {
	tr := newTrace(t)
	tr.sip(t, 0, "192.0.2.3:5060", "192.0.2.9:5060", "INFO sip:x SIP/2.0", "application/dtmf", "*")
	for n, piece := range dtmf.Encode(nil, dtmf.Press{Digit: 6, Length: 100 * millisecond, Volume: 10}, 8000, 20*millisecond) {
		tr.rtp(t, time.Second+piece.After, "192.0.2.2:4000", rtp.Packet{Header: rtp.Header{PayloadType: 101, SSRC: 9, SequenceNumber: uint16(n),
			Timestamp: piece.Offset, Marker: piece.Marker}, Payload: piece.Payload[:]})
	}
	return tr
}

// A capture that was damaged on its way tells what came before, and that it is damaged.
func TestDigitsOfADamagedCapture(t *testing.T) {
	tr := keyed(t)
	tr.Write(bytes.Repeat([]byte{0xFF}, 40))
	file := tr.file(t)
	for _, flag := range []string{"--json=false", "--json"} {
		cmd := digitsCommand()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetArgs([]string{flag, file})
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		require.ErrorContains(t, cmd.Execute(), "cannot be read beyond 1.140 s")
		require.Len(t, regexp.MustCompile(`\bkey\b`).FindAllString(out.String(), -1), 2, out.String())
	}
}

// FuzzCaptureFile claims that whatever a file holds, reading it twice tells the same, and
// that what stands behind two keys in a capture takes neither away nor alters it.
func FuzzCaptureFile(f *testing.F) {
	f.Add(prompt.WriteWAV(8000, toneCall("5")))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff"))
	f.Add([]byte{0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F})
	f.Add([]byte{0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 28, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(file []byte) (h *keysHeard, told string) {
			h = &keysHeard{show: true}
			var b bytes.Buffer
			err := h.read(file)
			require.NoError(t, h.write(&b, "x"))
			return h, fmt.Sprintf("%v %s", err, b.String())
		}
		_, first := read(data)
		_, second := read(data)
		require.Equal(t, first, second)
		good := keyed(t).Bytes()
		before, _ := read(good)
		after, _ := read(append(good, data...))
		require.Len(t, before.told, 2)
		require.GreaterOrEqual(t, len(after.told), 2)
		require.Equal(t, before.told, after.told[:2])
	})
}
