package srtp

// Session protects both directions of one stream, RTP and RTCP; without keys packets go
// as they are, which is the zero value. It is not safe for concurrent use.
type Session struct {
	ourKey, theirKey Key
	out, in          *Context // nil: plain
	sealed, opened   []byte
}

// maxPacket is the longest packet without protection, in bytes: an Ethernet frame's.
const maxPacket = 1500

// Rekey takes the keys of a stream. A key that stays keeps its context, and with it what
// is known of the packets so far (RFC 3711 section 3.2.3).
func (s *Session) Rekey(ours, theirs Key) {
	if !ours.Equal(&s.ourKey) {
		s.ourKey, s.out = ours, contextOf(&ours)
		s.sealed = make([]byte, 0, maxPacket+Overhead)
	}
	if !theirs.Equal(&s.theirKey) {
		s.theirKey, s.in = theirs, contextOf(&theirs)
		s.opened = make([]byte, 0, maxPacket)
	}
}

// contextOf is nil without a key: that is the only error of a key that was read or made.
func contextOf(k *Key) *Context {
	c, err := NewContext(k)
	if err != nil {
		return nil
	}
	return c
}

// Seal makes of a packet what is sent; nil if it may not be sent. The result is lent until the
// next one.
func (s *Session) Seal(packet []byte) []byte {
	if s.out == nil {
		return packet
	}
	sealed, err := s.out.Protect(s.sealed, packet)
	if err != nil {
		return nil
	}
	return sealed
}

// SealControl is Seal for RTCP.
func (s *Session) SealControl(packet []byte) []byte {
	if s.out == nil {
		return packet
	}
	sealed, err := s.out.ProtectControl(s.sealed, packet)
	if err != nil {
		return nil
	}
	return sealed
}

// Open makes of a datagram the packet in it; nil if it does not prove to be the far end's.
// The result is lent until the next one.
func (s *Session) Open(data []byte) []byte {
	if s.in == nil {
		return data
	}
	plain, err := s.in.Open(s.opened, data)
	if err != nil {
		return nil
	}
	return plain
}

// OpenControl is Open for RTCP.
func (s *Session) OpenControl(data []byte) []byte {
	if s.in == nil {
		return data
	}
	plain, err := s.in.OpenControl(s.opened, data)
	if err != nil {
		return nil
	}
	return plain
}

// Proves tells whether a packet that opens proves by itself whose it is.
func (s *Session) Proves() bool { return s.in != nil }
