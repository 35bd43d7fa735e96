package uas

import (
	"iter"
	"strings"
)

// place is where a byte of a header value stands. Separators separate outside only
// (RFC 3261 section 25.1).
type place uint8

const (
	outside    place = iota
	inQuotes         // in a quoted string, with its quotes
	inBrackets       // between angle brackets, with them
)

// places walks over a header value byte by byte.
func places(s string) iter.Seq2[int, place] {
	return func(yield func(int, place) bool) {
		outer, at, escaped := outside, outside, false // outer: what at goes back to after a quoted string
		for i := range len(s) {
			here := at
			switch c := s[i]; {
			case escaped:
				escaped = false
			case at == inQuotes && c == '\\':
				escaped = true
			case at == inQuotes && c == '"':
				at = outer
			case at == inQuotes:
			case c == '"':
				outer, at, here = at, inQuotes, inQuotes
			case c == '<':
				at, here = inBrackets, inBrackets
			case c == '>':
				at = outside
			}
			if !yield(i, here) {
				return
			}
		}
	}
}

// split cuts a header value at every separator that stands outside of both.
func split(s string, separator byte) []string {
	var parts []string
	start := 0
	for i, at := range places(s) {
		if at == outside && s[i] == separator {
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// named finds a parameter of a header value by its name, in any case. Those between
// the brackets of an address are the URI's; without brackets all are the header's
// (RFC 3261 section 20.10).
func named(value, name string) (string, bool) {
	for _, p := range split(value, ';')[1:] {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// bracketed is what stands between the angle brackets of a name-addr. ok is false if
// there are none; open brackets that nothing closes hold nothing.
func bracketed(value string) (inner string, ok bool) {
	open := -1
	for i, at := range places(value) {
		switch {
		case at != inBrackets:
		case open < 0:
			open = i
		case value[i] == '>':
			return value[open+1 : i], true
		}
	}
	return "", open >= 0
}
