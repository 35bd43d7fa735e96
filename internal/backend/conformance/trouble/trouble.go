// Package trouble gives the fakes of foreign systems their troubles on demand: orders
// for the next requests, servers with good and bad certificates, and a proxy that
// delays, cuts and corrupts. It knows no system and is imported by tests only.
package trouble

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Kind is what goes wrong with a request.
type Kind uint8

// The kinds of trouble. The zero value is none.
const (
	None      Kind = iota
	Slow           // the answer comes after Delay, if the other side still waits
	CutBefore      // the connection ends and nothing was done
	CutAfter       // it was done, and the connection ends before the answer
	Status         // the answer is an error with Status, and RetryAfter if there is one
	Malformed      // the answer's body breaks off
	Empty          // the answer's body is empty
	HTML           // the answer is a page for people
	WrongType      // the answer is right but says that it is of another type
	Late           // what was done shows after Delay only; the fake asks for it with Asked
	Expired        // the session or token is not known any more; the fake asks for it with Asked
	Ignored        // the system says that it was done and did nothing; the fake asks for it with Asked
)

// own tells whether a fake makes the trouble itself.
func (k Kind) own() bool { return k == Late || k == Expired || k == Ignored }

// Order is one trouble for the next requests.
type Order struct {
	Kind  Kind
	Skip  int           // requests before it that have no trouble
	Times int           // requests that it is for; 0: one; Always: all until Clear
	Delay time.Duration // of Slow and Late
	// Applied says that the request is carried out all the same, where the answer is
	// Slow, Status, Malformed, Empty or HTML. A Slow that is not Applied is carried out
	// at its end; WrongType and CutAfter always are, CutBefore never is.
	Applied    bool
	Status     int    // of Status, Malformed, Empty and HTML, as in HTTP; 0: 200, and 500 for Status
	RetryAfter string // value of the header: seconds or an HTTP date; empty: no header
	Body       string // of Status; empty: a word
	Type       string // media type of Body; empty: text/plain
}

// Always is the Times of an Order without end.
const Always = -1

// Any is the op that stands for every op.
const Any = "*"

// Orders are the troubles that a fake shall make, in turn for each op, and the count
// of the requests it had. The zero value has none. It is safe for concurrent use.
type Orders struct {
	mu   sync.Mutex
	due  map[string][]Order
	seen map[string]int
	head []string
}

// Give appends o to what is due for op, the fake's own name of a kind of request.
func (s *Orders) Give(op string, o Order) {
	if o.Times == 0 {
		o.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due == nil {
		s.due = map[string][]Order{}
	}
	s.due[op] = append(s.due[op], o)
}

// Take counts a request of op and returns its trouble. What the fake does itself, Late,
// Expired and Ignored, stays for Asked.
func (s *Orders) Take(op string) Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[op]++
	for _, name := range []string{op, Any} {
		if due := s.due[name]; len(due) > 0 && !due[0].Kind.own() {
			return s.next(name)
		}
	}
	return Order{}
}

// Asked returns the trouble that is due for op if it is of a kind that the fake does
// itself, and uses it up; else an Order of no kind.
func (s *Orders) Asked(op string, k Kind) Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{op, Any} {
		if due := s.due[name]; len(due) > 0 && due[0].Kind == k {
			return s.next(name)
		}
	}
	return Order{}
}

// next uses up one time of the first order of name.
func (s *Orders) next(name string) Order {
	o := &s.due[name][0]
	if o.Skip > 0 {
		o.Skip--
		return Order{}
	}
	taken := *o
	if o.Times > 0 {
		o.Times--
	}
	if o.Times == 0 {
		s.due[name] = s.due[name][1:]
	}
	return taken
}

// Seen is how many requests of op came, of all ops for Any.
func (s *Orders) Seen(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op != Any {
		return s.seen[op]
	}
	sum := 0
	for _, n := range s.seen {
		sum += n
	}
	return sum
}

// maxHeads bounds the heads that are kept.
const maxHeads = 4096

// Heads are the address and header fields of the requests that Handler has passed, one
// text each: where no code may stand.
func (s *Orders) Heads() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.head)
}

func (s *Orders) keep(head string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.head) < maxHeads {
		s.head = append(s.head, head)
	}
}

// Due is how many orders have not been used up.
func (s *Orders) Due() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, due := range s.due {
		n += len(due)
	}
	return n
}

// Clear forgets every order.
func (s *Orders) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.due)
}

// Reply makes o of a fake that speaks no HTTP: do carries the request out and returns
// the whole answer. What is returned is to be sent, and then the connection closed if
// keep is false. Status, HTML and WrongType are the fake's own to say; here they
// replace the answer by text that no such system sends.
func (o Order) Reply(ctx context.Context, do func() []byte) (answer []byte, keep bool) {
	switch o.Kind {
	case CutBefore:
		return nil, false
	case CutAfter:
		do()
		return nil, false
	case Slow:
		if o.Applied {
			answer = do()
		}
		if !pause(ctx, o.Delay) {
			return nil, false
		}
		if !o.Applied {
			answer = do()
		}
		return answer, true
	case Malformed, Empty, Status, HTML, WrongType:
		if o.Applied || o.Kind == WrongType {
			answer = do()
		}
		return o.spoil(answer), true
	}
	return do(), true
}

// spoil is the body that stands in for answer.
func (o Order) spoil(answer []byte) []byte {
	switch o.Kind {
	case Empty:
		return nil
	case Malformed:
		return append(answer[:len(answer)/2:len(answer)/2], "\x01<{\"]broken"...)
	case HTML:
		return []byte("<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Please sign in to continue.</p><br></body></html>\n")
	}
	if o.Body != "" {
		return []byte(o.Body)
	}
	return []byte("trouble\n")
}

// pause waits d and tells whether ctx lasted as long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
