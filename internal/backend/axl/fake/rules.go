package fake

import (
	"slices"
	"strings"
	"time"

	"star97/internal/backend/conformance/trouble"
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
		code.Reveal(func(digits []byte) {
			trivial = trouble.Trivial(digits, []string{strings.TrimPrefix(p.Extension, `\+`)}, []string{p.First, p.Last})
		})
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
