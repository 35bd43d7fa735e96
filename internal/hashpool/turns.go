package hashpool

import "slices"

// waiter is a caller in the queue.
type waiter struct {
	turn chan bool // his turn, or false: there is no room for him
	from string
	in   *turns
}

// turns are callers who wait in lines, one for each place that they call from. The lines
// have turns, and within a line who came first goes first. The zero value is empty. There
// are as many lines as callers at most.
type turns struct{ lines []*line }

type line struct {
	from    string
	waiters []*waiter // at least one
}

func (t *turns) find(from string) int {
	return slices.IndexFunc(t.lines, func(l *line) bool { return l.from == from })
}

func (t *turns) add(w *waiter) {
	if i := t.find(w.from); i >= 0 {
		t.lines[i].waiters = append(t.lines[i].waiters, w)
		return
	}
	t.lines = append(t.lines, &line{w.from, []*waiter{w}})
}

// next takes the first waiter of the first line, which becomes the last; nil: nobody waits.
func (t *turns) next() *waiter {
	if len(t.lines) == 0 {
		return nil
	}
	l := t.lines[0]
	w := l.waiters[0]
	t.lines, l.waiters = t.lines[1:], l.waiters[1:]
	if len(l.waiters) > 0 {
		t.lines = append(t.lines, l)
	}
	return w
}

// remove takes a waiter out of its line; false: it does not wait any more.
func (t *turns) remove(w *waiter) bool {
	i := t.find(w.from)
	if i < 0 {
		return false
	}
	l := t.lines[i]
	n := slices.Index(l.waiters, w)
	if n < 0 {
		return false
	}
	if l.waiters = slices.Delete(l.waiters, n, n+1); len(l.waiters) == 0 {
		t.lines = slices.Delete(t.lines, i, i+1)
	}
	return true
}

// longest is the first of the longest lines; nil: nobody waits.
func (t *turns) longest() (most *line) {
	for _, l := range t.lines {
		if most == nil || len(l.waiters) > len(most.waiters) {
			most = l
		}
	}
	return most
}

// length is how many wait from somewhere.
func (t *turns) length(from string) int {
	if i := t.find(from); i >= 0 {
		return len(t.lines[i].waiters)
	}
	return 0
}
