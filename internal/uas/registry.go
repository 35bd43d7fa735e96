package uas

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"
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
	seats    int // dialogs that count for Limits.Calls
	seed     maphash.Seed
	openings map[uint64]trail   // INVITEs by keyOf, until they can no longer be repeated
	most     int                // openings at a time
	sources  map[string]int     // dialogs by the address that their last request came from
	peers    map[*peer]int      // dialogs by the peer that they came from, as it was then
	hosts    map[netip.Addr]int // dialogs by the host of their caller
	waiting  map[netip.Addr]int // dialogs without an ACK, by the host of their caller
	changed  chan struct{}      // closed and replaced whenever a dialog goes
	shut     bool               // no dialog may be added any more
	work     sync.WaitGroup     // goroutines of dialogs
}

func newRegistry() *registry {
	return &registry{
		dialogs:  make(map[dialogID]*dialog),
		openings: make(map[uint64]trail),
		seed:     maphash.MakeSeed(),
		most:     openingsMax,
		sources:  make(map[string]int),
		peers:    make(map[*peer]int),
		hosts:    make(map[netip.Addr]int),
		waiting:  make(map[netip.Addr]int),
		changed:  make(chan struct{}),
	}
}

// openingsMax bounds the INVITEs that are remembered: those of 8000 calls a second, for
// 64*T1 each.
const openingsMax = 1 << 18

// opened is what is known of an INVITE.
type opened uint8

const (
	afresh   opened = iota // it is remembered from now on
	repeated               // it came before
	merged                 // it came before, by another way
	tooMany                // nothing: no more are remembered
)

// keyOf is what an INVITE is remembered by. Its words may be long, so it is a hash, with
// a seed of this process: nobody can find two that are alike.
func (r *registry) keyOf(id inviteID) uint64 { return maphash.Comparable(r.seed, id) }

// trail is how an INVITE came: hashes, as its key is one.
type trail struct {
	way  uint64 // the branch that it came by
	host uint64 // that it came from
	peer uint64 // whose hosts are believed for being its own; 0: they have to prove who they are
}

// trailOf is that of an INVITE from a host of a peer, and of the CANCEL that its sender sends.
func (r *registry) trailOf(req *sip.Request, p *peer) trail {
	t := trail{way: maphash.String(r.seed, branchOf(req)), host: maphash.Comparable(r.seed, sourceOf(req).Addr())}
	if p != nil && !p.identity.proves() {
		t.peer = maphash.String(r.seed, p.name)
	}
	return t
}

// sent says whether who sent an INVITE may have sent what came so.
func (t trail) sent(came trail) bool {
	return t.way == came.way && (t.host == came.host || t.peer != 0 && t.peer == came.peer)
}

// open remembers an INVITE.
func (r *registry) open(key uint64, came trail) opened {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, known := r.openings[key]
	switch {
	case known && first.way == came.way:
		return repeated
	case known:
		return merged
	case len(r.openings) >= r.most:
		return tooMany
	}
	r.openings[key] = came
	return afresh
}

// knows says whether an INVITE is remembered whose sender may have sent what came so.
func (r *registry) knows(key uint64, came trail) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, known := r.openings[key]
	return known && first.sent(came)
}

func (r *registry) seen(key uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.openings[key]
	return ok
}

func (r *registry) forget(key uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.openings, key)
}

// add enters a dialog and counts its two goroutines as work. It refuses one above the
// limits, and any once the server is closing. Calls of one host that nobody has
// acknowledged are bounded apart: whoever forges its address could else fill all
// places, each with answers repeated to a victim for 64*T1. An heir, which has the seat
// that another call ceded, is bounded only by those that wait for the answer to our BYE.
func (r *registry) add(d *dialog, heir bool, l Limits) *refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := ""
	switch {
	case r.shut:
		return shuttingDown()
	case !heir && r.seats >= l.Calls, len(r.dialogs) >= 2*l.Calls:
		full = "sip.limits.calls are up"
	case heir:
	case r.waiting[d.caller] >= l.Unacknowledged:
		full = "sip.limits.unacknowledged calls of this address wait for their ACK"
	}
	if full != "" {
		return refuse(sip.StatusServiceUnavailable, "Service Unavailable", "Retry-After: 10").because(full)
	}
	r.dialogs[d.id] = d
	r.sit(d)
	r.sources[d.source]++
	r.peers[d.peer]++
	r.hosts[hostOf(d.caller)]++
	r.waiting[d.caller]++
	d.waits = true
	r.work.Add(dialogWork)
	return nil
}

// sit gives a dialog a seat; the caller holds mu.
func (r *registry) sit(d *dialog) {
	d.seated = true
	r.seats++
}

// stand takes it away; false if there was none. The caller holds mu.
func (r *registry) stand(d *dialog) bool {
	had := d.seated
	if had {
		d.seated = false
		r.seats--
	}
	return had
}

// cede takes the seat of a confirmed dialog for one that takes its place. False if it
// is over, not confirmed, or has ceded it already.
func (r *registry) cede(d *dialog) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dialogs[d.id] == d && !d.waits && r.stand(d)
}

// restore gives a dialog back what it ceded; false if it is over.
func (r *registry) restore(d *dialog) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dialogs[d.id] != d {
		return false
	}
	r.sit(d)
	return true
}

// confirmed tells that a dialog's first ACK is in, or will not come.
func (r *registry) confirmed(d *dialog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answered(d)
}

// unconfirmed says whether a dialog's first ACK is still awaited.
func (r *registry) unconfirmed(d *dialog) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return d.waits
}

// answered takes a dialog off those that wait; the caller holds mu.
func (r *registry) answered(d *dialog) {
	if !d.waits {
		return
	}
	d.waits = false
	less(r.waiting, d.caller)
}

// less counts one down, and keeps nothing of what is none.
func less[K comparable](of map[K]int, key K) {
	if of[key]--; of[key] == 0 {
		delete(of, key)
	}
}

// dialogWork is run and converse.
const dialogWork = 2

// begin counts a piece of work in that belongs to no dialog; false once the server is
// closing.
func (r *registry) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		return false
	}
	r.work.Add(1)
	return true
}

// close lets no dialog in any more.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
}

// remove forgets a dialog and says whether it had a seat.
func (r *registry) remove(d *dialog) (seated bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.dialogs, d.id)
	seated = r.stand(d)
	less(r.sources, d.source)
	less(r.peers, d.peer)
	less(r.hosts, hostOf(d.caller))
	r.answered(d)
	close(r.changed)
	r.changed = make(chan struct{})
	return seated
}

// moved tells that a dialog's requests now come from elsewhere. Its goroutine calls it.
func (r *registry) moved(d *dialog, source string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	less(r.sources, d.source)
	d.source = source
	r.sources[source]++
}

func (r *registry) inUse(source string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sources[source] > 0
}

// calls says whether a call is up that came from a host.
func (r *registry) calls(from netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hosts[hostOf(from)] > 0
}

// served is the peer of a call that is up which an address belonged to when that call
// came; nil if there is none.
func (r *registry) served(network string, from netip.Addr) *peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.peers {
		if p.sends(network, from) {
			return p
		}
	}
	return nil
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
