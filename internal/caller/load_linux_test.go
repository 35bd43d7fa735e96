package caller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/pin"
	"star97/internal/sdp"
)

func TestLoadInEveryMode(t *testing.T) {
	for name, road := range map[string]struct {
		o     LoadOptions
		skip  uint16
		check func(t *testing.T, r *LoadReport)
	}{
		"listen": {LoadOptions{Mode: Listen, Calls: 5}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, 5, r.Complete+r.Gapped, "a busy machine makes gaps")
			require.Greater(t, r.Packets, uint64(5*5))
			require.EqualValues(t, 5, r.FirstRTP.N)
			require.Zero(t, r.Keys)
		}},
		"a packet is lost in each call": {LoadOptions{Mode: Listen, Calls: 3}, 5, func(t *testing.T, r *LoadReport) {
			require.EqualValues(t, 3, r.Lost)
			require.Zero(t, r.Complete+r.Gapped)
		}},
		"silent callers": {LoadOptions{Mode: Listen, Calls: 2, Talk: Nothing}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, 2, r.Complete+r.Gapped)
		}},
		"keys": {LoadOptions{Mode: KeysMode, Calls: 4, Every: 500 * time.Millisecond, Settle: time.Millisecond, Duration: 3 * time.Second}, 0, func(t *testing.T, r *LoadReport) {
			require.GreaterOrEqual(t, r.Keys, uint64(4))
			require.Equal(t, r.Keys, r.Next.N+r.NoNext)
			require.Positive(t, r.Next.N)
			require.Positive(t, r.Stop.N)
		}},
		"keys by tones": {LoadOptions{Mode: KeysMode, Road: Inband, Calls: 2, Every: 500 * time.Millisecond, Duration: 2 * time.Second}, 0, func(t *testing.T, r *LoadReport) {
			require.GreaterOrEqual(t, r.Keys, uint64(2))
			require.Equal(t, r.Keys, r.NoNext, "this far end has no ear for tones")
		}},
		"a script": {LoadOptions{Mode: ScriptMode, Calls: 3, Rounds: 2, Duration: patience, Play: func(ctx context.Context, p *Player, u User) error {
			if err := p.Call.Press(ctx, "12"); err != nil {
				return err
			}
			if u.From == "1002" {
				return errors.New("it went wrong")
			}
			return p.Call.Hangup(ctx)
		}}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, map[string]int{completed: 4, "it went wrong": 2}, r.Scripts)
			require.EqualValues(t, 4, r.Script.N)
			require.Positive(t, r.Next.N)
			require.LessOrEqual(t, r.Next.N, uint64(6), "one for a press, of however many keys")
			require.Zero(t, r.Keys, "how many keys it pressed may be the length of a code")
			require.Equal(t, 6, r.Attempted)
		}},
		"rate": {LoadOptions{Mode: RateMode, Calls: 50, Rate: 20, Hold: time.Second}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, 20, r.Attempted)
			require.Equal(t, 20, r.Answered)
			require.EqualValues(t, 19, r.DialLate.N, "the first one went ahead")
			require.Positive(t, r.Achieved)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newChoir(t, road.skip)
			road.o.URI, road.o.PID = far.uri(), os.Getpid()
			var told []Progress // of Load's goroutine, until it returns
			road.o.Progress = func(p Progress) { told = append(told, p) }
			if road.o.Duration == 0 {
				road.o.Duration = time.Second
			}
			r, err := Load(within(t, 2*patience), road.o)
			require.NoError(t, err)
			require.Zero(t, r.Failed, "%v", r.Failures)
			require.Zero(t, r.NoRTP)
			require.Zero(t, r.BeforeAck)
			require.Zero(t, r.EndedEarly)
			require.Eventually(t, func() bool { return far.count(sip.BYE) == r.Answered }, patience, time.Millisecond)
			require.Positive(t, r.BeatLate.N)
			require.Positive(t, r.Usage.CallSeconds)
			require.NotEmpty(t, told)
			require.Contains(t, told[0].String(), "answered")
			require.Equal(t, r.Answered, r.Quality.Told+r.Quality.Untold)
			road.check(t, r)

			var out bytes.Buffer
			require.NoError(t, r.Table(&out))
			require.Contains(t, out.String(), "INVITE -> 200")
			raw, err := json.Marshal(r)
			require.NoError(t, err)
			require.Contains(t, string(raw), `"invite_to_200":{"n":`)
		})
	}
}

