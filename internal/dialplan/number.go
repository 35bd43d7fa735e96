package dialplan

import (
	"net/netip"
	"strings"
)

// anyDigit stands for one digit in a pattern.
const anyDigit = 'x'

// maxNumber is the longest number or name that is compared.
const maxNumber = 64

const digits = "0123456789"

// User is the user part of a SIP or tel URI as it is compared: without parameters
// (";phone-context=..."), then unescaped (RFC 3261 section 19.1.4), and in a number
// without visual separators (RFC 3966 section 5.1.1). A name keeps its case, which
// no comparison here looks at.
func User(raw string) string {
	raw, _, _ = strings.Cut(raw, ";")
	return compact(unescape(raw), digits+"*#+")
}

// compact takes the visual separators out of what is otherwise made of signs.
func compact(s, signs string) string {
	const separators = "-.()"
	if !strings.ContainsAny(s, separators) || strings.Trim(s, signs+separators) != "" {
		return s
	}
	return strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(s)
}

// unescape undoes %HH; a "%" without two hexadecimal digits stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// hostOf is a host as hosts are compared (RFC 3261 section 19.1.4): lower case,
// without port and the dot of the root; addresses in their one canonical form.
func hostOf(raw string) string {
	host, port, _ := strings.Cut(raw, ":")
	if strings.Trim(port, digits) != "" {
		host = raw // IPv6, or no host at all
	}
	host = strings.TrimSuffix(host, ".")
	address := host
	if inner, ok := strings.CutPrefix(raw, "["); ok {
		address, _, _ = strings.Cut(inner, "]")
	}
	if a, err := netip.ParseAddr(address); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return lower(host)
}

// lower is strings.ToLower for ASCII; other bytes stay as they are.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerOf(c)
	}
	return string(b)
}

func lowerOf(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// isPattern tells a pattern from a name: in a name no x is special.
func isPattern(s string) bool {
	return strings.Trim(s, digits+"*#+x") == ""
}

// match compares a number with a pattern or a name, and returns the digits that
// the x stood for. Names are compared without regard to case.
func match(pattern, number string) (found string, ok bool) {
	if len(number) != len(pattern) || len(number) > maxNumber {
		return "", false
	}
	var stood [maxNumber]byte
	n := 0
	special := isPattern(pattern)
	for i := range len(pattern) {
		switch c := number[i]; {
		case special && pattern[i] == anyDigit:
			if c < '0' || c > '9' {
				return "", false
			}
			stood[n] = c
			n++
		case lowerOf(pattern[i]) != lowerOf(c):
			return "", false
		}
	}
	return string(stood[:n]), true
}

// fill puts the last of found in the places of the x of a template.
func fill(template, found string) string {
	found = found[len(found)-strings.Count(template, "x"):]
	var b strings.Builder
	for i := range len(template) {
		if template[i] != anyDigit {
			b.WriteByte(template[i])
			continue
		}
		b.WriteByte(found[0])
		found = found[1:]
	}
	return b.String()
}

// maxMailbox is the longest number of a mailbox, in digits.
const maxMailbox = 32

func isDigits(s string) bool {
	return s != "" && len(s) <= maxMailbox && strings.Trim(s, digits) == ""
}
