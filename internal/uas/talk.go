package uas

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/codec"
	"star97/internal/media"
	"star97/internal/sdp"
	"star97/internal/srtp"
)

// talk is the offer/answer state of a dialog (RFC 3264).
type talk struct {
	session uint64   // o= session id
	version uint64   // of the last description sent
	sent    []byte   // the last description sent
	settled []byte   // the far end's last description that was agreed to
	key     srtp.Key // ours, of the last description that was agreed to
	stream  media.Stream
}

// codecs in our order of preference: the caller hears twice the band in the first one.
var codecs = []codec.ID{codec.G722, codec.PCMU, codec.PCMA}

func (d *dialog) localSDP(version uint64) sdp.Local {
	return sdp.Local{
		Addr:   d.mediaAddr(),
		Source: d.signaller(), Settled: d.talk.settled,
		Codecs: d.peer.codecs, SessionID: d.talk.session, Version: version,
		Security: d.security(), Key: d.talk.key,
	}
}

// security is how the audio of this call is protected: keys are taken over TLS alone, also
// from a request within the call.
func (d *dialog) security() sdp.Security {
	switch {
	case !isSecure(d.near.network), !isSecure(d.network):
		return sdp.Plain
	case d.peer.srtp == srtpRequired:
		return sdp.Required
	case d.peer.srtp == srtpOffered:
		return sdp.Either
	}
	return sdp.Plain
}

// mediaAddr is where RTP comes to: the address that media is bound to, or what is
// advertised in its place.
func (d *dialog) mediaAddr() netip.AddrPort {
	at := d.session.LocalAddr()
	if at.Addr().IsUnspecified() || d.near.advertised {
		return netip.AddrPortFrom(d.near.shown, at.Port())
	}
	return at
}

// versioned makes a description whose version has grown if, and only if, it
// differs from the last one (RFC 3264 section 8).
func (d *dialog) versioned(describe func(sdp.Local) ([]byte, error)) ([]byte, error) {
	body, err := describe(d.localSDP(d.talk.version))
	if err != nil || bytes.Equal(body, d.talk.sent) {
		return body, err
	}
	version := d.talk.version
	if d.talk.sent != nil {
		version++
		if body, err = describe(d.localSDP(version)); err != nil {
			return nil, err
		}
	}
	d.talk.version, d.talk.sent = version, body
	return body, nil
}

// answerOffer answers the far end's offer; settle sets the stream to it.
func (d *dialog) answerOffer(offer []byte) (body []byte, settle func(), refused *refusal) {
	var agreed sdp.Agreed
	body, err := d.versioned(func(local sdp.Local) (body []byte, err error) {
		body, agreed, err = sdp.Answer(offer, local)
		return body, err
	})
	if err != nil {
		return nil, nil, refuseOffer(err)
	}
	return body, func() { d.agree(agreed, offer) }, nil
}

// makeOffer is ours, for a request that brought none.
func (d *dialog) makeOffer() ([]byte, *refusal) {
	body, err := d.versioned(func(local sdp.Local) ([]byte, error) { return sdp.Offer(local), nil })
	if err != nil {
		return nil, refuseOffer(err)
	}
	return body, nil
}

// takeAnswer takes the answer to our offer, nil if none came; false ends the call.
func (d *dialog) takeAnswer(offer, answer []byte) bool {
	refused := d.answered(offer, answer)
	if refused != nil {
		d.log.Info("the answer does not fit our offer; the call is ended", "reason", refused.why())
	}
	return refused == nil
}

// answered takes the answer to our offer, or says why that cannot be.
func (d *dialog) answered(offer, answer []byte) *refusal {
	if answer == nil {
		return refuse(sip.StatusBadRequest, "Missing Session Description").because("our offer got no answer")
	}
	agreed, err := sdp.Accept(offer, answer, d.localSDP(d.talk.version))
	if err != nil {
		return refuseOffer(err)
	}
	d.agree(agreed, answer)
	return nil
}

func (d *dialog) agree(a sdp.Agreed, theirs []byte) {
	d.talk.settled, d.talk.key = bytes.Clone(theirs), a.OurKey
	d.stream(media.Stream{
		Remote: a.Remote, RemoteRTCP: a.RemoteRTCP,
		Codec: a.Codec, PT: a.PT, EventPT: a.EventPT, EventRate: a.EventRate, RedPT: a.RedPT,
		PTime: a.PTime, Send: a.Send, Recv: a.Recv, Inband: d.peer.inband, Sparse: d.peer.sparse,
		Signaller: d.signaller(), AnyHost: d.peer.anyRTP,
		OurKey: a.OurKey, TheirKey: a.TheirKey,
	})
}

// stream sets what is sent and received.
func (d *dialog) stream(s media.Stream) {
	d.talk.stream = s
	d.session.Set(s)
	// A hint: where the queue is full of keys it is left out.
	if d.ready && len(d.signals) < keysMax {
		d.signals <- &call.Signal{Kind: call.Renegotiated}
	}
}

// signaller is the host that the far end's last message came from.
func (d *dialog) signaller() netip.Addr {
	from, _ := netip.ParseAddrPort(d.source) // not valid: nobody
	return from.Addr().Unmap()
}

// refuseOffer is 400 for what is no description, 488 with a Warning for one that
// cannot be met (RFC 3261 sections 21.4.26 and 20.43).
func refuseOffer(err error) *refusal {
	if errors.Is(err, sdp.ErrSyntax) || errors.Is(err, sdp.ErrTooBig) {
		return refuse(sip.StatusBadRequest, "Bad Session Description").because(err.Error())
	}
	code, text := "399", "Session description cannot be met"
	switch {
	case errors.Is(err, sdp.ErrNoCommonCodec):
		code, text = "305", "Incompatible media format: G722, PCMU or PCMA is needed"
	case errors.Is(err, sdp.ErrSecurity):
		code, text = "304", "Media type not available: its security does not fit"
	case errors.Is(err, sdp.ErrNoAudio):
		code, text = "304", "Media type not available: RTP/AVP audio is needed"
	}
	return refuse(sip.StatusNotAcceptableHere, "Not Acceptable Here", "Warning: "+code+" "+product+" \""+text+"\"").because(err.Error())
}

// randomToken is 128 random bits, for tags and branches.
func randomToken() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// randomID is an o= session id: positive in 63 bits, since some readers are signed.
func randomID() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) >> 2
}
