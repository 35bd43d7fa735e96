package media

import "time"

// talk sends the first packet of a talkspurt now, from the goroutine that asks for
// it, and moves the call's phase: the next frame leaves in the slot nearest to one
// frame later.
func (s *session) talk(now time.Duration) {
	s.resting = false
	s.out.talkspurt(now)
	s.transmit(now)
	s.due = s.carrier.add(s, slotNear(now+s.frame))
}

// tick sends the frame that was due at slot at, or hands it to the row of its slot: lateness is
// measured before the row leaves, which takes up to a millisecond for 200 calls. A session that has moved to
// another slot meanwhile, or may not send, lets it pass. One that is late by whole
// frames leaves them out of its time line and sends one, never a burst. It returns whether
// the run loop was told something.
func (s *session) tick(at int64, now time.Duration) (told bool) {
	defer s.survive()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due != at {
		return false
	}
	late := now - time.Duration(at)*slot
	s.engine.options.Metrics.PacketLate(late)
	missed := late / s.frame
	if missed > 0 {
		s.out.skip(missed * s.frame)
	}
	frame, silent := s.frame, s.player.silent()
	told = s.transmit(now)
	if silent && s.stream.Sparse {
		s.rest(now)
		return told
	}
	s.due = s.carrier.add(s, at+int64((missed+1)*frame/slot))
	return told
}

// sparseEvery is how often a frame is sent to a sparse peer while nothing is said: often
// enough for NATs and for relays that learn an address from what comes.
const sparseEvery = time.Second

// rest leaves the schedule of frames until there is something to say.
func (s *session) rest(now time.Duration) {
	s.resting, s.due = true, 0
	s.alarm.at(alarmSparse, now+sparseEvery, now)
}

// transmit fills and sends one packet. It returns whether the run loop was told something.
func (s *session) transmit(now time.Duration) bool {
	payload := s.packet[headerSize:]
	started, finished := s.player.fill(payload)
	s.out.put(s.packet)
	if sealed := s.guard.Seal(s.packet); sealed != nil {
		if _, err := s.ports.rtp.WriteToUDPAddrPort(sealed, s.latch.target()); err == nil {
			s.stats.PacketsOut++
		}
	}
	s.out.advance(len(payload), s.frame)
	tag := s.player.utter.Tag
	if started {
		s.tell(Event{Kind: Started, Tag: tag, At: now - s.base}, now)
	}
	if finished {
		s.tell(Event{Kind: Finished, Tag: tag, At: now - s.base}, now)
	}
	return started || finished
}
