package sdp

import (
	"fmt"
	"strings"

	"star97/internal/srtp"
)

// Security says whether audio is protected with SRTP.
type Security uint8

// The ways. The zero value is plain RTP alone.
const (
	Plain    Security = iota // keys that are offered are passed over
	Either                   // protected where the far end can, plain else (RFC 8643)
	Required                 // protected, or no call
)

// The transports of an audio line, without the F of those with feedback.
const (
	plainProto  = "RTP/AVP"
	secureProto = "RTP/SAVP"
)

// cryptoLine is one a=crypto line (RFC 4568).
type cryptoLine struct {
	tag uint32
	key srtp.Key
}

// secure says whether the line's transport is protected by its name. An RTP/AVP line with
// keys may be protected too (RFC 8643).
func (m *Media) secure() bool { return strings.TrimSuffix(m.Proto, "F") == secureProto }

// readKeys takes the a=crypto lines that can be used, in their order.
func (m *Media) readKeys(own section) {
	for _, a := range own.attributes {
		if a.key != "crypto" {
			continue
		}
		if tag, k, err := srtp.ParseAttribute(a.value); err == nil {
			m.keys = append(m.keys, cryptoLine{tag, k})
		}
	}
}

// protection is what was picked of a line's keys; key 0 is plain RTP.
func (m *Media) protection(s Security) (cryptoLine, error) {
	switch {
	case s != Plain && len(m.keys) > 0:
		return m.keys[0], nil
	case m.secure() && s == Plain:
		return cryptoLine{}, fmt.Errorf("%w: it is offered over %s, and SRTP is off for this call", ErrSecurity, m.Proto)
	case m.secure():
		return cryptoLine{}, fmt.Errorf("%w: it has no a=crypto line that we can use", ErrSecurity)
	case s == Required:
		return cryptoLine{}, fmt.Errorf("%w: it is plain RTP, and SRTP is required for this call", ErrSecurity)
	}
	return cryptoLine{}, nil
}

// own is our key for a suite: the one of the session so far, or a new one.
func (l Local) own(s srtp.Suite) srtp.Key {
	switch {
	case s == 0:
		return srtp.Key{}
	case l.Key.Suite() == s:
		return l.Key
	}
	return srtp.NewKey(s)
}

// offers are the keys of our own offer: one of each suite, or that of the session so far.
func (l Local) offers() (all []cryptoLine) {
	if l.Security == Plain {
		return nil
	}
	if l.Key.Suite() != 0 {
		return []cryptoLine{{1, l.Key}}
	}
	for i, s := range srtp.Suites() {
		all = append(all, cryptoLine{uint32(i + 1), srtp.NewKey(s)})
	}
	return all
}

// transport is that of our own offer for a line that had proto, empty for none.
func (l Local) transport(proto string) string {
	switch {
	case proto != "":
		return proto
	case l.Security == Required:
		return secureProto
	}
	return plainProto
}

// chosen is the key of our offer that an answer took, which says so by its tag, and
// theirs. Both are zero where the answer stays plain.
func (m *Media) chosen(offered *Media, s Security) (ours, theirs srtp.Key, err error) {
	took, err := m.protection(s)
	if err != nil || took.key.Suite() == 0 {
		return srtp.Key{}, srtp.Key{}, err
	}
	for _, o := range offered.keys {
		if o.tag == took.tag && o.key.Suite() == took.key.Suite() {
			return o.key, took.key, nil
		}
	}
	return srtp.Key{}, srtp.Key{}, fmt.Errorf("%w: its a=crypto line has the tag of none that we offered", ErrAnswer)
}
