package caller

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/sdp"
)

// What doubts which figure: a late beat of ours the keys, a late INVITE the rate, what the
// host took all of it.
func TestLoadDoubtsWhatItsOwnDelayFalsifies(t *testing.T) {
	beat := func(p99, longest float64) LoadReport {
		return LoadReport{BeatLate: Percentiles{P99: p99, Max: longest}}
	}
	gap := func(r LoadReport, ms float64) LoadReport {
		r.GapsOver40, r.LongestGap = 1, ms
		return r
	}
	for name, road := range map[string]struct {
		r             LoadReport
		modes         []LoadMode
		read          bool // answers have no time of the kernel
		doubt, remark string
	}{
		"in time":                               {beat(5, 39), []LoadMode{Listen, RateMode, KeysMode, ScriptMode}, true, "", ""},
		"a beat that keys go by":                {beat(5.1, 9), []LoadMode{KeysMode, ScriptMode}, false, "so late may its keys be", ""},
		"a beat that nothing measured goes by":  {beat(10.5, 19), []LoadMode{Listen, RateMode}, false, "", "dated by the kernel"},
		"a beat later than a packet":            {beat(20.1, 30), []LoadMode{Listen, RateMode}, false, "left in heaps", ""},
		"a beat, answers without a time":        {beat(5.1, 9), []LoadMode{RateMode}, true, "may it have read them", ""},
		"a beat, packets have a time":           {beat(5.1, 9), []LoadMode{Listen}, true, "", "dated by the kernel"},
		"INVITEs":                               {LoadReport{DialLate: Percentiles{P99: 20.1}}, []LoadMode{RateMode}, false, "not the rate that was asked for", ""},
		"INVITEs of calls that stay":            {LoadReport{DialLate: Percentiles{P99: 20.1}}, []LoadMode{Listen, KeysMode, ScriptMode}, false, "", "not measured"},
		"answers":                               {LoadReport{ReadLate: Percentiles{P99: 20.1}}, []LoadMode{RateMode}, false, "not the rate that was asked for", ""},
		"gap no longer than our own":            {gap(beat(1, 31), 50), []LoadMode{Listen, KeysMode}, false, "may be this machine's", ""},
		"gap longer than our own":               {gap(beat(1, 29), 50), []LoadMode{Listen, KeysMode}, false, "", ""},
		"the host took little":                  {LoadReport{Usage: Usage{Seconds: 8, Stolen: 0.2}}, []LoadMode{Listen}, false, "", ""},
		"the host took much":                    {LoadReport{Usage: Usage{Seconds: 8, Stolen: 0.21}}, []LoadMode{Listen, RateMode, KeysMode, ScriptMode}, false, "200ms at most", ""},
		"the host took as much in a long while": {LoadReport{Usage: Usage{Seconds: 86400, Stolen: 430}}, []LoadMode{Listen}, false, "", ""},
		"and more of it":                        {LoadReport{Usage: Usage{Seconds: 86400, Stolen: 433}}, []LoadMode{Listen}, false, "7m12s at most", ""},
		"calls that were not placed":            {LoadReport{NotPlaced: 270, Calls: 10}, []LoadMode{RateMode}, false, "270 not placed: --calls 10 were all in use", ""},
		"no keys":                               {LoadReport{Keyless: 2}, []LoadMode{KeysMode}, false, "--digits inband", ""},
		"a script's notes were full":            {LoadReport{Unnoted: 2}, []LoadMode{ScriptMode}, false, "", "2 packets are in no figure"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range road.modes {
				r := road.r
				r.Mode = mode
				r.judge(!road.read)
				for _, c := range []struct {
					is   []string
					want string
				}{{r.NoVerdict, road.doubt}, {r.Warnings, road.remark}} {
					require.Equal(t, c.want == "", len(c.is) == 0, "%s: %v", mode, c.is)
					require.Contains(t, strings.Join(c.is, ""), c.want, mode)
				}
			}
		})
	}
}

