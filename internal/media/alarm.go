package media

import "time"

// The deadlines of a session outside its frames.
const (
	alarmKey    = iota // a key whose end does not come
	alarmReport        // the next RTCP report
	alarmSilent        // the media time-out
	alarmFlush         // events that wait for room
	alarmSparse        // the next frame while nothing is said
	alarmThin          // a filter that nothing came through
	alarms
)

// flushPause is how often waiting events look for room when nothing else happens.
const flushPause = 10 * time.Millisecond

// alarm sets one bell for the earliest of several deadlines. The session's lock
// guards it.
type alarm struct {
	bell bell
	due  [alarms]time.Duration // 0: not set
	next time.Duration         // what the bell is set to; 0: nothing
}

// at sets one deadline.
func (a *alarm) at(which int, due, now time.Duration) {
	a.due[which] = max(due, 1)
	if a.next == 0 || due < a.next {
		a.arm(now)
	}
}

// passed tells whether a deadline is over, and forgets it.
func (a *alarm) passed(which int, now time.Duration) bool {
	if a.due[which] == 0 || now < a.due[which] {
		return false
	}
	a.due[which] = 0
	return true
}

// arm sets the bell for the earliest deadline.
func (a *alarm) arm(now time.Duration) {
	a.next = 0
	for _, due := range a.due {
		if due != 0 && (a.next == 0 || due < a.next) {
			a.next = due
		}
	}
	if a.next != 0 {
		a.bell.set(a.next, now)
	}
}

func (a *alarm) stop() { a.bell.stop() }

// startAlarms begins what runs from Start on.
func (s *session) startAlarms(now time.Duration) {
	s.alarm.at(alarmReport, now+s.rtcp.interval(), now)
	s.alarm.at(alarmSilent, now+s.engine.options.Timeout, now)
}

// ring does what is due.
func (s *session) ring() {
	defer s.survive()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	now := s.engine.now()
	if s.alarm.passed(alarmKey, now) {
		s.expireKey(now)
	}
	if s.alarm.passed(alarmReport, now) {
		s.sendReport(now)
		s.alarm.at(alarmReport, now+s.rtcp.interval(), now)
	}
	if s.alarm.passed(alarmSilent, now) {
		s.checkSilence(now)
	}
	if s.alarm.passed(alarmThin, now) {
		s.checkThin(now)
	}
	if s.alarm.passed(alarmFlush, now) {
		s.queue.flush()
		if s.queue.behind != nil {
			s.alarm.at(alarmFlush, now+flushPause, now)
		}
	}
	if s.alarm.passed(alarmSparse, now) && s.resting {
		s.out.talkspurt(now)
		s.transmit(now)
		s.rest(now)
	}
	s.alarm.arm(now)
}

// checkSilence tells Silent when nothing was heard for the time-out, again each
// time it passes. On hold nothing is expected.
func (s *session) checkSilence(now time.Duration) {
	timeout := s.engine.options.Timeout
	from := max(s.heard, s.latch.heard) // the latch counts no quiet behind the filter
	if s.held || !s.stream.Recv {
		from = now
	}
	if now-from >= timeout {
		s.tell(Event{Kind: Silent, At: now - s.base}, now)
		from = now
	}
	s.alarm.at(alarmSilent, from+timeout, now)
}
