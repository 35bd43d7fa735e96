package uas

import "encoding/binary"

// stunCookie stands in every STUN message since RFC 5389 (section 6), stunHeader is how long
// its header is.
const (
	stunCookie = 0x2112A442
	stunHeader = 20
)

// isSTUN is true for what STUN clients send, a NAT's binding kept open by it among others.
// SIP runs no server for it here, and nobody who speaks SIP waits for its answer, so there
// is none. Such a datagram is never SIP: its first bits are zero, no letter's.
func isSTUN(msg []byte) bool {
	return len(msg) >= stunHeader && msg[0]>>6 == 0 && binary.BigEndian.Uint32(msg[4:]) == stunCookie
}