func TestLoadSignsInAndTellsNoCode(t *testing.T) {
	far := newChoir(t, 0)
	code, err := pin.Parse(secretCode)
	require.NoError(t, err)
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 1, Duration: 4 * time.Second, Settle: time.Millisecond,
		Users: []User{{From: "4001", Code: code}}})
	require.NoError(t, err)
	far.heardKeys(secretCode + "#")
	require.Equal(t, "4001", far.got(sip.INVITE, 1).From().Address.User)
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(raw), secretCode)
}

func TestLoadFindsRTPBeforeTheAck(t *testing.T) {
	far := newChoir(t, 0)
	answer := far.on[sip.INVITE]
	far.when(sip.INVITE, func(req *sip.Request) {
		agreed, err := sdp.Accept(req.Body(), req.Body(), sdp.Local{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Codecs: []codec.ID{codec.PCMU}})
		require.NoError(t, err)
		far.sendRTP(agreed.Remote, make([]byte, 160), true)
		answer(req)
	})
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 2, Duration: time.Second})
	require.NoError(t, err)
	require.Equal(t, 2, r.BeforeAck)
}

// The port of a call was another's before: the last packet of that one is none of this one's.
func TestLoadCountsPacketsOfTheFarEndAlone(t *testing.T) {
	far, stranger := newChoir(t, 0), newPeer(t, UDP, "127.0.0.1")
	answer := far.on[sip.INVITE]
	far.when(sip.INVITE, func(req *sip.Request) {
		agreed, err := sdp.Accept(req.Body(), req.Body(), sdp.Local{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Codecs: []codec.ID{codec.PCMU}})
		require.NoError(t, err)
		stranger.sendRTP(agreed.Remote, make([]byte, 160), true)
		answer(req)
	})
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 2, Duration: time.Second})
	require.NoError(t, err)
	require.Zero(t, r.BeforeAck)
	require.Equal(t, 2, r.Complete+r.Gapped, "%d lost, %d late, %d double", r.Lost, r.Late, r.Twice)
}

func TestLoadReportsWhatFails(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1")
	p.when(sip.INVITE, func(req *sip.Request) { p.reply(req, 503, "", "") })
	r, err := Load(within(t, 2*patience), LoadOptions{URI: p.uri(), Mode: Listen, Calls: 3, Duration: time.Second})
	require.NoError(t, err)
	require.Equal(t, 3, r.Failed)
	require.Zero(t, r.NoRTP, "a call that was refused is not a mute one")
	require.Equal(t, map[string]int{"503 Test": 3}, r.Failures)

	for _, o := range []LoadOptions{{Mode: Listen, Calls: 1}, {Mode: RateMode, Rate: 2, Hold: patience}} {
		far := newChoir(t, 0)
		answer, begin := far.on[sip.INVITE], far.on[sip.ACK]
		var invite *sip.Request // of the reading goroutine
		far.when(sip.INVITE, func(req *sip.Request) { invite = req; answer(req) })
		far.when(sip.ACK, func(req *sip.Request) { begin(req); far.ask(invite, "BYE", 2, "") })
		o.URI, o.Duration = far.uri(), time.Second
		r, err = Load(within(t, 2*patience), o)
		require.NoError(t, err)
		require.Positive(t, r.Answered)
		require.Equal(t, r.Answered, r.EndedEarly, "mode %s", o.Mode)
	}
	far := newChoir(t, 0)

	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, err = Load(ctx, LoadOptions{URI: far.uri(), Mode: Listen, Calls: 1})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Load(context.Background(), LoadOptions{URI: far.uri(), Mode: "all", Calls: 1})
	require.ErrorIs(t, err, ErrOptions)
	_, err = Load(context.Background(), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 5001})
	require.ErrorIs(t, err, ErrOptions)
}

func TestLoadIsInterrupted(t *testing.T) {
	for name, o := range map[string]LoadOptions{
		"listening": {Mode: Listen, Calls: 4, Duration: time.Hour},
		"a rate":    {Mode: RateMode, Calls: 100, Rate: 10, Hold: time.Minute, Duration: time.Hour},
		"a script": {Mode: ScriptMode, Calls: 3, Play: func(ctx context.Context, p *Player, _ User) error {
			<-ctx.Done()
			return ctx.Err()
		}},
		"while calls are set up": {Mode: Listen, Calls: 5000, Rate: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newChoir(t, 0)
			ctx, stop := context.WithCancel(within(t, 2*patience))
			o.URI = far.uri()
			o.Progress = func(p Progress) {
				if p.Answered >= 3 && p.Packets+uint64(len(far.rtpSoFar())) > 0 {
					stop()
				}
			}
			r, err := Load(ctx, o)
			require.NoError(t, err)
			require.True(t, r.Interrupted)
			require.GreaterOrEqual(t, r.Answered, 3)
			require.Zero(t, r.ByeFailed)
			require.Zero(t, r.Failed, "%v", r.Failures)
			require.Eventually(t, func() bool { return far.count(sip.BYE) == far.count(sip.INVITE) }, patience, time.Millisecond, "each call is hung up")
			require.Positive(t, r.Packets)
		})
	}
}

