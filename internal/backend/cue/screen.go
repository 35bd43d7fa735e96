package cue

import (
	"bytes"
	"errors"
)

// screen is what a terminal of endless width shows of an answer: carriage returns and
// backspaces have done their work, as those with which a pager erases itself, and
// control sequences (ECMA-48 section 5.4) are gone. An echoed code stands in it, so
// whoever fills it wipes it.
type screen struct {
	text  []byte // lines with \n behind each but the last
	start int    // of the last line in text
	col   int    // where the next byte goes in the last line
	most  int    // bytes of text
	state sequence
	param byte // first parameter of a control sequence; 0: none
}

// sequence is how far a control sequence has come.
type sequence uint8

const (
	outside sequence = iota
	escaped          // after ESC
	inside           // after ESC [
)

var (
	errGarbled = errors.New("its answer holds bytes that no command line prints")
	errTooLong = errors.New("its answer is longer than star97 reads")
)

// feed prints b.
func (s *screen) feed(b []byte) error {
	for _, c := range b {
		if err := s.put(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *screen) put(c byte) error {
	if s.state != outside {
		s.control(c)
		return nil
	}
	switch {
	case c == '\n':
		s.col = len(s.text) - s.start
		if err := s.print(c); err != nil {
			return err
		}
		s.start, s.col = len(s.text), 0
	case c == '\r':
		s.col = 0
	case c == '\b':
		s.col = max(0, s.col-1)
	case c == 0x1b:
		s.state, s.param = escaped, 0
	case c == 0 || c == '\a':
	case c == '\t' || c >= ' ' && c != 0x7f:
		return s.print(c)
	default:
		return errGarbled
	}
	return nil
}

func (s *screen) print(c byte) error {
	at := s.start + s.col
	s.col++
	if at < len(s.text) {
		s.text[at] = c
		return nil
	}
	if len(s.text) >= s.most {
		return errTooLong
	}
	if len(s.text) == cap(s.text) { // append would leave a copy behind
		wider := make([]byte, len(s.text), 2*len(s.text)+512)
		copy(wider, s.text)
		clear(s.text)
		s.text = wider
	}
	s.text = append(s.text, c)
	return nil
}

// control reads on in a control sequence. Of all of them only "erase in line" matters.
func (s *screen) control(c byte) {
	switch {
	case s.state == escaped && c == '[':
		s.state = inside
	case s.state == escaped:
		s.state = outside
	case c >= 0x40 && c <= 0x7e:
		s.state = outside
		if c == 'K' {
			s.erase()
		}
	case s.param == 0:
		s.param = c
	}
}

// erase is EL: to the end of the line, or with the parameter 2 all of it.
func (s *screen) erase() {
	at := s.start + s.col
	if at < len(s.text) {
		clear(s.text[at:])
		s.text = s.text[:at]
	}
	if s.param == '2' {
		for i := range s.text[s.start:] {
			s.text[s.start+i] = ' '
		}
	}
}

// last is the unfinished line up to the cursor, without spaces at its end: where a
// prompt stands.
func (s *screen) last() []byte {
	return bytes.TrimRight(s.text[s.start:min(len(s.text), s.start+s.col)], " ")
}

// above is all that stands above the unfinished line.
func (s *screen) above() []byte { return s.text[:s.start] }

// wipe empties the screen.
func (s *screen) wipe() {
	clear(s.text[:cap(s.text)])
	*s = screen{most: s.most}
}

// withoutEcho is text behind the echo of a line, and false if it does not begin with
// one. From open on the line is a secret, for which the echo may also have stars or
// nothing.
func withoutEcho(text, line []byte, open int) ([]byte, bool) {
	if rest, ok := behind(text, line); ok {
		return lineEnd(rest)
	}
	rest, ok := behind(text, line[:open])
	if !ok || open == len(line) {
		return nil, false
	}
	return lineEnd(bytes.TrimLeft(rest, "*"))
}

// behind is what follows line in text, which begins with it. A terminal may have broken
// the line.
func behind(text, line []byte) ([]byte, bool) {
	i := 0
	for j := 0; j < len(line); i++ {
		switch {
		case i == len(text), text[i] != line[j] && (text[i] != '\n' || j == 0):
			return nil, false
		case text[i] == line[j]:
			j++
		}
	}
	return text[i:], true
}

// lineEnd is text behind the end of a line that has nothing more but spaces.
func lineEnd(text []byte) ([]byte, bool) {
	text = bytes.TrimLeft(text, " ")
	if len(text) == 0 || text[0] != '\n' {
		return nil, false
	}
	return text[1:], true
}
