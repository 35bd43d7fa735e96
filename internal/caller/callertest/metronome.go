package callertest

import (
	"fmt"
	"sync"
	"time"
)

const (
	beat = 20 * time.Millisecond // as long as a packet of audio

	// A machine has lost time for a call when one beat came later than standstill, or
	// when the beats that were late by a packet or more add up to more than one part in
	// lostShare of the call. Less than that a call is built to bear.
	standstill = 200 * time.Millisecond
	lostShare  = 25

	maxStandstills = 10_000 // kept of a test process

	// Busy is a process whose beats were late by more than this, on the average of the
	// last ones.
	busy     = beat
	lastOnes = 50 // beats
)

// metronome tells when the machine lost time: how late its beats come is how late every
// goroutine of this process is waked. The zero value is one that nobody needs yet.
type metronome struct {
	mu    sync.Mutex
	users int
	stop  chan struct{}
	next  time.Time     // when the next beat is due
	owed  time.Duration // by all beats that were a packet late or more
	still []lateBeat    // those later than standstill
	mean  time.Duration // lateness of the last ones, each weighing less than the next
}

type lateBeat struct {
	due time.Time
	by  time.Duration
}

// mark is where a watch began.
type mark struct {
	at   time.Time
	owed time.Duration
}

// begin starts a watch; the metronome beats until each has ended.
func (m *metronome) begin() mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.users++; m.users == 1 {
		m.stop, m.next, m.mean = make(chan struct{}), now.Add(beat), 0
		// The beating goroutine: started by the first watch, stops with the last one,
		// owns its timer.
		go m.beat(m.stop)
	}
	return mark{now, m.owed}
}

// end ends a watch.
func (m *metronome) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users == 0 {
		close(m.stop)
	}
}

func (m *metronome) beat(stop <-chan struct{}) {
	timer := time.NewTimer(beat)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-stop:
			return
		}
		m.mu.Lock()
		now := time.Now()
		m.note(now)
		m.next = now.Add(beat)
		m.mu.Unlock()
		timer.Reset(beat)
	}
}

// note takes a beat that came now into account. The lock is held.
func (m *metronome) note(now time.Time) {
	late := now.Sub(m.next)
	m.mean += (late - m.mean) / lastOnes
	if late < beat {
		return
	}
	m.owed += late
	if late >= standstill && len(m.still) < maxStandstills {
		m.still = append(m.still, lateBeat{m.next, late})
	}
}

// calm waits until the process is not busy, at most so long.
func (m *metronome) calm(limit time.Duration) {
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(beat) {
		m.mu.Lock()
		calm := m.users == 0 || m.mean < busy
		m.mu.Unlock()
		if calm {
			return
		}
	}
}

// lost says how the machine has lost time since a watch began; empty: it kept time.
func (m *metronome) lost(since mark) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.next) >= beat { // a beat that is late still
		m.note(now)
		m.next = now.Add(beat)
	}
	return m.lostUntil(since, now)
}

func (m *metronome) lostUntil(since mark, now time.Time) string {
	var worst lateBeat
	for _, one := range m.still {
		if one.by > worst.by && one.due.Add(one.by).After(since.at) {
			worst = one
		}
	}
	if worst.by > 0 {
		return fmt.Sprintf("the machine stood still for %v at t=%.1fs", worst.by.Round(time.Millisecond), worst.due.Sub(since.at).Seconds())
	}
	owed, all := m.owed-since.owed, now.Sub(since.at)
	if owed > all/lostShare {
		return fmt.Sprintf("the machine was late by %v within %v", owed.Round(time.Millisecond), all.Round(time.Millisecond))
	}
	return ""
}
