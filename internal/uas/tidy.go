package uas

import (
	"bytes"
	"strings"
)

// tidy rewrites a request in the plain form that sipgo reads: unfolded lines,
// and no blanks around the separators of the headers that name dialog and
// transaction, where RFC 3261 section 7.3.1 allows them and sipgo keeps them as
// part of a parameter's name. A message without such blanks comes back as it is.
func tidy(msg []byte) []byte {
	end := headerEnd(msg)
	if end < 0 || !loose(msg[:end]) {
		return msg
	}
	lines, ok := unfold(msg[:end])
	if !ok || len(lines) == 0 {
		return msg
	}
	out := append(make([]byte, 0, len(msg)), lines[0]...)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "via", "v", "from", "f", "to", "t", "contact", "m", "cseq":
			value = closeUp(value)
		}
		out = append(out, "\r\n"+name+": "+value...)
	}
	out = append(out, "\r\n\r\n"...)
	return append(out, msg[end:]...)
}

// loose says whether a header section has blanks that tidy would remove.
func loose(head []byte) bool {
	for _, s := range []string{"\r\n ", "\r\n\t", " ;", "; ", "\t;", ";\t", " =", "= ", "\t=", "=\t", " /", "/ ", " :", "\t:"} {
		if bytes.Contains(head, []byte(s)) {
			return true
		}
	}
	return false
}

// closeUp removes the blanks around ";", "=", "/" and "," and makes one of several,
// outside of quotes and brackets.
func closeUp(s string) string {
	b := make([]byte, 0, len(s))
	for i, at := range places(s) {
		c := s[i]
		switch {
		case at != outside:
		case c == ' ' || c == '\t':
			if len(b) == 0 || strings.IndexByte(" ;=/,", b[len(b)-1]) >= 0 {
				continue
			}
			c = ' '
		case strings.IndexByte(";=/,", c) >= 0 && len(b) > 0 && b[len(b)-1] == ' ':
			b = b[:len(b)-1]
		}
		b = append(b, c)
	}
	return string(b)
}
