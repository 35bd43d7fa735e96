package sdp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"star97/internal/codec"
)

// Answer answers an offer: it takes the first audio line that we can serve with
// the offerer's first codec that we know (its order counts, RFC 3264 section 6.1),
// and refuses every other line. RTCP on the RTP port (RFC 5761) is not taken up.
// Errors: those of Parse, ErrNoAudio, ErrNoCommonCodec, ErrAddress, ErrSecurity, ErrLocal.
func Answer(offer []byte, local Local) ([]byte, Agreed, error) {
	if err := local.check(); err != nil {
		return nil, Agreed{}, err
	}
	d, err := Parse(offer)
	if err != nil {
		return nil, Agreed{}, err
	}
	i, c, err := d.choose(local)
	if err != nil {
		return nil, Agreed{}, err
	}
	m := &d.Media[i]
	dir, key := m.dir.reversed()|local.Direction, cryptoLine{c.key.tag, local.own(c.key.key.Suite())}
	w := newWriter(local, d.times)
	for j := range d.Media {
		if j == i {
			w.audio(local, m.Proto, c.formats(), c.red, m.PTime, dir)
			w.keys(key)
		} else {
			w.refused(&d.Media[j])
		}
	}
	a := m.agreed(c, dir, local)
	a.OurKey, a.TheirKey = key.key, c.key.key
	return w.bytes(), a, nil
}

// Offer makes our offer of one audio stream, for an INVITE that came without one
// and for the scripted telephone. local must be complete: an IP address, a port
// and known codecs. The lines of local.Settled stay, those that we refused too.
func Offer(local Local) []byte {
	d, i := local.settled()
	w := newWriter(local, noTimes)
	for j := range d.Media {
		if m := &d.Media[j]; j == i {
			types, red := offered(local, m)
			w.audio(local, local.transport(m.Proto), types, red, m.PTime, local.Direction)
			w.keys(local.offers()...)
		} else {
			w.refused(m)
		}
	}
	return w.bytes()
}

// settled is what an offer goes on from, and its audio line: without an earlier
// description one line that says nothing yet.
func (l Local) settled() (*Description, int) {
	if d, err := Parse(l.Settled); err == nil {
		if i, _, err := d.choose(l); err == nil {
			return d, i
		}
	}
	return &Description{Media: []Media{{PTime: defaultPTime}}}, 0
}

// Accept reads the answer to our offer. The payload types are those of our offer,
// as the far end sends them (RFC 3264 section 5.1). Errors: those of Parse,
// ErrAnswer, ErrNoAudio (the stream was refused), ErrNoCommonCodec, ErrAddress,
// ErrSecurity, ErrLocal.
func Accept(ourOffer, answer []byte, local Local) (Agreed, error) {
	if err := local.check(); err != nil {
		return Agreed{}, err
	}
	ours, err := Parse(ourOffer)
	if err != nil {
		return Agreed{}, fmt.Errorf("our own offer: %w", err)
	}
	theirs, err := Parse(answer)
	if err != nil {
		return Agreed{}, err
	}
	if len(theirs.Media) != len(ours.Media) {
		return Agreed{}, fmt.Errorf("%w: %d m= lines for %d offered", ErrAnswer, len(theirs.Media), len(ours.Media))
	}
	refused := false
	for i := range ours.Media {
		offered, m := &ours.Media[i], &theirs.Media[i]
		switch {
		case !offered.rtp() || offered.Port == 0:
			continue
		case m.Kind != offered.Kind || m.Proto != offered.Proto:
			return Agreed{}, fmt.Errorf("%w: m= line %d is of another kind than offered", ErrAnswer, i+1)
		case m.Port != 0:
			return m.accepted(offered, local)
		}
		refused = true
	}
	if refused {
		return Agreed{}, fmt.Errorf("%w (the far end refused the audio line)", ErrNoAudio)
	}
	return Agreed{}, fmt.Errorf("our own offer: %w", ErrNoAudio)
}

// accepted is what the answer m to the line that we offered comes to.
func (m *Media) accepted(offered *Media, local Local) (Agreed, error) {
	if err := m.reachable(local); err != nil {
		return Agreed{}, err
	}
	c, ok := m.common(local)
	if ok {
		c.audio, ok = offered.like(c.audio)
	}
	if !ok {
		return Agreed{}, fmt.Errorf("%w: %s", ErrNoCommonCodec, m.heard())
	}
	if c.event.number != 0 {
		c.event, _ = offered.like(c.event) // at a rate that we did not offer it is none
	}
	if c.red != offered.redOf(c.event) {
		c.red = 0
	}
	a := m.agreed(c, offered.dir|m.dir.reversed(), local)
	var err error
	a.OurKey, a.TheirKey, err = m.chosen(offered, local.Security)
	return a, err
}

