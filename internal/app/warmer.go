package app

import "context"

// warmer makes the wideband recordings of the voice in force in the background, so that
// no call waits for them, and gives back the memory that the start took after the first:
// not again, as that stops every call for a moment.
type warmer struct {
	next     chan Voice // holds at most one: the voice to go on with
	giveBack func()
}

func newWarmer() *warmer { return &warmer{next: make(chan Voice, 1), giveBack: giveBack} }

// take has a voice made ready instead of the one before. One goroutine calls it.
func (w *warmer) take(v Voice) {
	select {
	case <-w.next:
	default:
	}
	w.next <- v
}

// Run implements follower.
func (w *warmer) Run(ctx context.Context) {
	var v Voice
	var cold <-chan struct{}
	given := false
	for {
		select {
		case v = <-w.next:
			cold = v.catalogue.Cold()
		case <-cold:
		case <-ctx.Done():
			return
		}
		v.catalogue.Warm(ctx)
		if ctx.Err() == nil && !given {
			given = true
			w.giveBack()
		}
	}
}
