package media

import "star97/internal/srtp"

// protection is the SRTP of a session; without keys packets go as they are. The
// session's lock guards it.
type protection struct {
	ourKey, theirKey srtp.Key
	out, in          *srtp.Context // nil: plain
	sealed, opened   []byte
}

// rekey takes the keys of a stream. A key that stays keeps its context, and with it what
// is known of the packets so far (RFC 3711 section 3.2.3).
func (p *protection) rekey(ours, theirs srtp.Key) {
	if !ours.Equal(&p.ourKey) {
		p.ourKey, p.out = ours, contextOf(&ours)
		p.sealed = make([]byte, 0, maxDatagram+srtp.Overhead)
	}
	if !theirs.Equal(&p.theirKey) {
		p.theirKey, p.in = theirs, contextOf(&theirs)
		p.opened = make([]byte, 0, maxDatagram)
	}
}

// contextOf is nil without a key: that is the only error of a key that was read or made.
func contextOf(k *srtp.Key) *srtp.Context {
	c, err := srtp.NewContext(k)
	if err != nil {
		return nil
	}
	return c
}

// seal makes of a packet what is sent; nil if it may not be sent.
func (p *protection) seal(packet []byte) []byte {
	if p.out == nil {
		return packet
	}
	sealed, err := p.out.Protect(p.sealed, packet)
	if err != nil {
		return nil
	}
	return sealed
}

// sealControl is seal for RTCP.
func (p *protection) sealControl(packet []byte) []byte {
	if p.out == nil {
		return packet
	}
	sealed, err := p.out.ProtectControl(p.sealed, packet)
	if err != nil {
		return nil
	}
	return sealed
}

// open makes of a datagram the packet in it; nil if it does not prove to be the far end's.
func (p *protection) open(data []byte) []byte {
	if p.in == nil {
		return data
	}
	plain, err := p.in.Open(p.opened, data)
	if err != nil {
		return nil
	}
	return plain
}

// openControl is open for RTCP.
func (p *protection) openControl(data []byte) []byte {
	if p.in == nil {
		return data
	}
	plain, err := p.in.OpenControl(p.opened, data)
	if err != nil {
		return nil
	}
	return plain
}

// proves tells whether a packet that opens proves by itself whose it is.
func (p *protection) proves() bool { return p.in != nil }
