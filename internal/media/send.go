package media

import "time"

// talk sends the first packet of a talkspurt now, from the goroutine that asks for
// it, and moves the call's phase: the next frame leaves in the slot nearest to one
// frame later.
func (s *session) talk(now time.Duration) {
	s.out.talkspurt(now)
	s.transmit(now)
	s.due = s.pacer.add(s, slotNear(now+s.frame))
}

// tick sends the frame that was due at slot at. A session that has moved to
// another slot meanwhile, or may not send, lets it pass. One that is late by whole
// frames leaves them out of its time line and sends one, never a burst.
func (s *session) tick(at int64, now time.Duration) {
	defer s.survive()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due != at {
		return
	}
	late := now - time.Duration(at)*slot
	s.engine.options.Metrics.PacketLate(late)
	missed := late / s.frame
	if missed > 0 {
		s.out.skip(missed * s.frame)
	}
	frame := s.frame
	s.transmit(now)
	s.due = s.pacer.add(s, at+int64((missed+1)*frame/slot))
}

// transmit fills and sends one packet.
func (s *session) transmit(now time.Duration) {
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
}
