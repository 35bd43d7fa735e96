package metrics

import "time"

// Call is what is counted of a call when it has ended.
type Call struct {
	End, Door, Language, Transport, Peer string

	Lasted   time.Duration
	Sources  []string // the roads by which keys came
	Repeated bool     // a key was told by two roads
	LostKeys uint64

	PacketsIn, PacketsOut uint64
	LostIn, LostOut       uint64
	Dropped               uint64
	Jitter                time.Duration
	Thinned               bool          // LostIn and Jitter are not known
	RoundTrip             time.Duration // 0: not known
	KeyFaults             []string
}

// CallEnded counts a call. What its packets did is counted here and not packet by
// packet: nothing stands in their way, and a call lasts a minute.
func (m *Metrics) CallEnded(c Call) {
	if m == nil {
		return
	}
	named := m.named.Load()
	door := m.words.doors.word(c.Door)
	m.calls.WithLabelValues(m.words.ends.word(c.End), door, named.languages.word(c.Language),
		m.words.transports.word(c.Transport), named.peers.word(c.Peer)).Inc()
	m.lasted.WithLabelValues(door).Observe(c.Lasted.Seconds())
	for _, s := range c.Sources {
		m.keys.add(s, 1)
	}
	if c.Repeated {
		m.repeats.Inc()
	}
	m.lostKeys.Add(float64(c.LostKeys))
	m.packetsIn.Add(float64(c.PacketsIn))
	m.packetsOut.Add(float64(c.PacketsOut))
	m.lostOut.Add(float64(c.LostOut))
	m.dropped.Add(float64(c.Dropped))
	switch {
	case c.Thinned:
		m.thinned.Inc()
	case c.PacketsIn > 0:
		m.lostIn.Add(float64(c.LostIn))
		m.jitter.Observe(c.Jitter.Seconds())
	}
	if c.RoundTrip > 0 {
		m.roundTrip.Observe(c.RoundTrip.Seconds())
	}
	for _, f := range c.KeyFaults {
		m.keyFaults.add(f, 1)
	}
}

// Answered counts the time from an INVITE to its 200.
func (m *Metrics) Answered(after time.Duration) {
	if m != nil {
		m.answered.Observe(after.Seconds())
	}
}

// FirstPacket counts the time from an ACK to the first packet.
func (m *Metrics) FirstPacket(after time.Duration) {
	if m != nil {
		m.firstPacket.Observe(after.Seconds())
	}
}

// PacketLate counts how late a packet of a talkspurt left.
func (m *Metrics) PacketLate(by time.Duration) {
	if m != nil {
		m.late.Observe(by.Seconds())
	}
}

// Refused counts a request that the front door did not serve.
func (m *Metrics) Refused(reason string) {
	if m != nil {
		m.refusals.add(reason, 1)
	}
}

// StoreAnswered counts one answer of a voicemail system.
func (m *Metrics) StoreAnswered(operation, backend, code string, after time.Duration) {
	if m == nil {
		return
	}
	operation, backend = m.words.operations.word(operation), m.named.Load().backends.word(backend)
	m.answers.WithLabelValues(operation, backend, m.words.codes.word(code)).Inc()
	m.took.WithLabelValues(operation, backend).Observe(after.Seconds())
}

// Changed counts a change by its outcome and, if it was refused, the answer's code.
func (m *Metrics) Changed(outcome, code string) {
	if m == nil {
		return
	}
	reason := noReason
	if code != "" {
		reason = m.words.reasons.word(code)
	}
	m.changes.WithLabelValues(m.words.outcomes.word(outcome), reason).Inc()
}

// CodeRefused counts a new code that a rule refused.
func (m *Metrics) CodeRefused(rule string) {
	if m != nil {
		m.refused.add(rule, 1)
	}
}

// LockedOut counts a try that the lock-out turned away.
func (m *Metrics) LockedOut(door string) {
	if m != nil {
		m.lockouts.add(door, 1)
	}
}

// Unrecorded counts a record that could not be written to the audit trail.
func (m *Metrics) Unrecorded() {
	if m != nil {
		m.unwritten.Inc()
	}
}

// Reloaded counts a configuration that was read again.
func (m *Metrics) Reloaded(ok bool) {
	if m == nil {
		return
	}
	result := reloadResults[0]
	if !ok {
		result = reloadResults[1]
	}
	m.reloads.add(result, 1)
}
