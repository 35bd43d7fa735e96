package sdp

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"star97/internal/codec"
)

// eventName is the encoding name of RFC 4733 section 7.1.1.
const eventName = "telephone-event"

// redName is that of RFC 2198 section 5.
const redName = "red"

// read takes what belongs to an audio line. An attribute with a bad value is
// passed over: it must not cost the call.
func (m *Media) read(session, own section) {
	conn := own.conn
	if conn == "" {
		conn = session.conn
	}
	if fields := strings.Fields(conn); len(fields) == 3 && fields[0] == "IN" {
		m.Addr, m.noAddr = address(fields[1], fields[2])
	} else {
		m.noAddr = "the audio line has no c= line of the form IN IP4 ADDRESS"
	}
	for _, list := range [][]attribute{session.attributes, own.attributes} {
		for _, a := range list {
			if d, ok := parseDirection(a.key); ok {
				m.dir = d
			}
		}
	}
	if m.Addr.IsUnspecified() { // hold of RFC 2543: nothing may be sent there
		m.dir |= noRecv
	}
	m.RTCP = m.control(own.value("rtcp"))
	m.PTime = packetTime(own.value("ptime"), own.value("maxptime"))
	m.readTypes(own)
	m.readKeys(own)
}

// address reads the address of a c= line; the second result says what is wrong.
func address(family, text string) (netip.Addr, string) {
	text, _, _ = strings.Cut(text, "/")
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return netip.Addr{}, "the c= line has no IP address; a name is not looked up"
	case a.Zone() != "":
		return netip.Addr{}, "the c= line has an address with a zone"
	case a.Is4() && family != "IP4" || a.Is6() && family != "IP6":
		return netip.Addr{}, "the c= line has an address of the other family"
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, "the c= line has a group address"
	}
	return a.Unmap(), ""
}

// control reads a=rtcp:PORT [IN IP4 ADDRESS] (RFC 3605); without one RTCP goes to
// the port after RTP (RFC 3550 section 11).
func (m *Media) control(text string) netip.AddrPort {
	fields := strings.Fields(text)
	addr := m.Addr
	port := uint64(m.Port) + 1
	if len(fields) > 0 {
		p, err := strconv.ParseUint(fields[0], 10, 16)
		if err == nil && p > 0 {
			port = p
		}
	}
	if len(fields) == 4 {
		if a, problem := address(fields[2], fields[3]); problem == "" {
			addr = a
		}
	}
	if !addr.IsValid() || addr.IsUnspecified() || m.Port == 0 || port > 0xFFFF {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

// packetTime is the time to send per packet: what ptime asks for, within maxptime
// and our own limits, in tens of milliseconds.
func packetTime(ptime, maxptime string) time.Duration {
	t := defaultPTime
	if ms, err := strconv.ParseUint(ptime, 10, 16); err == nil && ms > 0 {
		t = time.Duration(ms) * time.Millisecond
	}
	if ms, err := strconv.ParseUint(maxptime, 10, 16); err == nil && ms > 0 {
		t = min(t, time.Duration(ms)*time.Millisecond)
	}
	return min(max(t.Truncate(minPTime), minPTime), maxPTime)
}

// readTypes reads the formats of m: the static ones, those that a=rtpmap names,
// and which events a=fmtp lists.
func (m *Media) readTypes(own section) {
	seen := [128]bool{}
	for _, f := range m.Formats {
		n, err := strconv.ParseUint(f, 10, 7)
		// 72-76 would look like RTCP (RFC 3551 section 6); "00" could not be answered.
		if err != nil || n >= 72 && n <= 76 || seen[n] || len(f) > 1 && f[0] == '0' {
			continue
		}
		seen[n] = true
		rtpmap := own.parameter("rtpmap", f)
		if name, rate, _ := strings.Cut(rtpmap, "/"); strings.EqualFold(name, redName) && n != 0 {
			rate, _, _ = strings.Cut(rate, "/") // without channels
			hz, _ := strconv.Atoi(rate)
			m.reds = append(m.reds, red{uint8(n), hz, strings.Split(own.parameter("fmtp", f), "/")})
			continue
		}
		if t, ok := mapped(uint8(n), rtpmap); ok {
			t.flash = t.codec == codec.None && lists(own.parameter("fmtp", f), 16)
			m.types = append(m.types, t)
		}
	}
}

// parameter is the value of "a=key:format value", empty without one.
func (s section) parameter(key, format string) string {
	for _, a := range s.attributes {
		if a.key != key {
			continue
		}
		first, rest, _ := strings.Cut(a.value, " ")
		if first == format {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// mapped reads "NAME/RATE[/CHANNELS]"; without it n is a static payload type.
func mapped(n uint8, rtpmap string) (payloadType, bool) {
	if rtpmap == "" {
		id, ok := codec.ByPayloadType(n)
		if !ok {
			return payloadType{}, false
		}
		f, _ := codec.ByID(id)
		return payloadType{number: n, codec: id, rate: f.ClockRate}, true
	}
	parts := strings.Split(rtpmap, "/")
	if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "1" {
		return payloadType{}, false
	}
	rate, err := strconv.Atoi(parts[1])
	if err != nil || rate < 8000 || rate > 192000 {
		return payloadType{}, false
	}
	if strings.EqualFold(parts[0], eventName) {
		// Type 0 says "no events" in Agreed, and nobody puts them there.
		return payloadType{number: n, rate: rate}, n != 0
	}
	id, ok := codec.ByName(parts[0], rate)
	return payloadType{number: n, codec: id, rate: rate}, ok
}

// lists says whether an events parameter such as "0-15,66,70" holds event n
// (RFC 4733 section 2.4.1).
func lists(events string, n int) bool {
	for part := range strings.SplitSeq(events, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		to := from
		if ranged {
			if to, err = strconv.Atoi(high); err != nil {
				continue
			}
		}
		if from <= n && n <= to {
			return true
		}
	}
	return false
}
