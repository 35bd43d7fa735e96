package call

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/prompt"
)

// recorded is a Voice whose sentences are made beforehand, as those of a catalogue are.
type recorded map[prompt.ID]media.Clip

func (v recorded) Clip(_ string, _ prompt.Words, id prompt.ID) (media.Clip, bool) {
	c, ok := v[id]
	return c, ok
}

// spoken has every sentence that the site's layouts and every language have.
func spoken(site *Site) recorded {
	v := recorded{}
	for _, l := range site.Layouts {
		for _, id := range append(l.Sentences(), prompt.Required()...) {
			v[id] = clip{id}
		}
	}
	return v
}

// handled is a call without its loop: the test delivers what happens.
type handled struct {
	*run
	session *session
	at      time.Duration // of the last key
}

func newHandled(t testing.TB, door mailbox.Door) *handled {
	site, knows, session := newSite(t), &store{}, newSession()
	site.Voice = spoken(site)
	service := New(Deps{Store: knows, Notes: knows, Log: slog.New(slog.DiscardHandler)}, DefaultOptions())
	h := &handled{run: newRun(service, site, newLeg(), session, &Arrival{Door: door, Number: "4001"}), session: session}
	t.Cleanup(func() {
		h.close()
		require.NoError(t, service.Settle(context.Background()))
	})
	h.signal(&Signal{Kind: Confirmed})
	h.settle()
	return h
}

// settle delivers what the engine and the store have to tell.
func (h *handled) settle() {
	for h.jobs > 0 {
		h.answer(<-h.answers)
	}
	h.told()
}

func (h *handled) told() {
	for len(h.session.events) > 0 {
		h.hear(<-h.session.events)
	}
}

// press is one key and its end, told by a road.
func (h *handled) press(d dtmf.Digit, by dtmf.Source) {
	h.at += 300 * time.Millisecond
	down := dtmf.Report{Kind: dtmf.Down, Source: by, Digit: d, At: h.at}
	if by == dtmf.FromInfo {
		h.signal(&Signal{Kind: InfoKey, Report: down})
		return
	}
	up := down
	up.Kind, up.At = dtmf.Up, h.at+100*time.Millisecond
	h.hear(media.Event{Kind: media.Pressed, Report: down})
	h.hear(media.Event{Kind: media.Pressed, Report: up})
}

func (h *handled) dial(keys string) {
	for i := range len(keys) {
		d, _ := dtmf.DigitOf(keys[i])
		h.press(d, dtmf.FromEvent)
	}
	h.settle()
}

// From the engine's or the leg's word on a key to the timer that it sets, or the menu that
// it has said again, nothing is allocated.
func TestAKeyAllocatesNothing(t *testing.T) {
	for road := dtmf.FromEvent; road <= dtmf.FromTone; road++ {
		t.Run(road.String(), func(t *testing.T) {
			h := newHandled(t, mailbox.AnyDoor)
			require.Equal(t, flow.Extension, h.state.At())
			require.Zero(t, testing.AllocsPerRun(1000, func() { h.press(4, road) }), "a digit")
			require.True(t, h.sources[road])
			require.Zero(t, testing.AllocsPerRun(1000, func() { h.step(flow.Event{Kind: flow.TimedOut, Step: h.clock.step - 1}) }), "a stale answer")
		})
	}
	h := newHandled(t, mailbox.OwnDoor)
	h.dial("482915#")
	require.Equal(t, flow.MainMenu, h.state.At())
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		h.press(9, dtmf.FromEvent)
		h.told()
	}), "the menu again")
	require.Equal(t, flow.MainMenu, h.state.At())
	require.Contains(t, h.session.said(), prompt.ID("option-change-2"))
}

// deep is a session that tells how far down the stack a step was when it had it say
// something.
type deep struct {
	*session
	at uintptr
}

//go:noinline
func (d *deep) Say(media.Utterance) {
	var here byte
	d.at = uintptr(unsafe.Pointer(&here))
}

// stepMost is what a step may have on the stack while it performs its effects. These are
// not on it: they take 2 kB, and below is what signalling has there for the whole call.
const stepMost = 3 << 10

func TestAStepTakesLittleStack(t *testing.T) {
	h := newHandled(t, mailbox.OwnDoor)
	h.dial("482915#")
	session := &deep{session: h.session}
	h.media = session
	took := make(chan uintptr)
	go func() {
		grow() // a stack that moves meanwhile has another address
		var here byte
		h.press(9, dtmf.FromEvent)
		took <- uintptr(unsafe.Pointer(&here)) - session.at
	}()
	depth := <-took
	t.Logf("from a key to what it has said: %d bytes of stack", depth)
	require.NotZero(t, session.at)
	require.Less(t, depth, uintptr(stepMost))
}

// grow makes the stack larger than any step needs.
//
//go:noinline
func grow() (last byte) {
	var room [64 << 10]byte
	for i := range room {
		last += room[i] + byte(i)
	}
	return last
}

// BenchmarkKey is one more digit of an entry, from the engine's word on it.
func BenchmarkKey(b *testing.B) {
	h := newHandled(b, mailbox.AnyDoor)
	b.ReportAllocs()
	for b.Loop() {
		h.press(4, dtmf.FromEvent)
	}
}

// What a call may hold. A stack has 8 kB, and the runtime keeps some beside it; the next
// larger one has 16.
const (
	stackMost = 12 << 10
	heapMost  = 5 << 10
)

// What a call holds while its caller listens or types, its leg and its media apart: its
// goroutine's stack, as far as steps have made it grow, and what it has on the heap.
func TestACallHoldsLittle(t *testing.T) {
	const calls = 300
	site, knows := newSite(t), &store{}
	site.Voice = spoken(site)
	service := New(Deps{Store: knows, Notes: knows, Log: slog.New(slog.DiscardHandler)}, DefaultOptions())
	legs, sessions := make([]*leg, calls), make([]*session, calls)
	for i := range calls {
		legs[i], sessions[i] = newLeg(), newSession()
	}
	heap := onHeap()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would cut stacks back until the next step
	stacks := read("/memory/classes/heap/stacks:bytes")
	ended := make(chan struct{}, calls)
	for i := range calls {
		go func() {
			service.With(site).Run(context.Background(), legs[i], sessions[i], &Arrival{Door: mailbox.AnyDoor})
			ended <- struct{}{}
		}()
		legs[i].signals <- &Signal{Kind: Confirmed}
		sessions[i].tell(media.Event{Kind: media.Overrun}) // so that the end of the entry is heard, and asks no store
		sessions[i].tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromEvent, Digit: dtmf.Pound, At: time.Hour}})
	}
	for i := range calls {
		require.Eventually(t, func() bool { return slices.Contains(sessions[i].said(), prompt.DigitsLost) }, time.Minute, time.Millisecond)
	}
	stacks = (read("/memory/classes/heap/stacks:bytes") - stacks) / calls
	heap = (onHeap() - heap) / calls
	t.Logf("one call holds %d bytes of stack and %d of heap", stacks, heap)
	require.Less(t, stacks, int64(stackMost))
	require.Less(t, heap, int64(heapMost))
	for i := range calls {
		legs[i].gone()
		<-ended
	}
}

// onHeap is what is in use, garbage apart.
func onHeap() int64 {
	runtime.GC()
	runtime.GC() // what a pool keeps goes with the second one
	return read("/memory/classes/heap/objects:bytes")
}

func read(metric string) int64 {
	one := []metrics.Sample{{Name: metric}}
	metrics.Read(one)
	return int64(one[0].Value.Uint64())
}
