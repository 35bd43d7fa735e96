package cue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"
)

// pace is how long star97 waits for more before it takes silence for an answer.
type pace struct {
	calm    time.Duration // a line that may be a question: the rest of it may be on its way
	renamed time.Duration // a prompt that is not the expected one
	nudge   time.Duration // a line without anything: one that was just opened waits for a key
}

func usualPace() pace {
	return pace{calm: 100 * time.Millisecond, renamed: 300 * time.Millisecond, nudge: time.Second}
}

const (
	// maxPages bounds the pages of one answer.
	maxPages = 10000
	// chunk is how much is read at a time, and backlog how many of them wait.
	chunk, backlog = 4096, 16
	// maxAnswer bounds an answer in bytes; a thousand users are about 32 KiB.
	maxAnswer = 256 << 10
)

var (
	errEnded  = errors.New("it closed the connection")
	errStep   = errors.New("its answer does not begin with the echo of the command")
	errLate   = errors.New("it did not answer in time")
	errUnread = errors.New("it sent something that nobody had asked for")
	errPages  = errors.New("its answer has no end")
)

// promptShape is a prompt of the EXEC mode: a host's name and > or #.
var promptShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}[>#]$`)

// shell is a dialogue with a command line: one command at a time, and each answer ends
// with the prompt. That an answer begins with the echo of its command proves that both
// belong together. It is not safe for concurrent use.
type shell struct {
	wire    io.Writer
	end     func()        // closes the connection
	in      chan []byte   // what comes; closed at its end
	gone    chan struct{} // closed by close
	once    sync.Once
	reader  sync.WaitGroup
	prompt  []byte
	more    string
	timeout time.Duration // of one command
	pace    pace

	inside bool      // in a module's session, which is to be left
	used   bool      // has waited in the pool
	dead   bool      // out of step, or ended
	last   time.Time // of its last use
	told   int       // bytes of answers so far
}

// newShell begins to read from r. end closes the connection of both, as often as it is
// called.
func newShell(r io.Reader, w io.Writer, end func(), o Options, p pace) *shell {
	h := &shell{
		wire: w, end: end, in: make(chan []byte, backlog), gone: make(chan struct{}),
		more: o.More, timeout: o.Timeout, pace: p,
	}
	// Reads what comes: started here; stops when the connection has ended or close was
	// called; owns in.
	h.reader.Go(func() { h.pump(r) })
	return h
}

func (h *shell) pump(r io.Reader) {
	defer close(h.in)
	for {
		b := make([]byte, chunk)
		n, err := r.Read(b)
		if n > 0 {
			select {
			case h.in <- b[:n]:
			case <-h.gone:
				clear(b)
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// close ends the connection.
func (h *shell) close() {
	h.once.Do(func() {
		close(h.gone)
		h.end()
		h.reader.Wait()
		for b := range h.in {
			clear(b)
		}
	})
}

// idle tells whether nothing has come since the last command, as it should be, but for
// spaces behind the prompt.
func (h *shell) idle() error {
	for {
		select {
		case b, open := <-h.in:
			if !open {
				return errEnded
			}
			more := len(bytes.Trim(b, " \x00")) > 0
			clear(b)
			if more {
				return errUnread
			}
		default:
			return nil
		}
	}
}

// write types keys. It lasts as long as the other side takes none: see until.
func (h *shell) write(b []byte) error {
	if _, err := h.wire.Write(b); err != nil {
		return errEnded
	}
	return nil
}

// enter writes a line and the key that ends it.
func (h *shell) enter(line []byte) error {
	keys := make([]byte, 0, len(line)+1)
	keys = append(append(keys, line...), '\r')
	defer clear(keys)
	return h.write(keys)
}

// until has the connection end with ctx, whatever somebody waits for there. Whoever is
// done calls stop.
func (h *shell) until(ctx context.Context) (stop func() bool) {
	// Ends the connection: started by the end of ctx; stops at once; owns nothing.
	return context.AfterFunc(ctx, h.end)
}

// await prints what comes on s until d has passed without anything; true says that
// something came.
func (h *shell) await(ctx context.Context, s *screen, d time.Duration) (bool, error) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false, nil
	case <-ctx.Done():
		return false, ended(ctx)
	case b, open := <-h.in:
		if !open {
			return false, errEnded
		}
		err := s.feed(b)
		clear(b)
		return true, err
	}
}

// ended is why ctx has.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errLate
	}
	return ctx.Err()
}

// run sends one line and lends use what the system prints before its prompt. From open
// on the line is a secret; len(line) if none. sent tells whether the line may have
// reached the system. After an error the shell is good for nothing.
func (h *shell) run(ctx context.Context, line []byte, open int, use func(answer []byte)) (sent bool, err error) {
	defer func() { h.dead = h.dead || err != nil }()
	if err := h.idle(); err != nil {
		return false, err
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	stop := h.until(ctx)
	s := screen{most: maxAnswer}
	defer s.wipe()
	end := 0
	if err = h.enter(line); err == nil {
		end, err = h.answer(ctx, &s)
	}
	h.dead = !stop() // what has come before counts
	switch {
	case err != nil && h.dead:
		return true, ended(ctx)
	case err != nil:
		return true, err
	}
	answer, ok := withoutEcho(s.text[:end], line, open)
	if !ok {
		return true, errStep
	}
	h.last, h.told = time.Now(), h.told+len(answer)
	if use != nil {
		use(answer)
	}
	return true, nil
}

// answer reads until the prompt stands on s and returns where the answer above it ends.
// A prompt that is not the expected one, as after the host was renamed, counts when it
// rests and an empty line brings it again.
func (h *shell) answer(ctx context.Context, s *screen) (end int, err error) {
	asked := -1 // where a new prompt stood when the empty line was sent
	for pages := 0; ; {
		came, err := h.await(ctx, s, h.pace.renamed)
		if err != nil {
			return 0, err
		}
		last := s.last()
		switch {
		case came && asked < 0 && bytes.Equal(last, h.prompt):
			return s.start, nil
		case came && string(last) == h.more:
			if pages++; pages > maxPages {
				return 0, errPages
			}
			if err := h.write([]byte{' '}); err != nil {
				return 0, err
			}
		case asked >= 0 && s.start > asked && bytes.Equal(last, bytes.TrimRight(s.text[asked:s.start-1], " ")):
			h.prompt = bytes.Clone(last)
			return asked, nil
		case !came && asked < 0 && promptShape.Match(last) && last[len(last)-1] == h.prompt[len(h.prompt)-1]:
			asked = s.start
			if err := h.enter(nil); err != nil {
				return 0, err
			}
		}
	}
}

// text runs a command that holds no secret and returns a copy of its answer.
func (h *shell) text(ctx context.Context, command string) (answer []byte, err error) {
	_, err = h.run(ctx, []byte(command), len(command), func(a []byte) { answer = bytes.Clone(a) })
	return answer, err
}

// host is the name that the prompt shows.
func (h *shell) host() string { return string(bytes.TrimRight(h.prompt, ">#")) }

// leave ends the session politely: the line of a module would stay signed in for
// whoever comes next.
func (h *shell) leave() {
	defer h.close()
	if !h.inside || h.dead || h.idle() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	defer h.until(ctx)()
	if h.enter([]byte(exitCommand)) != nil {
		return
	}
	s := screen{most: maxAnswer}
	for came, err := true, error(nil); came && err == nil; {
		came, err = h.await(ctx, &s, h.pace.calm)
	}
}

// broken is err with what of the dialogue can be told.
func broken(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }
