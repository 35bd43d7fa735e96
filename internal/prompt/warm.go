package prompt

import (
	"cmp"
	"context"
	"slices"
	"time"

	"star97/internal/codec"
)

// rest is how long Warm pauses after each sentence, in the time that it took: calls
// need the processor more.
const rest = 4

// Warm makes the wideband payloads of the languages that were prepared, so that no call
// makes its own: one sentence after the other, in the order in which callers hear them,
// with pauses. It returns when all are made or ctx ends.
func (c *Catalogue) Warm(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for _, l := range c.languages {
		if !l.prepared.Load() {
			continue
		}
		for _, id := range l.asHeard() {
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				return
			}
			began := time.Now()
			if a := l.entries[id].audio.Load(); a != nil {
				a.Payload(codec.G722)
			}
			pause.Reset(rest * time.Since(began))
		}
	}
}

// Cold tells that a language was prepared, which Warm may have passed by.
func (c *Catalogue) Cold() <-chan struct{} { return c.cold }

// asHeard are the sentences that can be said, those of the default flow in its order.
func (l *language) asHeard() []ID {
	place, flow := map[ID]int{}, Required()
	for i, id := range flow {
		place[id] = i - len(flow)
	}
	ids := l.ids()
	slices.SortStableFunc(ids, func(a, b ID) int { return cmp.Compare(place[a], place[b]) })
	return ids
}
