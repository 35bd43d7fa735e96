package adapter

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
)

// MaxNumber bounds a telephone number, in digits: ITU-T E.164 has 15, and a dial plan may
// put some in front.
const MaxNumber = 32

// IsNumber tells whether text is a number that a mailbox can have: digits, and not too
// many.
func IsNumber(text string) bool {
	return text != "" && len(text) <= MaxNumber && strings.Trim(text, "0123456789") == ""
}

// Shown is a foreign text for a person's eyes: without what does not print, and of so
// many letters at most.
func Shown(text string, most int) string {
	kept := make([]rune, 0, min(len(text), most))
	for _, r := range text {
		if len(kept) == most {
			break
		}
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			kept = append(kept, r)
		}
	}
	return string(kept)
}

// longestMail bounds an address, in bytes (RFC 5321 section 4.5.3.1.3, without the
// brackets).
const longestMail = 254

// Mail is the first of the addresses in a text of a system, which may name several with
// commas or semicolons; empty if that is none that mail can be sent to.
func Mail(text string) string {
	if i := strings.IndexAny(text, ",;"); i >= 0 {
		text = text[:i]
	}
	first := strings.TrimSpace(text)
	a, err := mail.ParseAddress(first)
	if err != nil || a.Name != "" || a.Address != first || len(first) > longestMail {
		return ""
	}
	return first
}

// tagShape is a language tag as far as languages of prompts need it (RFC 5646 section 2.1).
var tagShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// Tag makes a BCP 47 tag of a locale's name as en_us; empty if it is none.
func Tag(locale string) string {
	t := strings.ReplaceAll(locale, "_", "-")
	if !tagShape.MatchString(t) {
		return ""
	}
	parts := strings.Split(strings.ToLower(t), "-")
	for i, p := range parts[1:] {
		switch len(p) { // RFC 5646 section 2.1.1: how regions and scripts are written
		case 2:
			parts[i+1] = strings.ToUpper(p)
		case 4:
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "-")
}

// Like tells whether a search finds a text: a part of it, whatever case.
func Like(text, search string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(search))
}
