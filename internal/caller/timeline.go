package caller

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"star97/internal/prompt"
)

// Entry is one line of a call's time line. It has no field for keys: how many were
// pressed is the most it says, and not even that of a code; but whoever knows the pace of
// the keys can reckon the length of a code from the times.
type Entry struct {
	T        float64   `json:"t"`               // seconds since the INVITE was sent; never before that of the entry above
	Begin    float64   `json:"begin,omitempty"` // heard: when it began
	Event    string    `json:"event"`
	ID       prompt.ID `json:"id,omitempty"`       // heard
	Complete *bool     `json:"complete,omitempty"` // heard: to its end
	Seconds  float64   `json:"seconds,omitempty"`  // heard: how much of it
	Keys     int       `json:"keys,omitempty"`     // pressed: how many, unless they are a code
	Text     string    `json:"text,omitempty"`     // in words; heard: those of the whole sentence
}

// String is "t=1.234s heard enter-code (complete): Please enter your code."
func (e Entry) String() string {
	s := fmt.Sprintf("t=%.3fs ", e.T)
	switch {
	case e.Event == "heard":
		return s + e.heard()
	case e.Event == "pressed" && e.Keys == 1:
		return s + "pressed 1 key"
	case e.Event == "pressed" && e.Keys > 0:
		return s + fmt.Sprintf("pressed %d keys", e.Keys)
	case e.Event == "pressed":
		return s + "pressed a code"
	}
	return s + e.Text
}

func (e Entry) heard() string {
	s := fmt.Sprintf("heard %s (cut at %.1f s)", e.ID, e.Seconds)
	if e.Complete != nil && *e.Complete {
		s = fmt.Sprintf("heard %s (complete)", e.ID)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Timeline writes a call's time line, a line of text or a JSON object per entry.
// The zero value writes nothing. Its methods are safe for concurrent use.
type Timeline struct {
	W     io.Writer
	JSON  bool
	Words func(prompt.ID) string // of a sentence; nil: they are not shown

	mu    sync.Mutex
	start time.Time
	last  time.Time // of the entry above
	all   []Entry
}

// maxEntries bounds the entries kept for Entries; writing goes on.
const maxEntries = 10_000

// Begin sets the zero of the time line.
func (l *Timeline) Begin(at time.Time) {
	l.mu.Lock()
	l.start = at
	l.mu.Unlock()
}

// Entries are the entries so far.
func (l *Timeline) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.all...)
}

// Say adds an entry in words.
func (l *Timeline) Say(at time.Time, event, format string, args ...any) {
	l.add(at, Entry{Event: event, Text: fmt.Sprintf(format, args...)})
}

// Pressed adds a press of n keys; 0 hides how many.
func (l *Timeline) Pressed(at time.Time, n int) { l.add(at, Entry{Event: "pressed", Keys: n}) }

// Heard adds the end of a sound. A sentence may be known before its last packet has
// played, and a sound that a key cut be told after that key: what stands in the line is
// then the time of its telling, or that of the key. Digits are left out: they are a code.
func (l *Timeline) Heard(h Heard) {
	if h.isDigit() {
		return
	}
	if h.ID == "" {
		l.Say(h.At.Add(h.Sound.Heard), "heard-other", "heard %s", nameOf(h))
		return
	}
	e := Entry{Event: "heard", Begin: l.since(h.At), ID: h.ID, Complete: &h.Complete, Seconds: seconds(h.Sound.Heard)}
	if l.Words != nil {
		e.Text = l.Words(h.ID)
	}
	l.add(h.At.Add(h.Sound.Heard), e)
}

func (l *Timeline) since(at time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return seconds(at.Sub(l.start))
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

func (l *Timeline) add(at time.Time, e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start.IsZero() {
		l.start = at
	}
	if now := time.Now(); at.After(now) {
		at = now
	}
	if at.Before(l.last) {
		at = l.last
	}
	l.last = at
	e.T = seconds(at.Sub(l.start))
	if len(l.all) < maxEntries {
		l.all = append(l.all, e)
	}
	if l.W == nil {
		return
	}
	if !l.JSON {
		fmt.Fprintln(l.W, e)
		return
	}
	if raw, err := json.Marshal(e); err == nil {
		fmt.Fprintln(l.W, string(raw))
	}
}