// A call whose INVITE waited here has waited, and what nobody sent in time is not the rate.
func TestLoadTellsHowLateItsINVITEsLeft(t *testing.T) {
	far := newChoir(t, 0)
	o := LoadOptions{URI: far.uri(), Mode: RateMode}.withDefaults()
	l := &load{o: o, r: &LoadReport{Failures: map[string]int{}}}
	require.NoError(t, l.open(within(t, patience)))
	defer l.line.Close()
	defer l.deck.start()()
	const waited = 300 * time.Millisecond
	for n := range 2 {
		c, err := l.dial(within(t, patience), n, time.Now().Add(-waited))
		require.NoError(t, err)
		l.leave(within(t, patience), c)
	}
	require.GreaterOrEqual(t, l.dialLate.At(0), waited)
	between := l.invites.last.Sub(l.invites.first)
	require.InDelta(t, 1/between.Seconds(), l.invites.rate(), 0.06)
	require.Zero(t, invites{n: 1}.rate())
}

// The rate achieved is that of the time asked for, whenever in it the INVITEs left.
func TestTheRateIsOfTheTimeAskedFor(t *testing.T) {
	begin := time.Now()
	for name, road := range map[string]struct {
		last, asked time.Duration
		want        float64
	}{
		"all in the first half":    {1500 * time.Millisecond, 3 * time.Second, 15},
		"later than the last beat": {5 * time.Second, 3 * time.Second, 9},
		"no time was asked for":    {2200 * time.Millisecond, 0, 20},
	} {
		require.Equal(t, road.want, invites{first: begin, last: begin.Add(road.last), n: 45, asked: road.asked}.rate(), name)
	}
}

// Calls for which there was no room were never placed: the far end did not fail them, and
// it was not given the rate.
func TestLoadTellsOfCallsItDidNotPlace(t *testing.T) {
	far := newChoir(t, 0)
	var told []Progress
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: RateMode, Rate: 20, Calls: 2, Hold: 5 * time.Second, Duration: 2 * time.Second,
		Progress: func(p Progress) { told = append(told, p) }})
	require.NoError(t, err)
	require.Equal(t, [3]int{2, 38, 0}, [3]int{r.Attempted, r.NotPlaced, r.Failed}, "%v", r.Failures)
	require.Equal(t, 2, far.count(sip.INVITE))
	require.Equal(t, 1.0, r.Achieved)
	require.Contains(t, strings.Join(r.NoVerdict, ""), "38 not placed: --calls 2 were all in use")
	require.Contains(t, told[len(told)-1].String(), "2 answered, 0 failed, 38 not placed")
	var out strings.Builder
	require.NoError(t, r.Table(&out))
	require.Contains(t, out.String(), "2 answered, 0 failed, 0 ended early, 38 not placed\n")
}

// What our own beat takes after a refusal is not the far end's time.
func TestARefusalIsNotTimedByOurBeat(t *testing.T) {
	far := newPeer(t, UDP, "127.0.0.1")
	far.when(sip.INVITE, func(req *sip.Request) { far.reply(req, 486, "", "") })
	l := &load{o: LoadOptions{URI: far.uri(), Mode: RateMode}.withDefaults(), r: &LoadReport{Failures: map[string]int{}}}
	require.NoError(t, l.open(within(t, patience)))
	defer l.line.Close()
	defer l.deck.start()()
	free := make(chan struct{})
	l.deck.post(func() { <-free })
	const stands = 2 * time.Second
	time.AfterFunc(stands, func() { close(free) })
	_, err := l.dial(within(t, patience), 0, time.Time{})
	require.Equal(t, CallRefused, OutcomeOf(err))
	require.EqualValues(t, 1, l.refusal.n)
	require.Less(t, l.refusal.At(1), stands/2)
}

