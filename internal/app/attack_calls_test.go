package app

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// openWatched is a house with the mailbox 4001 whose store's judgements are noted.
func openWatched(t testing.TB, lines int) (*house, *guesses) {
	g := &guesses{now: time.Now}
	h := openHouseWith(t, func(c *config.Config) { c.Media.PortMin, c.Media.PortMax = reserve(lines + portPairs) },
		seams{over: func(s mailbox.Store) mailbox.Store { g.Store = s; return g }})
	h.add("4001", rightCode, mailbox.Flags{})
	return h, g
}

// Ten callers guess at once, all they can, while the owner calls in: together they get as
// many guesses as one of them alone, and the owner's own telephone is let in.
func TestTenCallersAtOnceAndTheOwner(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		const attackers = 10
		h, g := openWatched(t, attackers+1)
		ended := make([]error, attackers)
		var all sync.WaitGroup
		for i := range attackers {
			p := dial(t, h.phone("*98", fmt.Sprint(9001+i)))
			// One attacker: started here; stops when the call is over.
			all.Go(func() {
				p.Press("4001#")
				ended[i] = guessOn(t, p, wrongCode)
			})
		}
		owner := dial(t, h.phone("*97", "4001"))
		owner.Press(rightCode + "#")
		owner.Hear(prompt.MainMenu)
		all.Wait()
		require.NoError(t, errors.Join(ended...))
		perMailbox, _ := g.worst(ofMailbox)
		t.Logf("ten callers with three tries each had %d guesses", perMailbox)
		require.LessOrEqual(t, perMailbox, 10, "five before and five after the owner ended their row")
		require.GreaterOrEqual(t, perMailbox, 5)
		again := dial(t, h.phone("*97", "4001"))
		again.Press(rightCode + "#")
		again.Hear(prompt.MainMenu)
	})
}

// guessOn types a code until the far end hangs up.
func guessOn(t testing.TB, p *callertest.Phone, digits string) error {
	for p.End() == caller.NotEnded {
		if err := p.Call.Press(t.Context(), digits+"#"); err != nil && p.End() == caller.NotEnded {
			return err
		}
		select {
		case <-p.Done():
		case <-time.After(time.Second + breath): // the beat, and what comes too soon after it is no try
		case <-t.Context().Done():
			return t.Context().Err()
		}
	}
	return nil
}

// Several codes strung into one stream of digits are no several tries: nothing is looked
// for within an entry, one that is too long is asked for nowhere, and what was typed
// behind a wrong code is thrown away.
func TestDigitsStrungTogetherAreNoMoreTries(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		keys    string
		guesses int
	}{
		"within one entry":     {"739" + rightCode + "164#", 1},
		"longer than any code": {strings.Repeat(rightCode, 7) + "#", 0},
		"behind a wrong code":  {wrongCode + "#" + rightCode + "#", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				h, g := openWatched(t, 1)
				p := dial(t, h.phone("*98", "9001"))
				p.Press("4001#")
				p.Press(row.keys)
				p.Hear(prompt.WrongCode)
				p.HearNot(prompt.MainMenu)
				n, _ := g.worst(ofMailbox)
				require.Equal(t, row.guesses, n)
			})
		})
	}
}
