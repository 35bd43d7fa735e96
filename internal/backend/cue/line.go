package cue

import (
	"bytes"
	"regexp"
)

// Commands of the system. None holds anything that was not checked here.
const (
	listCommand    = "show users"
	detailCommand  = "show user detail username"
	versionCommand = "show version"
	enableCommand  = "enable"
	unpagedCommand = "terminal length 0"
	exitCommand    = "exit"
	endCommand     = "end"
)

// The system's bounds for a user's id and for a code.
const (
	minID, maxID = 2, 31
	maxDigits    = 16
)

// isID tells whether id is what the system allows: letters, digits, underscore, dot and
// dash, a letter first. Nothing else may get into a command.
func isID[T ~string | ~[]byte](id T) bool {
	if len(id) < minID || len(id) > maxID || !isLetter(id[0]) {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// pinLine is the command that sets a code, and where in it the code begins; false if one
// of both is not what the system allows. The caller wipes it.
func pinLine(id string, digits []byte) (line []byte, open int, ok bool) {
	if !isID(id) || len(digits) == 0 || len(digits) > maxDigits {
		return nil, 0, false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return nil, 0, false
		}
	}
	line = make([]byte, 0, 64) // the longest has 61 bytes: it never grows
	line = append(line, "username "...)
	line = append(line, id...)
	line = append(line, " pin "...)
	open = len(line)
	return append(line, digits...), open, true
}

// figures are digits and what may stand between those of one number.
var figures = regexp.MustCompile(`[0-9](?:[-0-9. *\n]*[0-9*])?`)

// maxQuote bounds what an error quotes of an answer.
const maxQuote = 160

// quote is what an error may tell of an answer: its text without any figure, in which a
// code could stand, and without what is not printable ASCII.
func quote(answer []byte) string {
	clean := figures.ReplaceAll(answer, []byte("…"))
	clean = bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if (r < ' ' || r > '~') && r != '…' {
			return -1
		}
		return r
	}, clean)
	clean = bytes.Join(bytes.Fields(clean), []byte(" "))
	if len(clean) > maxQuote {
		clean = append(bytes.ToValidUTF8(clean[:maxQuote], nil), "…"...)
	}
	return string(clean)
}
