package fake

import (
	"slices"
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
	u.code.Set(code, s.orders.Lateness(OpWrite))
	u.Changed = time.Now()
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
		code.Reveal(func(digits []byte) {
			trivial = trouble.Trivial(digits, append([]string{u.Extension}, u.Alternates...), []string{u.First, u.Last})
		})
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
