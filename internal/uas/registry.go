package uas

import (
	"context"
	"sync"
)

// dialogID names a dialog as RFC 3261 section 12 does, from our side.
type dialogID struct{ callID, local, remote string }

// inviteID names an INVITE that opens a dialog, whatever way it came by (section
// 8.2.2.2): the same ID with another branch is a merged request.
type inviteID struct {
	callID, remote string
	cseq           uint32
}

// registry finds dialogs and the INVITEs that opened them.
type registry struct {
	mu       sync.Mutex
	dialogs  map[dialogID]*dialog
	openings map[inviteID]string // the branch each came by, until it can no longer be repeated
	sources  map[string]int      // dialogs by the address that their last request came from
	changed  chan struct{}       // closed and replaced whenever a dialog goes
	shut     bool                // no dialog may be added any more
	work     sync.WaitGroup      // goroutines of dialogs
}

func newRegistry() *registry {
	return &registry{
		dialogs:  make(map[dialogID]*dialog),
		openings: make(map[inviteID]string),
		sources:  make(map[string]int),
		changed:  make(chan struct{}),
	}
}

// open remembers an INVITE. If it was seen before, it returns false and the
// branch that it came by then.
func (r *registry) open(id inviteID, branch string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.openings[id]; ok {
		return first, false
	}
	r.openings[id] = branch
	return branch, true
}

func (r *registry) seen(id inviteID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.openings[id]
	return ok
}

func (r *registry) forget(id inviteID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.openings, id)
}

// add enters a dialog and counts its two goroutines as work; false if limit are
// up already, or the server is closing.
func (r *registry) add(d *dialog, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut || len(r.dialogs) >= limit {
		return false
	}
	r.dialogs[d.id] = d
	r.sources[d.source]++
	r.work.Add(dialogWork)
	return true
}

// dialogWork is run and converse.
const dialogWork = 2

// close lets no dialog in any more.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
}

func (r *registry) remove(d *dialog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.dialogs, d.id)
	r.left(d.source)
	close(r.changed)
	r.changed = make(chan struct{})
}

// moved tells that a dialog's requests now come from elsewhere. Its goroutine calls it.
func (r *registry) moved(d *dialog, source string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left(d.source)
	d.source = source
	r.sources[source]++
}

// left takes a dialog off a source; the caller holds mu.
func (r *registry) left(source string) {
	if r.sources[source]--; r.sources[source] == 0 {
		delete(r.sources, source)
	}
}

func (r *registry) inUse(source string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sources[source] > 0
}

func (r *registry) find(id dialogID) *dialog {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dialogs[id]
}

func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.dialogs)
}

func (r *registry) each(do func(*dialog)) {
	r.mu.Lock()
	all := make([]*dialog, 0, len(r.dialogs))
	for _, d := range r.dialogs {
		all = append(all, d)
	}
	r.mu.Unlock()
	for _, d := range all {
		do(d)
	}
}

// wait returns when no dialog is left, or with ctx's error.
func (r *registry) wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		left, changed := len(r.dialogs), r.changed
		r.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
