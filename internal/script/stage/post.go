package stage

import (
	"context"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Post carries one-time codes to nobody and keeps them: it stands in the place of the
// mail (onetime.Carrier). The zero value is ready; it may be used from several
// goroutines.
type Post struct {
	mu      sync.Mutex
	carried []Carried
}

// Carried is a code that went out.
type Carried struct {
	To   mailbox.Account
	Code pin.PIN
}

// Carry implements onetime.Carrier.
func (p *Post) Carry(_ context.Context, a mailbox.Account, code pin.PIN, _ time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.carried = append(p.carried, Carried{a, code})
	return nil
}

// All are the codes so far, the latest last.
func (p *Post) All() []Carried {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Carried(nil), p.carried...)
}

// Latest is the code that was sent last, plainly; empty: there is none.
func (p *Post) Latest() (digits string) {
	if all := p.All(); len(all) > 0 {
		all[len(all)-1].Code.Reveal(func(d []byte) { digits = string(d) })
	}
	return digits
}
