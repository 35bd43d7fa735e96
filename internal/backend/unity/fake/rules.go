package fake

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/pin"
)

// apply writes the fields that were given, all or none. It returns why not, as a token
// and a message: both invented, but for the beginning of the one on trivial codes.
func (s *Server) apply(u *user, given map[string]string) (token, message string) {
	next := *u
	for name, value := range given {
		ok := true
		switch name {
		case "Credentials":
		case "CredMustChange":
			ok = truth(value, &next.MustChange)
		case "CantChange":
			ok = truth(value, &next.CantChange)
		case "Locked":
			ok = truth(value, &next.Locked)
		case "HackCount":
			ok = value == "0"
			next.hacks = 0
		case "TimeHacked":
			ok = value == ""
			next.Hacked = time.Time{}
		default:
			ok = false
		}
		if !ok {
			return "INVALID_PARAMETER", "the field " + name + " cannot be written so"
		}
	}
	if digits, ok := given["Credentials"]; ok {
		code, err := pin.Parse(digits)
		if err != nil || code.Empty() {
			return "IMS_ERROR", "Invalid Credential"
		}
		if token, message := s.judge(u, code); token != "" {
			return token, message
		}
		s.renew(&next, code)
		if _, ok := given["CredMustChange"]; !ok {
			next.MustChange = true // what an administrator sets is to be changed
		}
	}
	*u = next
	return "", ""
}

// renew puts a code in force, at the telephone later where that is ordered.
func (s *Server) renew(u *user, code pin.PIN) {
	if o := s.orders.Asked(OpWrite, trouble.Late); o.Kind == trouble.Late {
		u.before, u.late = u.code, time.Now().Add(o.Delay)
	}
	u.code, u.Changed = code, time.Now()
	u.history = append(slices.Clone(u.history), code)
}

func truth(text string, into *bool) bool {
	*into = text == "true"
	return *into || text == "false"
}

const saving = "Error saving password or PIN: "

// judge holds a code to the rule for phones.
func (s *Server) judge(u *user, code pin.PIN) (token, message string) {
	rule := s.rules[PhoneRule]
	if code.Len() < rule.MinLength {
		return "INVALID_CREDENTIAL", saving + "it is shorter than the minimum length"
	}
	if rule.Trivial {
		trivial := false
		code.Reveal(func(digits []byte) { trivial = isTrivial(digits, u) })
		if trivial {
			return "INVALID_CREDENTIAL", saving + "trivial passwords or PINs, as a straight line of keys, are not allowed"
		}
	}
	if s.Lenient {
		return "", ""
	}
	used := u.history[max(0, len(u.history)-rule.PrevCredCount):]
	if slices.ContainsFunc(used, func(p pin.PIN) bool { return p.Equal(&code) }) {
		return "INVALID_CREDENTIAL", saving + "it is one of the previous ones"
	}
	if time.Since(u.Changed) < rule.MinDuration {
		return "INVALID_CREDENTIAL", saving + "the minimum duration between changes has not passed"
	}
	return "", ""
}

// isTrivial is the system's list for phones.
func isTrivial(digits []byte, u *user) bool {
	for _, number := range append([]string{u.Extension}, u.Alternates...) {
		if number != "" && (bytes.Contains(digits, []byte(number)) || bytes.Contains(digits, []byte(backward(number)))) {
			return true
		}
	}
	for _, name := range []string{u.First, u.Last} {
		if name != "" && string(digits) == keys(name) {
			return true
		}
	}
	return repeats(digits) || distinct(digits) < 3 || sameThrice(digits) || isRun(digits, 1) || isRun(digits, -1) || isLines(digits)
}

func backward(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// keys spells a name on the keypad (ITU-T E.161).
func keys(name string) string {
	letters := "22233344455566677778889999"
	return strings.Map(func(c rune) rune {
		if c < 'a' || c > 'z' {
			return -1
		}
		return rune(letters[c-'a'])
	}, strings.ToLower(name))
}

// repeats tells whether the whole is a shorter block repeated, as 408408.
func repeats(d []byte) bool {
	for n := 1; n <= len(d)/2; n++ {
		if len(d)%n == 0 && bytes.Equal(d[n:], d[:len(d)-n]) {
			return true
		}
	}
	return false
}

func distinct(d []byte) int {
	seen := map[byte]bool{}
	for _, c := range d {
		seen[c] = true
	}
	return len(seen)
}

func sameThrice(d []byte) bool {
	for i := 2; i < len(d); i++ {
		if d[i] == d[i-1] && d[i] == d[i-2] {
			return true
		}
	}
	return false
}

func isRun(d []byte, step int) bool {
	for i := 1; i < len(d); i++ {
		if int(d[i])-int(d[i-1]) != step {
			return false
		}
	}
	return true
}

var lines = []string{"123", "456", "789", "147", "258", "369", "580", "2580", "159", "357"}

// isLines tells whether the whole is straight lines of keys, either way.
func isLines(d []byte) bool {
	if len(d) == 0 {
		return true
	}
	for _, l := range lines {
		for _, way := range []string{l, backward(l)} {
			if bytes.HasPrefix(d, []byte(way)) && isLines(d[len(way):]) {
				return true
			}
		}
	}
	return false
}
