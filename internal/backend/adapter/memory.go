package adapter

import (
	"sync"
	"time"
)

// maxKept bounds what a Memory holds; the one too many empties it, and all is read again
// one by one.
const maxKept = 10000

// Memory remembers what was read, each for as long as Keep says. It is safe for
// concurrent use; the zero value remembers nothing.
type Memory[T any] struct {
	Keep time.Duration

	mu   sync.Mutex
	kept map[string]dated[T]
}

type dated[T any] struct {
	what T
	at   time.Time
}

// Get returns what was read of a key lately.
func (m *Memory[T]) Get(key string) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.kept[key]
	return d.what, ok && time.Since(d.at) < m.Keep
}

// Set remembers what was read just now.
func (m *Memory[T]) Set(key string, what T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= maxKept {
		m.kept = map[string]dated[T]{}
	}
	m.kept[key] = dated[T]{what, time.Now()}
}

// Forget forgets one.
func (m *Memory[T]) Forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, key)
}

// Rulebook remembers the named rules of a system, and which mailbox has which. Rules
// without a name are the system's default.
type Rulebook[R any] struct {
	Memory[R]

	mu     sync.Mutex
	owners map[string]string
}

// Of returns the rules of a mailbox that were read lately.
func (b *Rulebook[R]) Of(id string) (R, bool) {
	b.mu.Lock()
	name := b.owners[id]
	b.mu.Unlock()
	return b.Get(name)
}

// Assign notes which rules a mailbox has and returns them if they are remembered.
func (b *Rulebook[R]) Assign(id, name string) (R, bool) {
	b.mu.Lock()
	if b.owners == nil || len(b.owners) >= maxKept {
		b.owners = map[string]string{}
	}
	b.owners[id] = name
	b.mu.Unlock()
	return b.Get(name)
}
