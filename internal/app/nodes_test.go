package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

// cluster is a database that several nodes share, and the pepper that goes with it.
type cluster struct {
	server sqlkit.PostgresOptions
	pepper string
	north  string // file of a second store, as a system of another make: its changes have an intent
}

func newCluster(t testing.TB) cluster {
	dir := t.TempDir()
	return cluster{sqlkittest.Postgres(t).Database(t), filepath.Join(dir, "pepper"), filepath.Join(dir, "north.db")}
}

// node makes a configuration that of one node.
func (s cluster) node(c *config.Config, name string) {
	c.Audit.Node = name
	c.Store = config.Default().Store
	c.Store.Driver = sqldb.PostgresName
	p := &c.Store.Postgres
	p.Server, p.PepperFile, p.Rehearsal, p.Cost = s.server, s.pepper, true, sqldb.Cost{Memory: 64, Passes: 1, Threads: 1}
	p.Server.PoolWait, p.Server.ConnectTimeout, p.Server.LockTimeout = 30*time.Second, 30*time.Second, 30*time.Second
	apart := rehearsed()
	apart.SQLite.Database.Path = s.north
	c.Stores = map[string]backend.Options{"north": apart}
	plan := *c.Plan
	plan.Domains = []dialplan.Domain{{Name: north, Store: "north"}}
	c.Plan = &plan
}

// Two nodes serve one database: a code that was changed at one is in force at the other,
// and the audit trail of both is one chain.
func TestTwoNodesOfOneDatabase(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		s := newCluster(t)
		one := openHouse(t, func(c *config.Config) { s.node(c, "one") })
		two := openHouse(t, func(c *config.Config) { s.node(c, "two") })
		a := one.add("4001", codes["old"], mailbox.Flags{})
		for _, h := range []*house{one, two} {
			before, after := codes["old"], codes["new"]
			if h == two {
				before, after = after, "60617238"
			}
			p := dial(t, h.phone("*97", "4001"))
			p.Press(before + "#2" + after + "#" + after + "#")
			p.Hear(prompt.Changed)
			p.Hangup()
			for _, other := range []*house{one, two} {
				require.True(t, other.inForce(a, after))
				require.False(t, other.inForce(a, before))
			}
		}
		nodes := map[string]int{}
		for _, r := range records(t, one.stores) {
			if r.Action == audit.Change && r.Stage == audit.Ended && r.Outcome == mailbox.Done {
				nodes[r.Node]++
			}
		}
		require.Equal(t, map[string]int{"one": 1, "two": 1}, nodes)
		require.Len(t, records(t, two.stores), len(records(t, one.stores)))
	})
}

// Wrong codes count wherever they are tried: a door that closes at one node is closed at
// all, and an administrator opens it for all.
func TestNodesShareTheirLocks(t *testing.T) {
	t.Parallel()
	s := newCluster(t)
	open := func(name string) *Stores {
		c := config.Default()
		c.Plan = dialplan.Default()
		s.node(&c, name)
		stores, err := OpenStores(t.Context(), c, furnished(t))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, stores.Close()) })
		return stores
	}
	nodes := []*Stores{open("one"), open("two")}
	a, err := nodes[0].Add(t.Context(), mailbox.Account{Extension: "4001"}, code(t, codes["old"]), "test")
	require.NoError(t, err)
	call := uint64(0) // each try is a call of its own
	try := func(node int, digits string) mailbox.Code {
		call++
		at := mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "test", Source: "192.0.2.1", Caller: "4002", Call: call}
		return mailbox.CodeOf(nodes[node].Trail.Verify(t.Context(), a, code(t, digits), at))
	}
	wrong := 0
	for ; try(wrong%2, codes["wrong"]) == mailbox.WrongPIN; wrong++ {
		require.Less(t, wrong, 100, "no lock at all")
	}
	require.GreaterOrEqual(t, wrong, config.Default().Lockout.WaitFrom-1)
	require.LessOrEqual(t, wrong, config.Default().Lockout.WaitFrom, "neither node counts for itself")
	for node := range nodes {
		require.Equal(t, mailbox.Locked, try(node, codes["old"]), "node %d", node)
	}
	require.NoError(t, nodes[1].Unlock(t.Context(), a, "admin", "test"))
	for node := range nodes {
		require.Equal(t, mailbox.OK, try(node, codes["old"]), "node %d", node)
	}
}

// stuck is a store whose changes get no answer.
type stuck struct {
	mailbox.Store
	asked chan struct{}
	over  <-chan struct{}
}

func (s stuck) Change(context.Context, mailbox.Account, pin.PIN, pin.PIN, mailbox.Attempt) mailbox.Result {
	close(s.asked)
	<-s.over
	return mailbox.Doubt(context.Canceled)
}

// What a node had begun when it died is closed by itself when it comes back, as unknown,
// and by no other node.
func TestANodeClosesItsOwnOpenChangesAlone(t *testing.T) {
	t.Parallel()
	s := newCluster(t)
	over := make(chan struct{})
	open := func(name string, with Seams) *Stores {
		c := config.Default()
		c.Plan = dialplan.Default()
		s.node(&c, name)
		stores, err := OpenWith(t.Context(), c, furnished(t), with)
		require.NoError(t, err)
		return stores
	}
	asked := make(chan struct{})
	dies := open("two", Seams{Wrap: func(b mailbox.Store) mailbox.Store { return stuck{b, asked, over} }})
	a, err := dies.Add(t.Context(), mailbox.Account{Extension: "4001", Domain: north}, code(t, codes["old"]), "test")
	require.NoError(t, err)
	var died sync.WaitGroup
	// The change under which the node dies: started here; stops at the test's end.
	died.Go(func() {
		dies.Trail.Change(context.Background(), a, code(t, codes["old"]), code(t, codes["new"]), mailbox.Attempt{Door: mailbox.OwnDoor, CallID: "last"})
	})
	<-asked

	one := open("one", Seams{})
	require.NoError(t, closeOpenChanges(t.Context(), one, slog.New(slog.DiscardHandler)))
	left, err := one.Ledger.OpenIntents(t.Context(), "two")
	require.NoError(t, err)
	require.Len(t, left, 1, "the other node's is not touched")
	require.Equal(t, "last", left[0].CallID)

	again := open("two", Seams{})
	require.NoError(t, closeOpenChanges(t.Context(), again, slog.New(slog.DiscardHandler)))
	left, err = one.Ledger.OpenIntents(t.Context(), "two")
	require.NoError(t, err)
	require.Empty(t, left)
	all := records(t, one)
	last := all[len(all)-1]
	require.Equal(t, "two", last.Node)
	require.Equal(t, audit.Change, last.Action)
	require.Equal(t, mailbox.Unknown, last.Outcome)

	close(over)
	died.Wait()
	for _, s := range []*Stores{one, again, dies} {
		require.NoError(t, s.Close())
	}
}
