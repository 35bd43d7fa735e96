package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
)

// events is what happened in a round: what the telephones did and heard, and every
// line that the program logged.
type events struct {
	began time.Time

	mu    sync.Mutex
	lines []event
	logs  []logged
	ends  map[string]int    // end records by Call-ID
	words map[string]string // of the last one
	over  map[string]time.Duration
}

type event struct {
	at           time.Duration
	call         int
	what, detail string
}

type logged struct {
	at    time.Duration
	level slog.Level
	text  string
	attrs []slog.Attr
}

func (e *events) add(call int, what, detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, event{time.Since(e.began), call, what, detail})
}

func (*events) Enabled(context.Context, slog.Level) bool   { return true }
func (e *events) WithGroup(string) slog.Handler            { return e }
func (e *events) WithAttrs(attrs []slog.Attr) slog.Handler { return under{e, attrs} }
func (e *events) Handle(_ context.Context, r slog.Record) error {
	l := logged{at: time.Since(e.began), level: r.Level, text: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		a.Value = a.Value.Resolve()
		if a.Value.Kind() == slog.KindAny {
			a.Value = slog.StringValue(fmt.Sprint(a.Value.Any()))
		}
		l.attrs = append(l.attrs, a)
		return true
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = append(e.logs, l)
	if r.Message == endRecord {
		if e.ends == nil {
			e.ends, e.words, e.over = map[string]int{}, map[string]string{}, map[string]time.Duration{}
		}
		e.ends[l.attr("call")]++
		e.words[l.attr("call")] = l.attr("end")
		e.over[l.attr("call")] = l.at
	}
	return nil
}

// endRecord is the text of the end record.
const endRecord = "call ended"

// under is events under a logger with attributes.
type under struct {
	*events
	attrs []slog.Attr
}

func (u under) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(u.attrs...)
	return u.events.Handle(ctx, r)
}

func (l *logged) attr(key string) string {
	for _, a := range l.attrs {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// ended counts the calls with an end record.
func (e *events) ended() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.ends)
}

// end is why a call ended, by its record.
func (e *events) end(callID string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.words[callID]
}

// String is the whole round in the order of time.
func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	i := 0
	for _, l := range e.lines {
		for ; i < len(e.logs) && e.logs[i].at <= l.at; i++ {
			e.logs[i].write(&b)
		}
		fmt.Fprintf(&b, "%12.6f  %c  %s %s\n", l.at.Seconds(), rune('a'+l.call), l.what, l.detail)
	}
	for ; i < len(e.logs); i++ {
		e.logs[i].write(&b)
	}
	return b.String()
}

func (l *logged) write(b *strings.Builder) { fmt.Fprintf(b, "%12.6f     %s\n", l.at.Seconds(), l) }

// String is the line as it would be logged, without its time.
func (l *logged) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", l.level, l.text)
	for _, a := range l.attrs {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
	}
	return b.String()
}

// records counts the end records of a call.
func (e *events) records(callID string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ends[callID]
}

// hash is one number for what each call did and was told, and when.
func (e *events) hash() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls := map[int]uint64{}
	most := 0
	for _, l := range e.lines {
		h := fnv.New64a()
		fmt.Fprint(h, calls[l.call], l.at, l.what, l.detail)
		calls[l.call] = h.Sum64()
		most = max(most, l.call)
	}
	h := fnv.New64a()
	for c := range most + 1 {
		fmt.Fprint(h, calls[c], " ")
	}
	return h.Sum64()
}

// leftovers are the stacks of the bubble's goroutines besides the one that asks and
// the one that started it.
func leftovers() string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var left []string
	for i, g := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if i > 0 && strings.Contains(head, "synctest bubble") && !strings.Contains(g, "/synctest.Run(") && !strings.Contains(g, "testingSynctestTest(") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}
