package main

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/prompt"
	"star97/internal/prompt/ear"
)

// neighbour is what neighbour.xml does beside a plain call.
type neighbour struct {
	Headers   []string  // of the first INVITE
	Refused   string    // in place of the last of Headers for a try before that; empty: none
	Updates   bool      // it serves UPDATE
	Reliable  bool      // it requires 100rel
	Answers   bool      // its INVITE has no offer
	Direction string    // of its description
	Seq       *sequence // of its requests
}

// sequence numbers the requests of a call.
type sequence struct{ now, invited int }

// Next is the number of another request.
func (s *sequence) Next() int { s.now++; return s.now }

// Now is the last one's.
func (s *sequence) Now() int { return s.now }

// Invite is the number of another INVITE, Invited that of the last.
func (s *sequence) Invite() int  { s.invited = s.Next(); return s.invited }
func (s *sequence) Invited() int { return s.invited }

// Turned is the call with a direction.
func (c sippCall) Turned(direction string) sippCall {
	c.Answers, c.Direction = false, direction
	return c
}

// Delaying is the call with offers that it leaves to the far end, Offering with its own.
func (c sippCall) Delaying() sippCall { c.Answers = true; return c }
func (c sippCall) Offering() sippCall { c.Answers = false; return c }

// TooShort is the call whose session interval is refused; nil: none is.
func (c sippCall) TooShort() *sippCall {
	if c.Refused == "" {
		return nil
	}
	c.Headers = append(slices.Clone(c.Headers[:len(c.Headers)-1]), c.Refused)
	return &c
}

// answersIn are the statuses of the answers in a trace, which has other numbers as well: of
// ports, of bytes.
func answersIn(trace string) (all []string) {
	for _, line := range regexp.MustCompile(`(?m)^SIP/2\.0 ([1-6][0-9]{2}) `).FindAllStringSubmatch(trace, -1) {
		all = append(all, line[1])
	}
	return all
}

// Each changes the code in one call, with something in its middle that plain calls do not
// do, and another call with the new code proves it.
func TestSIPpChangesACodeAsANeighbour(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]struct {
		neighbour
		act string // before the new code is asked for
		tcp bool
		way string // of the keys
	}{
		"held, resumed and asked for an offer by re-INVITE": {act: "hold by re-INVITE", way: "events"},
		"held and resumed by UPDATE, the session interval was too short at first": {
			neighbour{Headers: []string{"Supported: timer", "Session-Expires: 90"}, Refused: "Session-Expires: 60"}, "hold by UPDATE", false, "events"},
		"reliable provisional answers":                       {neighbour{Headers: []string{"Require: 100rel"}, Reliable: true}, "", false, "events"},
		"reliable provisional answers, delayed offer, TCP":   {neighbour{Headers: []string{"Require: 100rel"}, Reliable: true, Answers: true}, "", true, "info"},
		"session timers: star97 refreshes by UPDATE":         {neighbour{Headers: []string{"Supported: timer", "Session-Expires: 90;refresher=uas"}, Updates: true}, "be refreshed by UPDATE", false, "events"},
		"session timers: star97 refreshes by re-INVITE, TCP": {neighbour{Headers: []string{"Supported: timer", "Session-Expires: 90;refresher=uas"}}, "be refreshed by re-INVITE", true, "events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				v := startService(t, setup{Codes: map[string]string{extension: oldCode}})
				set.Direction = "sendrecv"
				s := newSIPp(t, v, sippCall{Scenario: "neighbour.xml", neighbour: set.neighbour, Info: set.way == "info"}, set.tcp)
				c := s.run(t, ownDoor,
					pressAfter{sentences: []prompt.ID{prompt.EnterCode}, keys: oldCode + "#"},
					pressAfter{sentences: []prompt.ID{prompt.MainMenu}, keys: "2", act: set.act},
					pressAfter{sentences: []prompt.ID{s.ask()}, keys: newCode + "#"},
					pressAfter{sentences: []prompt.ID{prompt.RepeatNewCode}, keys: newCode + "#"},
					pressAfter{sentences: []prompt.ID{prompt.Changed}})
				require.True(t, slices.ContainsFunc(c.heard, func(s ear.Sound) bool { return s.ID == prompt.Changed && whole(s) }), c.story())

				c = s.run(t, ownDoor,
					pressAfter{sentences: []prompt.ID{prompt.EnterCode}, keys: newCode + "#"},
					pressAfter{sentences: []prompt.ID{prompt.MainMenu}})
				c.hears(append(opening(ownDoor), prompt.EnterCode)...)
				c.hears(prompt.MainMenu)
				c.neverHeard(prompt.WrongCode)
				requireUnseen(t, v)
				require.Equal(t, set.way, keysIn(s.trace.String()))
				require.Contains(t, answersIn(s.trace.String()), "200")
				require.NotContains(t, answersIn(s.trace.String()), "500", "nothing was out of turn")
			})
		})
	}
}