func TestLoadFindsNobodyWithOneCall(t *testing.T) {
	gone, err := net.Dial("udp", "127.0.0.1:9") // keeps the port, and is not there for others
	require.NoError(t, err)
	t.Cleanup(func() { _ = gone.Close() })
	for _, mode := range []LoadMode{Listen, RateMode, ScriptMode} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			o := LoadOptions{URI: "sip:*97@" + gone.LocalAddr().String(), Mode: mode, Calls: 1000, Rounds: 9, Answer: time.Second}
			if mode == ScriptMode {
				o.Play = func(context.Context, *Player, User) error { return nil }
			}
			_, err := Load(within(t, 2*patience), o)
			require.ErrorIs(t, err, ErrUnreachable)
			deaf := newPeer(t, UDP, "127.0.0.1")
			o.URI = deaf.uri()
			_, err = Load(within(t, 2*patience), o)
			require.ErrorIs(t, err, ErrNoAnswer)
			require.Equal(t, 1, deaf.count(sip.INVITE))
		})
	}
}

func TestLoadPressesByTones(t *testing.T) {
	far := newChoir(t, 0)
	code, err := pin.Parse(secretCode)
	require.NoError(t, err)
	_, err = Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Road: Inband, Calls: 1, Duration: time.Second, Settle: time.Millisecond,
		Users: []User{{From: "4001", Code: code}}})
	require.NoError(t, err)
	require.NotContains(t, string(far.got(sip.INVITE, 1).Body()), "telephone-event")
	format, _ := codec.ByID(codec.PCMU)
	var detector dtmf.ToneDetector
	var pcm [160]int16
	var heard []dtmf.Report
	for i, p := range far.rtpSoFar() {
		n := format.Decode(pcm[:], p.Payload)
		heard = detector.Decode(pcm[:n], time.Duration(i)*packTime, heard)
	}
	var keys string
	for _, r := range heard {
		if r.Kind == dtmf.Down {
			keys += string(r.Digit.Char())
		}
	}
	require.Equal(t, secretCode+"#", keys)
}

// The tone of a key begins where the key went down, within the packet of that moment,
// and lasts as long as the key was held.
func TestATonesFirstPacketBeginsWithWhatWasBefore(t *testing.T) {
	d, err := newDeck(LoadOptions{Road: Inband}.withDefaults())
	require.NoError(t, err)
	format, _ := codec.ByID(codec.PCMA)
	for _, before := range []time.Duration{0, 7 * time.Millisecond, 19 * time.Millisecond, 45 * time.Millisecond} { // from key-down to a beat
		s := &loadStream{deck: d, format: format}
		s.begin(5)
		var all []int16
		for beat := s.pressed.Add(before); s.samples > 0; beat = beat.Add(packTime) {
			var pcm [packSamples]int16
			all = append(all, pcm[:format.Decode(pcm[:], d.sound(s, beat))]...)
		}
		first := slices.IndexFunc(all, func(v int16) bool { return v > 500 })
		last := len(all) - 1
		for last > 0 && all[last] < 500 {
			last--
		}
		require.InDelta(t, max(0, packSamples-int(before/time.Millisecond)*samplesPerMs), first, 8, "%v", before)
		require.InDelta(t, toneSamples, last-first, 24, "%v", before)
	}
}

func TestReceivingInALoadRunAllocatesNothing(t *testing.T) {
	d, err := newDeck(LoadOptions{Mode: Listen}.withDefaults())
	require.NoError(t, err)
	s, err := openStream(d, netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	defer s.closeSockets()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.local))
	require.NoError(t, err)
	defer conn.Close()
	s.agreed = sdp.Agreed{Codec: codec.PCMU, Send: true, PTime: 20 * time.Millisecond, Remote: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 160)}).Marshal()
	require.NoError(t, err)
	receive := func() {
		before := d.total.packets
		_, err := conn.Write(raw)
		for begin := time.Now(); err == nil && d.total.packets == before && time.Since(begin) < patience; {
			d.read(s)
		}
	}
	receive()
	require.EqualValues(t, 1, d.total.packets)
	require.Zero(t, testing.AllocsPerRun(100, receive))
	require.EqualValues(t, 102, d.total.packets, "the first, the warm-up and the runs")
}