// choice is what was picked from an audio line; event.number and red are 0
// without one.
type choice struct {
	audio, event payloadType
	red          uint8      // redundancy of event (RFC 4733 section 2.6.2)
	key          cryptoLine // theirs
}

func (c choice) formats() []payloadType {
	if c.event.number == 0 {
		return []payloadType{c.audio}
	}
	return []payloadType{c.audio, c.event}
}

// like finds t among the formats that m offered: under t's number, or else the
// first of its kind.
func (m *Media) like(t payloadType) (payloadType, bool) {
	kind := func(o payloadType) bool { return o.codec == t.codec && o.rate == t.rate }
	i := slices.IndexFunc(m.types, func(o payloadType) bool { return kind(o) && o.number == t.number })
	if i < 0 {
		i = slices.IndexFunc(m.types, kind)
	}
	if i < 0 {
		return payloadType{}, false
	}
	return m.types[i], true
}

// choose picks the first audio line that can be served; else the error of the
// line that came nearest.
func (d *Description) choose(local Local) (int, choice, error) {
	err := d.withoutAudio()
	for i := range d.Media {
		m := &d.Media[i]
		if !m.rtp() || m.Port == 0 {
			continue
		}
		c, ok := m.common(local)
		if !ok {
			err = fmt.Errorf("%w: %s", ErrNoCommonCodec, m.heard())
			continue
		}
		if e := m.reachable(local); e != nil {
			err = e
			continue
		}
		var e error
		if c.key, e = m.protection(local.Security); e != nil {
			err = e
			continue
		}
		return i, c, nil
	}
	return 0, choice{}, err
}

// withoutAudio tells which lines there were instead.
func (d *Description) withoutAudio() error {
	if len(d.Media) == 0 {
		return fmt.Errorf("%w; there is no m= line", ErrNoAudio)
	}
	var kinds []string
	for _, m := range d.Media {
		kinds = append(kinds, fmt.Sprintf("%.20q over %.20q port %d", m.Kind, m.Proto, m.Port))
	}
	return fmt.Errorf("%w; there is %s", ErrNoAudio, strings.Join(kinds, ", "))
}

// heard tells which formats m had, for the error.
func (m *Media) heard() string { return fmt.Sprintf("formats %.80q", strings.Join(m.Formats, " ")) }

// common picks the first codec of m that we have and the telephone-event that
// goes with it: of the codec's clock rate, or else the first.
func (m *Media) common(local Local) (choice, bool) {
	var c choice
	for _, t := range m.types {
		if t.codec != codec.None && slices.Contains(local.Codecs, t.codec) {
			c.audio = t
			break
		}
	}
	if c.audio.codec == codec.None {
		return choice{}, false
	}
	for _, t := range m.types {
		if !local.NoEvents && t.codec == codec.None && (c.event.number == 0 || t.rate == c.audio.rate && c.event.rate != t.rate) {
			c.event = t
		}
	}
	c.red = m.redOf(c.event)
	return c, true
}

// redOf is m's redundancy for event; 0 if there is none.
func (m *Media) redOf(event payloadType) uint8 {
	i := slices.IndexFunc(m.reds, func(r red) bool {
		return event.number != 0 && r.rate == event.rate && slices.Contains(r.of, fmt.Sprint(event.number))
	})
	if i < 0 {
		return 0
	}
	return m.reds[i].number
}

// reachable says why we cannot send to m's address.
func (m *Media) reachable(local Local) error {
	switch {
	case m.noAddr != "":
		return fmt.Errorf("%w: %s", ErrAddress, m.noAddr)
	case local.forbids(m.Addr):
		return fmt.Errorf("%w: it is our own machine's loopback, but the call came from %s", ErrAddress, local.Source)
	case !m.Addr.IsUnspecified() && m.Addr.Is4() != local.Addr.Addr().Unmap().Is4():
		return fmt.Errorf("%w: it is of another family than our address %s", ErrAddress, local.Addr.Addr())
	}
	return nil
}

// agreed joins the far end's media line, what was picked from it and our direction.
func (m *Media) agreed(c choice, ours Direction, local Local) Agreed {
	a := Agreed{
		Codec:     c.audio.codec,
		PT:        c.audio.number,
		EventPT:   c.event.number,
		EventRate: c.event.rate,
		RedPT:     c.red,
		PTime:     m.PTime,
		Send:      ours&noSend == 0,
		Recv:      ours&noRecv == 0,
	}
	if !m.Addr.IsUnspecified() {
		a.Remote = netip.AddrPortFrom(m.Addr, uint16(m.Port))
		if !local.forbids(m.RTCP.Addr()) {
			a.RemoteRTCP = m.RTCP
		}
	}
	return a
}