// A call that never came to be leaves no socket behind.
func TestLoadClosesWhatAFailedCallOpened(t *testing.T) {
	d, err := newDeck(LoadOptions{Mode: Listen}.withDefaults())
	require.NoError(t, err)
	defer d.start()()
	l := &load{o: LoadOptions{URI: "no URI", Mode: Listen}, deck: d, from: netip.MustParseAddr("127.0.0.1"), r: &LoadReport{Failures: map[string]int{}}}
	_, err = l.dial(within(t, patience), 1, time.Time{})
	require.ErrorIs(t, err, ErrOptions)
	left := make(chan int)
	d.post(func() {
		n := 0
		for _, streams := range d.slot {
			n += len(streams)
		}
		left <- n
	})
	require.Zero(t, <-left)
}

// A far end that stops sending for good has no packet that would end the gap.
func TestLoadFindsAFarEndThatStopsSending(t *testing.T) {
	for _, o := range []LoadOptions{{Mode: Listen, Calls: 2}, {Mode: RateMode, Rate: 2, Hold: 1500 * time.Millisecond},
		{Mode: ScriptMode, Calls: 2, Play: func(ctx context.Context, p *Player, _ User) error {
			p.Call.pause(ctx, 1500*time.Millisecond)
			return p.Call.Hangup(ctx)
		}}} {
		t.Run(string(o.Mode), func(t *testing.T) {
			t.Parallel()
			far := newChoir(t, 0)
			far.mu.Lock()
			far.most = 20
			far.mu.Unlock()
			o.URI, o.Duration = far.uri(), 1500*time.Millisecond
			r, err := Load(within(t, 2*patience), o)
			require.NoError(t, err)
			require.GreaterOrEqual(t, r.Answered, 2)
			require.Zero(t, r.Lost)
			require.Zero(t, r.Complete)
			require.Equal(t, r.Answered, r.Gapped)
			require.GreaterOrEqual(t, r.GapsOver40, uint64(r.Answered))
			require.Greater(t, r.LongestGap, 500.0)
		})
	}
}

// Calls that the far end hangs up in mid-measurement have ended early, and are not complete.
func TestLoadFindsAFarEndThatHangsUp(t *testing.T) {
	for _, o := range []LoadOptions{{Mode: Listen, Calls: 4}, {Mode: RateMode, Rate: 4, Hold: 1500 * time.Millisecond},
		{Mode: ScriptMode, Calls: 4, Play: func(ctx context.Context, p *Player, _ User) error {
			if !p.Call.pause(ctx, 1500*time.Millisecond) {
				return ErrEnded
			}
			return p.Call.Hangup(ctx)
		}}} {
		t.Run(string(o.Mode), func(t *testing.T) {
			t.Parallel()
			far := newChoir(t, 0)
			answer, begin := far.on[sip.INVITE], far.on[sip.ACK]
			invites := 0                        // of the reading goroutine, as is leaves
			leaves := map[string]*sip.Request{} // INVITEs of the calls that it hangs up
			far.when(sip.INVITE, func(req *sip.Request) {
				id := req.CallID().Value()
				if _, again := leaves[id]; !again {
					if leaves[id] = nil; invites%2 == 1 {
						leaves[id] = req
					}
					invites++
				}
				answer(req)
			})
			far.when(sip.ACK, func(req *sip.Request) {
				begin(req)
				if invite := leaves[req.CallID().Value()]; invite != nil {
					time.AfterFunc(300*time.Millisecond, func() { far.ask(invite, "BYE", 2, "") })
				}
			})
			o.URI, o.Duration = far.uri(), 1500*time.Millisecond
			r, err := Load(within(t, 2*patience), o)
			require.NoError(t, err)
			require.GreaterOrEqual(t, r.Answered, 4)
			require.Zero(t, r.NoRTP)
			require.Equal(t, r.Answered/2, r.EndedEarly)
			require.Equal(t, r.Answered-r.EndedEarly, r.Complete+r.Gapped, "a busy machine makes gaps")
		})
	}
}

