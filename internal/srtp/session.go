package srtp

// Session protects both directions of one stream, RTP and RTCP; without keys packets go
// as they are, which is the zero value. It is not safe for concurrent use.
type Session struct {
	ourKey, theirKey Key
	out, in          *Context // nil: no key, or none that can be used
	before           *Context // of their key before this one, until Forget
	sealed, opened   []byte
}

// maxPacket is the longest packet without protection, in bytes: an Ethernet frame's.
const maxPacket = 1500

// Rekey takes the keys of a stream. A key that stays keeps its context, and with it what
// is known of the packets so far (RFC 3711 section 3.2.3). Where theirs changes, packets open
// under the one before as well, until Forget: the far end goes over to the new one when our
// answer reaches it, and what it has sent until then is on its way.
func (s *Session) Rekey(ours, theirs Key) {
	if !ours.Equal(&s.ourKey) {
		s.ourKey, s.out = ours, contextOf(&ours)
		s.sealed = make([]byte, 0, maxPacket+Overhead)
	}
	if !theirs.Equal(&s.theirKey) {
		s.before = s.in
		s.theirKey, s.in = theirs, contextOf(&theirs)
		s.opened = make([]byte, 0, maxPacket)
	}
}

// Forget ends what opens under the key before.
func (s *Session) Forget() { s.before = nil }

// contextOf is nil without a key, and for one that cannot be used, under which nothing is
// sent or opened.
func contextOf(k *Key) *Context {
	c, err := NewContext(k)
	if err != nil {
		return nil
	}
	return c
}

// plain is a packet without protection where there is no key; nil where there is one.
func plain(packet []byte, k *Key) []byte {
	if k.suite != 0 {
		return nil
	}
	return packet
}

// Seal makes of a packet what is sent; nil if it may not be sent. The result is lent until the
// next one.
func (s *Session) Seal(packet []byte) []byte {
	if s.out == nil {
		return plain(packet, &s.ourKey)
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
		return plain(packet, &s.ourKey)
	}
	sealed, err := s.out.ProtectControl(s.sealed, packet)
	if err != nil {
		return nil
	}
	return sealed
}

// Open makes of a datagram the packet in it; nil if it does not prove to be the far end's.
// The result is lent until the next one.
func (s *Session) Open(data []byte) []byte { return s.opens(data, (*Context).Open) }

// OpenControl is Open for RTCP.
func (s *Session) OpenControl(data []byte) []byte { return s.opens(data, (*Context).OpenControl) }

func (s *Session) opens(data []byte, open func(c *Context, dst, packet []byte) ([]byte, error)) []byte {
	for _, c := range [...]*Context{s.in, s.before} {
		if c == nil {
			continue
		}
		if opened, err := open(c, s.opened, data); err == nil {
			return opened
		}
	}
	if s.in != nil {
		return nil
	}
	return plain(data, &s.theirKey)
}

// Proves tells whether a packet that opens proves by itself whose it is.
func (s *Session) Proves() bool { return s.in != nil }
