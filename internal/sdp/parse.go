package sdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"star97/internal/codec"
)

// Limits of what is read; a telephone sends a tenth of them.
const (
	MaxSize    = 16 << 10 // bytes
	MaxLines   = 512
	MaxLine    = 1024 // bytes in one line
	MaxMedia   = 16   // m= lines
	maxFormats = 64   // payload types of one m= line
)

// Description is a session description, read and checked.
type Description struct {
	Media []Media // every m= line, in order
	times string  // the t= line's value, which an answer repeats (RFC 3264 section 6)
}

// Media is one m= line with what belongs to it. Only the first four fields are
// read of anything but audio over RTP.
type Media struct {
	Kind    string // audio, image, ...
	Port    int    // 0: refused or unused
	Proto   string // RTP/AVP, udptl, ...
	Formats []string

	Addr  netip.Addr     // the media's c= or the session's; unspecified: hold (RFC 2543)
	RTCP  netip.AddrPort // a=rtcp, or the port after Port; not valid if there is none
	PTime time.Duration  // a=ptime within a=maxptime and our own limits

	noAddr string // why Addr is not valid, for the error
	dir    Direction
	types  []payloadType // in the order of Formats
	reds   []red
	keys   []cryptoLine // for what the describer sends
}

// payloadType is one usable RTP format of an audio line.
type payloadType struct {
	number uint8
	codec  codec.ID // None for telephone-event
	rate   int
	flash  bool // telephone-event with event 16
}

// red is a format that repeats older packets of others (RFC 2198).
type red struct {
	number uint8
	rate   int
	of     []string // the formats that its a=fmtp lists
}

// noTimes is the t= value of a session without bounds, as calls are.
const noTimes = "0 0"

// section is what is read of the session or of one m= line. Of other lines nothing
// is needed, so nothing is asked of them: systems leave them out, fill them with
// what is no origin or time, and mix their order, and none of that costs a call.
type section struct {
	conn       string // the c= line's value; empty without one
	attributes []attribute
}

type attribute struct{ key, value string }

// value is the first value of an attribute, empty without one.
func (s section) value(key string) string {
	for _, a := range s.attributes {
		if a.key == key {
			return a.value
		}
	}
	return ""
}

// Parse reads a session description. Errors: ErrTooBig, ErrSyntax, which name the
// line by its number and type.
func Parse(body []byte) (*Description, error) {
	if len(body) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooBig, len(body), MaxSize)
	}
	d := &Description{times: noTimes}
	var session section
	var sections []section // of each m= line
	at := &session
	number, begun := 0, false
	for line := range bytes.Lines(bytes.TrimRight(body, "\x00")) {
		number++
		kind, text, err := splitLine(line, number)
		switch {
		case err != nil:
			return nil, err
		case kind == 0: // empty
			continue
		case !begun && (kind != 'v' || text != "0"):
			return nil, syntaxError(number, kind, "stands where v=0 has to")
		}
		begun = true
		switch kind {
		case 'm':
			m, err := mediaLine(text, number)
			if err != nil {
				return nil, err
			}
			if len(d.Media) == MaxMedia {
				return nil, fmt.Errorf("%w: more than %d m= lines", ErrTooBig, MaxMedia)
			}
			d.Media = append(d.Media, m)
			sections = append(sections, section{})
			at = &sections[len(sections)-1]
		case 't':
			if isTimes(text) && len(d.Media) == 0 && d.times == noTimes {
				d.times = text
			}
		case 'c':
			at.conn = text
		case 'a':
			key, value, _ := strings.Cut(text, ":")
			at.attributes = append(at.attributes, attribute{strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	if !begun {
		return nil, fmt.Errorf("%w: no v= line", ErrSyntax)
	}
	for i := range d.Media {
		if d.Media[i].rtp() {
			d.Media[i].read(session, sections[i])
		}
	}
	return d, nil
}

// splitLine splits "type=value" and enforces the limits of a line; the type of an
// empty line is 0.
func splitLine(line []byte, number int) (kind byte, value string, err error) {
	line = bytes.TrimRight(line, "\r\n\t ")
	switch {
	case len(line) == 0:
		return 0, "", nil
	case number > MaxLines:
		return 0, "", fmt.Errorf("%w: more than %d lines", ErrTooBig, MaxLines)
	case len(line) > MaxLine:
		return 0, "", fmt.Errorf("%w: line %d has more than %d bytes", ErrTooBig, number, MaxLine)
	case len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z':
		return 0, "", syntaxError(number, 0, "is not of the form type=value")
	case bytes.ContainsFunc(line, isControl):
		return 0, "", syntaxError(number, line[0], "has a control character")
	}
	return line[0], string(line[2:]), nil
}

// isControl finds what would end a line for one reader and not for another.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// isTimes says whether a t= value can be repeated: two numbers.
func isTimes(text string) bool {
	start, stop, ok := strings.Cut(text, " ")
	_, bad1 := strconv.ParseUint(start, 10, 64)
	_, bad2 := strconv.ParseUint(stop, 10, 64)
	return ok && bad1 == nil && bad2 == nil
}

func syntaxError(number int, kind byte, problem string) error {
	of := ""
	if kind != 0 {
		of = fmt.Sprintf(" (%c=)", kind)
	}
	return fmt.Errorf("%w: line %d%s %s", ErrSyntax, number, of, problem)
}

// mediaLine reads the value of an m= line: media port[/count] proto fmt ...
func mediaLine(value string, number int) (Media, error) {
	fields := strings.Fields(value)
	if len(fields) < 4 {
		return Media{}, syntaxError(number, 'm', "needs media, port, transport and a format")
	}
	if len(fields)-3 > maxFormats {
		return Media{}, fmt.Errorf("%w: line %d (m=) has more than %d formats", ErrTooBig, number, maxFormats)
	}
	first, _, _ := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return Media{}, syntaxError(number, 'm', "has a port that is not 0 to 65535")
	}
	return Media{Kind: fields[0], Port: int(port), Proto: fields[2], Formats: fields[3:]}, nil
}

// rtp says whether m is audio over RTP or SRTP, the only kind that is read. AVPF is
// AVP with feedback that may be sent; an answer without a=rtcp-fb agrees to none
// (RFC 4585 section 4).
func (m *Media) rtp() bool {
	return m.Kind == "audio" && (strings.TrimSuffix(m.Proto, "F") == plainProto || m.secure())
}
