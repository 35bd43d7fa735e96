package digest

import (
	"errors"
	"strings"
)

// Credentials are what an Authorization header of the scheme Digest says (RFC 7616
// section 3.4, RFC 3261 section 25.1), as it is written: quotes are taken off, escapes
// are left, and empty is not there. Nothing of them is proved.
type Credentials struct {
	Username, Realm, Nonce, URI, Response, Algorithm, CNonce, QOP string

	NC string // eight hexadecimal digits
}

// Bounds of a header.
const (
	headerMax = 2048 // bytes
	paramsMax = 32
)

// Why a header holds no credentials. None quotes it.
var (
	ErrOtherScheme = errors.New("the credentials are of another scheme than Digest")
	errTooLong     = errors.New("the credentials are too long")
	errSyntax      = errors.New("the credentials are no list of name=value")
	errTwice       = errors.New("a parameter of the credentials stands there twice")
)

// Parse reads the value of an Authorization header. It is ErrOtherScheme for one that is
// not about Digest.
func Parse(value string) (Credentials, error) {
	var c Credentials
	value = strings.TrimLeft(value, blanks)
	end := strings.IndexAny(value, blanks)
	if end < 0 || !strings.EqualFold(value[:end], "Digest") {
		return c, ErrOtherScheme
	}
	if len(value) > headerMax {
		return c, errTooLong
	}
	rest := value[end:]
	for n, seen := 0, 0; ; n++ {
		name, v, after, err := parameter(rest)
		if err != nil {
			return c, err
		}
		if n >= paramsMax {
			return c, errTooLong
		}
		if field, bit := c.field(name); field != nil {
			if seen&bit != 0 {
				return c, errTwice // which of the two counts is each reader's guess
			}
			*field, seen = v, seen|bit
		}
		if after == "" {
			return c, nil
		}
		if after[0] != ',' {
			return c, errSyntax
		}
		rest = after[1:]
	}
}

const blanks = " \t"

// field is where a parameter is kept, and a bit of its own; nil for one that does not
// matter here.
func (c *Credentials) field(name string) (at *string, bit int) {
	for i, f := range []struct {
		name string
		at   *string
	}{
		{"username", &c.Username}, {"realm", &c.Realm}, {"nonce", &c.Nonce}, {"uri", &c.URI}, {"response", &c.Response},
		{"algorithm", &c.Algorithm}, {"cnonce", &c.CNonce}, {"qop", &c.QOP}, {"nc", &c.NC},
	} {
		if strings.EqualFold(f.name, name) {
			return f.at, 1 << i
		}
	}
	return nil, 0
}

// parameter takes name=value off a list; rest begins with what separates the next one.
func parameter(s string) (name, value, rest string, err error) {
	name, rest, ok := strings.Cut(s, "=")
	name, rest = strings.Trim(name, blanks), strings.TrimLeft(rest, blanks)
	if !ok || name == "" || strings.ContainsAny(name, blanks+`",`) {
		return "", "", "", errSyntax
	}
	if strings.HasPrefix(rest, `"`) {
		end := closing(rest)
		if end < 0 {
			return "", "", "", errSyntax
		}
		value, rest = rest[1:end], rest[end+1:]
	} else {
		end := strings.IndexByte(rest, ',')
		if end < 0 {
			end = len(rest)
		}
		value, rest = strings.TrimRight(rest[:end], blanks), rest[end:]
		if value == "" || strings.ContainsAny(value, blanks+`"`) {
			return "", "", "", errSyntax
		}
	}
	return name, value, strings.TrimLeft(rest, blanks), nil
}

// closing is where a quoted string that s begins with ends; -1 if nowhere.
func closing(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// count is NC as a number; false for what RFC 7616 section 3.4 does not allow.
func (c *Credentials) count() (n uint32, ok bool) {
	if len(c.NC) != 8 {
		return 0, false
	}
	for _, d := range []byte(c.NC) {
		v := strings.IndexByte("0123456789abcdef", d|0x20)
		if v < 0 || d < '0' {
			return 0, false
		}
		n = n<<4 | uint32(v)
	}
	return n, true
}
