package sdp

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"star97/internal/codec"
)

// offeredEventPT is the payload type of telephone-event in our offers: what
// nearly every telephone uses, so that also those that ignore offers agree.
const offeredEventPT = 101

// writer builds a description in the order of RFC 4566 section 5.
type writer struct{ b bytes.Buffer }

// newWriter writes the session part; times is the value of the t= line.
func newWriter(local Local, times string) *writer {
	w := &writer{}
	family := "IP4"
	addr := local.Addr.Addr().Unmap()
	if addr.Is6() {
		family = "IP6"
	}
	addr = addr.WithZone("")
	w.line("v=0")
	w.line("o=star97 %d %d IN %s %s", local.SessionID, local.Version, family, addr)
	w.line("s=star97")
	w.line("c=IN %s %s", family, addr)
	w.line("t=%s", times)
	return w
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteString("\r\n")
}

func (w *writer) bytes() []byte { return w.b.Bytes() }

// audio writes our media line. red, if not 0, repeats the last of types, an event.
func (w *writer) audio(local Local, transport string, types []payloadType, red uint8, ptime time.Duration, dir Direction) {
	numbers := make([]string, len(types))
	for i, t := range types {
		numbers[i] = fmt.Sprint(t.number)
	}
	if red != 0 {
		numbers = append(numbers, fmt.Sprint(red))
	}
	w.line("m=audio %d %s %s", local.Addr.Port(), transport, strings.Join(numbers, " "))
	for _, t := range types {
		if t.codec != codec.None {
			w.line("a=rtpmap:%d %s/%d", t.number, t.codec, t.rate)
			continue
		}
		w.line("a=rtpmap:%d %s/%d", t.number, eventName, t.rate)
		last := 15
		if t.flash {
			last = 16
		}
		w.line("a=fmtp:%d 0-%d", t.number, last)
	}
	if red != 0 {
		event := types[len(types)-1]
		w.line("a=rtpmap:%d %s/%d", red, redName, event.rate)
		w.line("a=fmtp:%d %d/%d", red, event.number, event.number)
	}
	w.line("a=ptime:%d", ptime.Milliseconds())
	w.line("a=%s", dir)
}

// keys writes our keys, if there are any.
func (w *writer) keys(all ...cryptoLine) {
	for _, o := range all {
		if o.key.Suite() != 0 {
			w.line("a=crypto:%s", o.key.Attribute(o.tag))
		}
	}
}

// refused writes a line of the offer that we do not take: port 0 and the formats
// as they came (RFC 3264 section 6).
func (w *writer) refused(m *Media) {
	w.line("m=%s 0 %s %s", m.Kind, m.Proto, strings.Join(m.Formats, " "))
}

// offered is what our offer lists for the line m: the codecs that m has and we know,
// our others, and telephone-event with its redundancy. A payload type keeps the
// meaning that m gave it (RFC 3264 section 8.3.2).
func offered(local Local, m *Media) (types []payloadType, red uint8) {
	add := func(t payloadType) {
		if !slices.ContainsFunc(types, func(o payloadType) bool { return o.codec == t.codec && o.rate == t.rate }) {
			types = append(types, t)
		}
	}
	for _, t := range m.types {
		if t.codec != codec.None && slices.Contains(local.Codecs, t.codec) {
			add(t)
		}
	}
	for _, id := range local.Codecs {
		if f, ok := codec.ByID(id); ok && !m.lists(f.PayloadType) {
			add(payloadType{number: f.PayloadType, codec: id, rate: f.ClockRate})
		}
	}
	if local.NoEvents {
		return types, 0
	}
	if c, ok := m.common(local); ok && c.event.number != 0 {
		return append(types, c.event), c.red
	}
	for _, t := range types {
		if n := m.unused(types); n != 0 {
			add(payloadType{number: n, rate: t.rate})
		}
	}
	return types, 0
}

// unused is a payload type that neither m nor types give a meaning; 0 if there is none.
func (m *Media) unused(types []payloadType) uint8 {
	for n := uint8(offeredEventPT); n <= 127; n++ {
		if !m.lists(n) && !slices.ContainsFunc(types, func(t payloadType) bool { return t.number == n }) {
			return n
		}
	}
	return 0
}

// lists says whether number is one of m's formats.
func (m *Media) lists(number uint8) bool { return slices.Contains(m.Formats, fmt.Sprint(number)) }
