package srtp

import (
	"errors"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/srtp/v3"
)

// Overhead is the most bytes that protection adds to a packet: a tag, the index of
// RTCP and a key identifier.
const Overhead = 16 + 4 + maxMKI

// replayWindow is how far back a late packet may be (RFC 3711 section 3.3.2): over a
// second of audio.
const replayWindow = 64

// Context protects or opens the packets of one direction. It keeps the rollover counter
// and the replay window of each SSRC that has proved itself; it is not safe for
// concurrent use.
type Context struct {
	c    *pion.Context
	rtp  rtp.Header
	rtcp rtcp.Header
}

// NewContext makes the context of a key. The error is that of a zero Key.
func NewContext(k *Key) (*Context, error) {
	if k.suite == 0 || k.suite >= numSuites {
		return nil, errors.New("there is no key")
	}
	of := &suites[k.suite]
	options := []pion.ContextOption{pion.SRTPReplayProtection(replayWindow), pion.SRTCPReplayProtection(replayWindow)}
	if k.mkiLen > 0 {
		options = append(options, pion.MasterKeyIndicator(k.mki[:k.mkiLen]))
	}
	c, err := pion.CreateContext(k.master[:of.key], k.master[of.key:of.key+of.salt], of.profile, options...)
	if err != nil {
		return nil, err
	}
	return &Context{c: c}, nil
}

// Protect appends the protected packet to dst[:0]; with Overhead bytes of room it
// allocates nothing. packet is RTP with its header.
func (c *Context) Protect(dst, packet []byte) ([]byte, error) {
	return c.c.EncryptRTP(dst[:0], packet, &c.rtp)
}

// ProtectControl is Protect for a compound packet of RTCP.
func (c *Context) ProtectControl(dst, packet []byte) ([]byte, error) {
	return c.c.EncryptRTCP(dst[:0], packet, &c.rtcp)
}

// Open appends the packet's plain RTP to dst[:0]. An error means that the packet is not
// the far end's, was changed on its way, or came before.
func (c *Context) Open(dst, packet []byte) ([]byte, error) {
	return c.c.DecryptRTP(dst[:0], packet, &c.rtp)
}

// OpenControl is Open for RTCP.
func (c *Context) OpenControl(dst, packet []byte) ([]byte, error) {
	return c.c.DecryptRTCP(dst[:0], packet, &c.rtcp)
}
