package dtmf

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The INFO content types that carry a key.
const (
	InfoRelay = "application/dtmf-relay" // Signal=5\r\nDuration=160\r\n
	InfoPlain = "application/dtmf"       // 5
)

// MaxInfoBody bounds an INFO body; real ones are under 40 bytes.
const MaxInfoBody = 256

// Errors of ParseInfo. None of them quotes the body, which may be part of a code.
var (
	ErrInfoType = errors.New("INFO content type carries no key: send application/dtmf-relay or application/dtmf")
	ErrInfoSize = errors.New("INFO body is longer than 256 bytes: send one key per INFO")
	ErrInfoBody = errors.New("INFO body names no single key: send Signal=KEY and Duration=MILLISECONDS, or the key alone")
	ErrInfoKey  = errors.New("INFO signal is not one of the 16 keys 0-9, *, #, A-D")
)

// maxInfoDuration bounds the press length that an INFO may claim.
const maxInfoDuration = time.Minute

// ParseInfo reads the key of an INFO request. The duration is 0 if the body tells
// none that can be read: it must not cost the key. Line ends, blanks, letter case
// and the numeric names 10-15 of *, #, A-D are taken as they come. Errors:
// ErrInfoType, ErrInfoSize, ErrInfoBody, ErrInfoKey.
func ParseInfo(contentType string, body []byte) (Digit, time.Duration, error) {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	relay := strings.EqualFold(media, InfoRelay)
	if !relay && !strings.EqualFold(media, InfoPlain) {
		return 0, 0, ErrInfoType
	}
	if len(body) > MaxInfoBody {
		return 0, 0, ErrInfoSize
	}
	if !relay && bytes.IndexByte(body, '=') < 0 {
		d, err := infoKey(bytes.Trim(body, " \t\r\n\x00"))
		return d, 0, err
	}
	return parseRelay(body)
}

// parseRelay reads "name=value" lines; unknown names are passed over. A second
// Signal that differs leaves no single key.
func parseRelay(body []byte) (Digit, time.Duration, error) {
	var digit Digit
	var length time.Duration
	found := false
	for line := range bytes.FieldsFuncSeq(body, func(r rune) bool { return r == '\r' || r == '\n' || r == 0 }) {
		name, value, _ := bytes.Cut(line, []byte("="))
		name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("signal")):
			d, err := infoKey(value)
			if err != nil {
				return 0, 0, err
			}
			if found && d != digit {
				return 0, 0, ErrInfoBody
			}
			digit, found = d, true
		case bytes.EqualFold(name, []byte("duration")):
			length = infoDuration(value)
		}
	}
	if !found {
		return 0, 0, ErrInfoBody
	}
	return digit, length, nil
}

// infoKey reads a key by its character or by its event code of two digits.
func infoKey(s []byte) (Digit, error) {
	switch len(s) {
	case 0:
		return 0, ErrInfoBody
	case 1:
		if d, ok := DigitOf(s[0]); ok {
			return d, nil
		}
	case 2:
		if s[0] == '1' && s[1] >= '0' && s[1] <= '5' {
			return Star + Digit(s[1]-'0'), nil
		}
	}
	return 0, ErrInfoKey
}

func infoDuration(s []byte) time.Duration {
	ms, err := strconv.ParseUint(string(s), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, maxInfoDuration)
}

// EncodeInfo makes the application/dtmf-relay body of a press.
func EncodeInfo(d Digit, length time.Duration) []byte {
	b := append([]byte("Signal="), d.Char())
	b = append(b, "\r\nDuration="...)
	b = strconv.AppendInt(b, length.Milliseconds(), 10)
	return append(b, "\r\n"...)
}
