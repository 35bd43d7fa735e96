package sdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

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
	times string  // the t= line's value, which an answer repeats
}

// Media is one m= line with what belongs to it. Only the first four fields are
// read of anything but audio over RTP/AVP.
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
}

// payloadType is one usable RTP format of an audio line.
type payloadType struct {
	number uint8
	codec  codec.ID // None for telephone-event
	rate   int
	flash  bool // telephone-event with event 16
}

// proto is the only transport we speak.
const proto = "RTP/AVP"

// placeholder stands for an m= line that we will refuse: pion knows no fax lines
// (m=image PORT udptl t38), and nothing of the line is needed.
const placeholder = "m=application 0 TCP 0"

// Parse reads a session description. Errors: ErrTooBig, ErrSyntax, which name the
// line by its number and type.
func Parse(body []byte) (*Description, error) {
	if len(body) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooBig, len(body), MaxSize)
	}
	s, err := screenLines(body)
	if err != nil {
		return nil, err
	}
	var raw sdp.SessionDescription
	if err := raw.UnmarshalString(s.text()); err != nil {
		return nil, s.blame(err)
	}
	d := &Description{Media: s.media, times: s.times}
	for i := range d.Media {
		if d.Media[i].rtp() {
			if err := d.Media[i].read(&raw, raw.MediaDescriptions[i]); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// screened is a description after the first pass: only lines that matter.
type screened struct {
	lines   []string
	numbers []int // of each line in the body
	media   []Media
	times   string
}

func (s *screened) text() string { return strings.Join(s.lines, "\r\n") + "\r\n" }

// screenLines enforces the limits, leaves out what we do not use (titles,
// bandwidth, keys, time zones) and keeps the m= lines for the answer.
func screenLines(body []byte) (*screened, error) {
	s := &screened{}
	number := 0
	skip := false // inside a media section that we do not read
	for line := range bytes.Lines(body) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		if number > MaxLines {
			return nil, fmt.Errorf("%w: more than %d lines", ErrTooBig, MaxLines)
		}
		if len(line) > MaxLine {
			return nil, fmt.Errorf("%w: line %d has more than %d bytes", ErrTooBig, number, MaxLine)
		}
		if len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' {
			return nil, syntaxError(number, "", "is not of the form type=value")
		}
		if bytes.ContainsFunc(line, isControl) {
			return nil, syntaxError(number, string(line[:2]), "has a control character")
		}
		text := string(line)
		switch line[0] {
		case 'm':
			m, err := mediaLine(text[2:], number)
			if err != nil {
				return nil, err
			}
			if len(s.media) == MaxMedia {
				return nil, fmt.Errorf("%w: more than %d m= lines", ErrTooBig, MaxMedia)
			}
			s.media = append(s.media, m)
			skip = !m.rtp()
			if skip {
				s.add(placeholder, number)
				continue
			}
		case 't':
			if s.times == "" && len(s.media) == 0 {
				s.times = text[2:]
			}
		case 'v', 'o', 's', 'c', 'a':
		default:
			continue
		}
		if !skip {
			s.add(text, number)
		}
	}
	return s, s.complete()
}

func (s *screened) add(line string, number int) {
	s.lines = append(s.lines, line)
	s.numbers = append(s.numbers, number)
}

// complete says which line that RFC 4566 section 5 requires is missing.
func (s *screened) complete() error {
	for _, kind := range []string{"v=", "o=", "s=", "t="} {
		found := false
		for _, line := range s.lines {
			found = found || strings.HasPrefix(line, kind)
		}
		if !found {
			return fmt.Errorf("%w: no %s line", ErrSyntax, kind)
		}
	}
	return nil
}

// blame finds the line that pion refuses: the first whose addition makes it fail.
func (s *screened) blame(cause error) error {
	i := sort.Search(len(s.lines), func(i int) bool {
		head := screened{lines: s.lines[:i+1]}
		var raw sdp.SessionDescription
		return raw.UnmarshalString(head.text()) != nil
	})
	if i == len(s.lines) {
		return fmt.Errorf("%w: %w", ErrSyntax, cause)
	}
	return syntaxError(s.numbers[i], s.lines[i][:2], "has a bad value or stands in the wrong place")
}

// isControl finds what would end a line for one reader and not for another.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

func syntaxError(number int, kind, problem string) error {
	if kind != "" {
		kind = " (" + kind + ")"
	}
	return fmt.Errorf("%w: line %d%s %s", ErrSyntax, number, kind, problem)
}

// mediaLine reads the value of an m= line: media port[/count] proto fmt ...
func mediaLine(value string, number int) (Media, error) {
	fields := strings.Fields(value)
	if len(fields) < 4 {
		return Media{}, syntaxError(number, "m=", "needs media, port, transport and a format")
	}
	if len(fields)-3 > maxFormats {
		return Media{}, fmt.Errorf("%w: line %d (m=) has more than %d formats", ErrTooBig, number, maxFormats)
	}
	first, _, _ := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return Media{}, syntaxError(number, "m=", "has a port that is not 0 to 65535")
	}
	return Media{Kind: fields[0], Port: int(port), Proto: fields[2], Formats: fields[3:]}, nil
}

// rtp says whether m is audio over plain RTP, the only kind that is read.
func (m *Media) rtp() bool { return m.Kind == "audio" && m.Proto == proto }
