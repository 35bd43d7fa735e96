package broadworks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"star97/internal/mailbox"
)

// carrier takes one document at a time to the system and brings the answer.
type carrier interface {
	// exchange returns the answer as it came. Its errors are mailbox's, OutcomeUnknown
	// where a document that is not safe may have been carried out. After an error the
	// carrier is of no use.
	exchange(ctx context.Context, op string, doc []byte, safe bool) ([]byte, error)
	alive() bool   // nothing speaks against asking
	decoded() bool // answers are UTF-8, whatever they say
	close()
}

const (
	// largest bounds an answer, in bytes.
	largest = 1 << 20
	// firstRead is the room for an answer at first.
	firstRead = 16 << 10
)

var endTag = []byte("</" + rootName + ">")

// line is a connection over TCP or TLS. Documents follow each other without anything
// that tells their length: one ends with the closing tag of its root.
type line struct {
	conn net.Conn
	addr string
	docs chan []byte   // answers, at most one
	gone chan struct{} // closed when the reader has ended
	why  error         // set before gone is closed
	once sync.Once
}

func newLine(conn net.Conn, addr string) *line {
	l := &line{conn: conn, addr: addr, docs: make(chan []byte, 1), gone: make(chan struct{})}
	// The reader: started here; stops when the connection ends or brings what no answer
	// can be; owns the reading side.
	go l.read()
	return l
}

var (
	errNotAsked = errors.New("the server spoke without being asked")
	errLong     = errors.New("the server's answer is too long")
	errEnded    = errors.New("the server ended the connection")
)

func (l *line) read() {
	defer close(l.gone)
	s := splitter{room: make([]byte, firstRead)}
	defer s.wipe()
	for {
		n, err := l.conn.Read(s.space())
		doc, bad := s.took(n)
		switch {
		case bad != nil:
			l.why = bad
			return
		case doc != nil:
			select {
			case l.docs <- doc:
			default:
				clear(doc)
				l.why = errNotAsked
				return
			}
		}
		if err != nil {
			l.why = errEnded
			return
		}
	}
}

// splitter cuts documents out of a stream.
type splitter struct {
	room []byte
	n    int // bytes of room that are taken
}

// space is where the next bytes go. There is always some.
func (s *splitter) space() []byte {
	if s.n == len(s.room) {
		more := make([]byte, 2*len(s.room))
		copy(more, s.room)
		clear(s.room)
		s.room = more
	}
	return s.room[s.n:]
}

// took says that n more bytes are there and returns the document that they complete, if
// they do. A byte that no XML may have and a beginning that is none of a document are
// errors at once: nobody needs to wait for the end of such an answer.
func (s *splitter) took(n int) (doc []byte, err error) {
	from := max(0, s.n-len(endTag))
	fresh := s.room[s.n : s.n+n]
	s.n += n
	if bytes.ContainsFunc(fresh, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }) {
		return nil, errShape
	}
	all := s.room[:s.n]
	if !begins(all) {
		return nil, errShape
	}
	end := bytes.Index(all[from:], endTag)
	if end < 0 {
		if s.n > largest {
			return nil, errLong
		}
		return nil, nil
	}
	end += from + len(endTag)
	if rest := all[end:]; len(bytes.TrimSpace(rest)) > 0 {
		return nil, errNotAsked
	}
	doc = bytes.Clone(all[:end])
	s.wipe()
	return doc, nil
}

func (s *splitter) wipe() {
	clear(s.room[:s.n])
	s.n = 0
}

// begins tells whether b may be the beginning of a document.
func begins(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	for _, first := range []string{"<?xml ", "<" + rootName} {
		if n := min(len(b), len(first)); string(b[:n]) == first[:n] {
			return true
		}
	}
	return false
}

func (l *line) alive() bool {
	select {
	case <-l.gone:
		return false
	default:
		return len(l.docs) == 0
	}
}

func (l *line) decoded() bool { return false }

func (l *line) exchange(ctx context.Context, op string, doc []byte, safe bool) ([]byte, error) {
	fail := func(sent bool, why error) error {
		code := mailbox.Unavailable
		if sent && !safe {
			code = mailbox.OutcomeUnknown
		}
		return mailbox.Fail(op, code, fmt.Errorf("%s: %w", l.addr, why))
	}
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	// Ends a write that nobody reads: started here; stops at once; runs when ctx has ended.
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()
	if n, err := l.conn.Write(doc); err != nil {
		return nil, fail(n > 0, errEnded)
	}
	select {
	case answer := <-l.docs:
		return answer, nil
	case <-ctx.Done():
		return nil, fail(true, fmt.Errorf("no answer in the time there was: %w", context.Cause(ctx)))
	case <-l.gone:
	}
	select {
	case answer := <-l.docs: // it came before the end
		return answer, nil
	default:
	}
	if ctx.Err() != nil {
		return nil, fail(true, fmt.Errorf("no answer in the time there was: %w", context.Cause(ctx)))
	}
	return nil, fail(true, l.why)
}

// close ends the connection and waits for its reader.
func (l *line) close() {
	l.once.Do(func() { l.conn.Close() })
	<-l.gone
	select {
	case answer := <-l.docs:
		clear(answer)
	default:
	}
}
