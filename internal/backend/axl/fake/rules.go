package fake

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"star97/internal/pin"
)

// refused is the number of the fault for a PIN that the policy does not admit: invented,
// and so are the words but for those on the length.
const refused = 5050

// admit holds a new PIN to the user's policy.
func (s *Server) admit(p *person, code pin.PIN) *fault {
	policy := s.policy(p)
	if code.Len() < policy.MinLength {
		return &fault{refused, "Length of the PIN is less than what the administrator has mandated."}
	}
	if s.Lenient {
		return nil
	}
	if policy.Trivial {
		trivial := false
		code.Reveal(func(digits []byte) { trivial = isTrivial(digits, p) })
		if trivial {
			return &fault{refused, "The PIN is trivial."}
		}
	}
	used := p.history[max(0, len(p.history)-policy.History):]
	if slices.ContainsFunc(used, func(c pin.PIN) bool { return c.Equal(&code) }) {
		return &fault{refused, "The PIN is in the history of previous ones."}
	}
	if time.Since(p.Changed) < policy.MinAge && !p.MustChange {
		return &fault{refused, "The PIN was changed too recently."}
	}
	return nil
}

// isTrivial is the system's list without names and lines of keys.
func isTrivial(digits []byte, p *person) bool {
	seen := map[byte]bool{}
	for i, c := range digits {
		seen[c] = true
		if i > 1 && digits[i-1] == c && digits[i-2] == c {
			return true
		}
	}
	number := []byte(strings.TrimPrefix(p.Extension, `\+`))
	reverse := slices.Clone(number)
	slices.Reverse(reverse)
	return len(seen) < 3 || repeats(digits) || isRun(digits, 1) || isRun(digits, -1) ||
		len(number) > 0 && (bytes.Contains(digits, number) || bytes.Contains(digits, reverse))
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

func isRun(d []byte, step int) bool {
	for i := 1; i < len(d); i++ {
		if int(d[i])-int(d[i-1]) != step {
			return false
		}
	}
	return true
}
