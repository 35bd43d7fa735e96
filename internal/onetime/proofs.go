package onetime

import (
	"maps"
	"sync"
	"time"
)

// maxProofs bounds the calls that are remembered.
const maxProofs = 4096

// proofs remembers which calls have proved the claim to which mailbox. A call lives in
// one process, so this needs no table.
type proofs struct {
	mu   sync.Mutex
	kept map[uint64]proof
}

type proof struct {
	owner  owner
	voided int64 // as it was then
	until  time.Time
}

// room tells whether one more can be kept, after it has forgotten those whose time is over.
func (p *proofs) room(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.kept, func(_ uint64, one proof) bool { return !now.Before(one.until) })
	return len(p.kept) < maxProofs
}

// keep remembers a call. The call 0 is none.
func (p *proofs) keep(call uint64, one proof) {
	if call == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = map[uint64]proof{}
	}
	p.kept[call] = one
}

// take forgets a call and tells whether it had a proof for a mailbox.
func (p *proofs) take(call uint64, o owner, now time.Time) (proof, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.kept[call]
	if !ok || one.owner != o || !now.Before(one.until) {
		return proof{}, false
	}
	delete(p.kept, call)
	return one, true
}