// A far end that answers nothing any more is told of; one that left a BYE out and answered a
// later one is not.
func TestLoadTellsThatTheFarEndStoppedAnswering(t *testing.T) {
	for name, road := range map[string]struct {
		o       LoadOptions
		deaf    int // BYEs that are not answered
		stopped bool
	}{
		"listening":      {LoadOptions{Mode: Listen, Calls: 2}, 2, true},
		"a rate":         {LoadOptions{Mode: RateMode, Rate: 2}, 2, true},
		"a script":       {LoadOptions{Mode: ScriptMode, Calls: 2, Play: func(context.Context, *Player, User) error { return nil }}, 2, true},
		"one BYE of two": {LoadOptions{Mode: Listen, Calls: 2}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newChoir(t, 0)
			answer := far.on[sip.BYE]
			deaf := map[string]bool{} // of the reading goroutine: calls whose BYE is not answered
			far.when(sip.BYE, func(req *sip.Request) {
				if id := req.CallID().Value(); deaf[id] || len(deaf) < road.deaf {
					deaf[id] = true
					return
				}
				answer(req)
			})
			road.o.URI, road.o.Duration = far.uri(), time.Second
			r, err := Load(within(t, 2*patience), road.o)
			require.NoError(t, err)
			require.Equal(t, road.stopped, strings.Contains(strings.Join(r.Warnings, ""), "the far end stopped answering: the last "), "%v", r.Warnings)
		})
	}
}

// Keys that the far end could not hear are not counted, and it is not blamed for them.
func TestLoadCountsNoKeyThatIsNotSent(t *testing.T) {
	noEvents := strings.NewReplacer(" 0 101", " 0", "a=rtpmap:101 telephone-event/8000\r\n", "", "a=fmtp:101 0-16\r\n", "")
	for name, describe := range map[string]func(p *peer) string{
		"no telephone-event": func(p *peer) string { return noEvents.Replace(p.description("sendrecv")) },
		"on hold":            func(p *peer) string { return p.description("sendonly") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newPeer(t, UDP, "127.0.0.1").answering()
			far.when(sip.INVITE, func(req *sip.Request) { far.reply(req, 200, far.contact(), describe(far)) })
			r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: KeysMode, Calls: 2, Every: 500 * time.Millisecond, Duration: 2 * time.Second})
			require.NoError(t, err)
			require.Equal(t, 2, r.Answered, "%v", r.Failures)
			require.Equal(t, 2, r.Keyless)
			require.Zero(t, r.Keys+r.NoNext)
			require.Contains(t, strings.Join(r.NoVerdict, ""), "--digits inband")
		})
	}
}

func TestPacketsBeyondTheNotesAreCounted(t *testing.T) {
	a := newArrivals()
	a.log = make([]Packet, maxLog-1)
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 160)}).Marshal()
	require.NoError(t, err)
	from := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 9)
	for range 3 {
		_, ok := a.packet(raw, time.Now(), from, 10, sdp.Agreed{Codec: codec.PCMU, Remote: from})
		require.True(t, ok)
	}
	require.EqualValues(t, 2, a.s.Unnoted)
}

// An answer on a connection has no time of the kernel: how late it was read is not known.
func TestLoadOverAConnectionDoesNotTellHowLateItRead(t *testing.T) {
	far := newPeer(t, TCP, "127.0.0.1").answering()
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Transport: TCP, Mode: RateMode, Rate: 2, Calls: 9, Duration: time.Second})
	require.NoError(t, err)
	require.Positive(t, r.Answered, "%v", r.Failures)
	require.Zero(t, r.ReadLate.N)
}

// The beat is that of the measurement: neither of the set-up, nor of hanging up.
func TestTheBeatIsThatOfTheMeasurement(t *testing.T) {
	d, err := newDeck(LoadOptions{Mode: Listen}.withDefaults())
	require.NoError(t, err)
	for _, step := range []struct {
		enter func()
		want  uint64
	}{
		{func() {}, 1}, {func() { d.measure(true) }, 1}, {func() { d.measure(false) }, 0},
	} {
		before := d.late.n
		step.enter()
		d.runPosted()
		if d.measuring {
			require.Zero(t, d.late.n)
			before = 0
		}
		d.wait(time.Now())
		require.Equal(t, before+step.want, d.late.n)
	}
}
