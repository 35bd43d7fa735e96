package sqldb

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend/conformance"
	"star97/internal/ledger"
	"star97/internal/mailbox"
	"star97/internal/sqlkit/sqlkittest"
)

const serverKills = 3

// changer changes one code again and again, each with its intent before and its end
// within the change, as the service does.
type changer struct {
	s      *Store
	l      *ledger.Ledger
	a      mailbox.Account
	now    int // the number of the code in force, as far as is known
	intent int
}

// change is one; it returns what came of it.
func (c *changer) change(t *testing.T) mailbox.Outcome {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.intent++
	intent := numbered(c.intent)
	if _, err := c.l.Append(ctx, audit.Record{Action: audit.Change, Stage: audit.Intended, Node: "n", Intent: intent}); err != nil {
		return mailbox.Refused // no intent, no change
	}
	at := mailbox.Attempt{Door: mailbox.OwnDoor, Intent: intent}
	return c.s.Change(ctx, c.a, conformance.Code(t, numbered(c.now)), conformance.Code(t, numbered(c.now+1)), at).Outcome
}

// TestNoConfirmedChangeIsLostWithTheServer kills the server with kill -9 in mid-change:
// a change that was Done is in force, one that was refused is not, one of which nobody
// knew is settled, and the audit trail says the same.
func TestNoConfirmedChangeIsLostWithTheServer(t *testing.T) {
	t.Parallel() // it waits rather than computes
	server := sqlkittest.Start(t, "synchronous_commit=on")
	o := nodeOptions(t, server)
	s := openNode(t, o)
	l, err := ledger.New(t.Context(), s.DB(), ledger.DefaultOptions(), nil)
	require.NoError(t, err)
	defer l.Close()
	s.Keep(l)
	c := &changer{s: s, l: l, a: add(t, s, mailbox.Account{Extension: "4001"}, conformance.Code(t, numbered(0)))}

	doubts := 0
	for range serverKills {
		few := 2 + rand.IntN(6)
		killed := make(chan struct{})
		outcome := mailbox.Done
		for n := 0; outcome == mailbox.Done; n++ {
			if n == few {
				go func() {
					time.Sleep(rand.N(5 * time.Millisecond))
					server.Kill()
					close(killed)
				}()
			}
			if outcome = c.change(t); outcome == mailbox.Done {
				c.now++
			}
		}
		<-killed
		server.Restart(t)
		said := c.now
		require.Eventually(t, func() bool {
			return s.Verify(t.Context(), c.a, conformance.Code(t, numbered(said)), at) == nil ||
				s.Verify(t.Context(), c.a, conformance.Code(t, numbered(said+1)), at) == nil
		}, time.Minute, 10*time.Millisecond)
		if verifies(t, s, c.a, said+1) {
			require.Equal(t, mailbox.Unknown, outcome, "in force, and the caller was told that it is not")
			c.now++
		}
		if outcome == mailbox.Unknown {
			doubts++
		}
		ended := 0
		for r, err := range l.Records(t.Context(), 0) {
			require.NoError(t, err)
			if r.Stage == audit.Ended {
				ended++
			}
		}
		require.Equal(t, c.now, ended, "each change that is in force has its end in the trail, no other")
		_, err = l.Verify(t.Context())
		require.NoError(t, err)
	}
	t.Logf("%d kills of the server, %d changes, %d of them in doubt", serverKills, c.now, doubts)
	require.Greater(t, c.now, serverKills)
}
