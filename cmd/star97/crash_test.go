package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/app"
	"star97/internal/audit"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

const (
	// defaultKills is how many kills with a change in flight a run makes; the
	// environment variable STAR97_KILLS asks for more.
	defaultKills = 50
	// houses are killed side by side: a start costs more waiting than computing.
	houses = 5
	// callersPerHouse change codes at the same time.
	callersPerHouse = 3
	// killWithin is at first the span after the first last key within which the kill
	// comes. A change is in flight for some 100 to 500 ms of it; on a slow machine for
	// longer, so that the span follows what is met.
	killWithin = 600 * time.Millisecond
)

func kills(t *testing.T) int {
	text := os.Getenv("STAR97_KILLS")
	if text == "" {
		return defaultKills
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "STAR97_KILLS")
	return n
}

// instead runs another program in place of the one that is tested elsewhere.
func instead(program string) []string {
	return []string{"sh", "-c", `other=$1; shift 2; exec "$other" "$@"`, "sh", program}
}

// fates counts what the kills met.
type fates struct {
	mu                                                      sync.Mutex
	kills, idle, inFlight, made, undone, open, unsaid, told int
}

// TestNoConfirmedChangeIsLostByKill kills the real program with SIGKILL at random
// moments of changes that callers are making over the telephone, and starts it again
// on the same data. A change that a caller heard confirmed, or that the audit trail
// calls Done, is in force; of the old and the new code exactly one is; the audit trail
// is whole and has no open end. The mailboxes of one house are in a store of their own,
// apart from the audit trail: there the trail may not know of a change that was made,
// and says so. (The system lives on: a power failure is another test.)
func TestNoConfirmedChangeIsLostByKill(t *testing.T) {
	t.Parallel()
	want, f := kills(t), new(fates)
	t.Run("houses", func(t *testing.T) {
		for i := range houses {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				h := openKilled(t, i == 0)
				for mine := (want + houses - 1 - i) / houses; mine > 0 && !t.Failed(); {
					attempts := h.kill() // its telephones are gone before the next round
					if h.round(attempts, f) {
						mine--
					}
				}
			})
		}
	})
	t.Logf("%d kills with a change in flight (%d without): %d changes in flight, %d made, %d not; %d left open in the audit trail, %d of them made in a store apart; %d confirmed to the caller before the kill",
		f.kills, f.idle, f.inFlight, f.made, f.undone, f.open, f.unsaid, f.told)
	require.GreaterOrEqual(t, f.kills, want)
	if want >= defaultKills {
		require.Positive(t, f.made, "no kill came after a commit")
		require.Positive(t, f.undone, "no kill came before a commit")
		require.Positive(t, f.open, "no kill came between an intent and its end")
		require.Positive(t, f.told, "no kill came after a confirmation")
	}
}

// killed is one service that is killed again and again.
type killed struct {
	*service
	t      *testing.T
	config config.Config
	setup  setup
	number string
	domain string            // of the mailboxes, in a store apart from the trail; empty: beside it
	codes  map[string]string // in force, by extension
	span   time.Duration     // the next kill comes within
}

func openKilled(t *testing.T, apart bool) *killed {
	h := &killed{t: t, number: "*97", codes: map[string]string{}, span: killWithin}
	// A kill between a code and the judgement on it leaves the try counted.
	h.setup.Sections = map[string]string{"lockout": "{source_per_hour: 1000}"}
	if apart {
		plan := filepath.Join(t.TempDir(), "plan.yaml")
		require.NoError(t, os.WriteFile(plan, []byte("routes: [{number: \"*87\", door: own, domain: north.example}]\n"+
			"domains: [{name: north.example, store: north}]\n"), 0o600))
		h.number, h.domain = "*87", "north.example"
		h.setup.Sections["dialplan"], h.setup.Sections["stores"] = plan, "{north: {sqlite: {queue_wait: 30s}}}"
	}
	h.service = startService(t, h.setup)
	for i := range callersPerHouse {
		extension := fmt.Sprint(4001 + i)
		h.codes[extension] = goodCode(extension)
		_, stderr, exit := h.mailbox(h.codes[extension]+"\n", "add", extension, "--domain", h.domain)
		require.Zero(t, exit, stderr)
	}
	c, problems := config.Load(h.Config)
	require.Empty(t, problems)
	h.config = c
	return h
}

// goodCode passes the default rules.
func goodCode(extension string) string {
	for {
		code := randomCode(8)
		p, err := pin.Parse(code)
		if err == nil && pin.DefaultPolicy().Check(p, pin.Context{Extension: extension}) == pin.Pass {
			return code
		}
	}
}

// attempt is one caller's change.
type attempt struct {
	extension, old, next string
	callID               string
	heard                bool // "changed" began before the kill
}

// kill makes changes and kills within them.
func (h *killed) kill() (attempts []*attempt) {
	require.True(h.t, h.t.Run("kill", func(t *testing.T) { attempts = h.changeAndKill(t) }))
	return attempts
}

// round starts again after a kill and looks at what is left. It tells whether a change
// was in flight at the kill.
func (h *killed) round(attempts []*attempt, f *fates) bool {
	t := h.t
	stores, err := app.OpenStores(context.Background(), h.config, h.Data)
	require.NoError(t, err)
	before := h.trail(stores)
	require.NoError(t, stores.Close())

	h.again(h.setup)
	stores, err = app.OpenStores(context.Background(), h.config, h.Data)
	require.NoError(t, err)
	after := h.trail(stores)
	require.Equal(t, before, after[:len(before)], "the audit trail lost or altered a record")
	open, err := stores.Ledger.OpenIntents(context.Background(), h.config.Audit.Node)
	require.NoError(t, err)
	require.Empty(t, open, "a start closes what the kill left open")

	flying := 0
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range attempts {
		if h.settle(stores, a, before, after, f) {
			flying++
		}
	}
	require.NoError(t, stores.Close())
	f.inFlight += flying
	if flying == 0 {
		f.idle++
		return false
	}
	f.kills++
	return true
}

// settle holds one attempt to the promise and notes which code is in force now. It
// tells whether the change was in flight: begun and not yet confirmed to the caller.
func (h *killed) settle(stores *app.Stores, a *attempt, before, after []audit.Record, f *fates) bool {
	t := h.t
	old, next := h.verifies(stores, a.extension, a.old), h.verifies(stores, a.extension, a.next)
	require.NotEqual(t, old, next, "exactly one of the two codes of %s is in force", a.extension)
	intended, _ := stageOf(before, a.callID, audit.Intended)
	end, ended := stageOf(before, a.callID, audit.Ended)
	if a.heard {
		require.True(t, next, "the caller of %s heard that the code is changed", a.extension)
		f.told++
	}
	if ended && end.Outcome == mailbox.Done {
		require.True(t, next, "the audit trail says that the code of %s is changed", a.extension)
	}
	if h.domain == "" {
		require.Equal(t, next, ended && end.Outcome == mailbox.Done, "the change and its end in the trail are one")
	} else if next {
		require.NotEmpty(t, intended.Intent, "no change without its intent in the trail")
	}
	if intended.Intent != "" && !ended {
		closed, found := stageOf(after, a.callID, audit.Ended)
		require.True(t, found, "the open intent of %s has an end after the start", a.extension)
		if h.domain == "" {
			require.Equal(t, mailbox.Refused, closed.Outcome)
		} else {
			require.Equal(t, mailbox.Unknown, closed.Outcome, "nobody but the store can tell")
		}
		f.open++
		if next {
			f.unsaid++
		}
	}
	if next {
		h.codes[a.extension] = a.next
	}
	flying := intended.Intent != "" && !a.heard
	if flying && next {
		f.made++
	} else if flying {
		f.undone++
	}
	return flying
}

// stageOf finds the record of a call's change.
func stageOf(all []audit.Record, callID string, stage audit.Stage) (audit.Record, bool) {
	for _, r := range all {
		if r.CallID == callID && r.Action == audit.Change && r.Stage == stage {
			return r, true
		}
	}
	return audit.Record{}, false
}

// trail is the verified audit chain.
func (h *killed) trail(stores *app.Stores) (all []audit.Record) {
	_, err := stores.Ledger.Verify(context.Background())
	require.NoError(h.t, err)
	for r, err := range stores.Ledger.Records(context.Background(), 0) {
		require.NoError(h.t, err)
		all = append(all, r)
	}
	return all
}

// verifies asks the backend itself, past the counters of wrong codes.
func (h *killed) verifies(stores *app.Stores, extension, code string) bool {
	a, err := stores.Find(context.Background(), extension, h.domain)
	require.NoError(h.t, err)
	p, err := pin.Parse(code)
	require.NoError(h.t, err)
	err = stores.Backend.Verify(context.Background(), a, p, mailbox.Attempt{})
	if err != nil {
		require.ErrorIs(h.t, err, mailbox.WrongPIN)
	}
	return err == nil
}

// changeAndKill lets every caller change a code; the last keys are pressed at about
// the same time, and the kill comes at a random moment after the first of them.
func (h *killed) changeAndKill(t *testing.T) []*attempt {
	var attempts []*attempt
	var phones []*callertest.Phone
	for extension, old := range h.codes {
		p := callertest.Dial(t, caller.Options{
			URI: "sip:" + h.number + "@" + h.UDP.String(), From: extension, Listen: "127.0.0.1",
			Press: caller.Press{Length: 30 * time.Millisecond, Gap: 30 * time.Millisecond},
		})
		phones = append(phones, p)
		attempts = append(attempts, &attempt{extension: extension, old: old, next: goodCode(extension), callID: p.CallID()})
	}
	var ready, over sync.WaitGroup
	last, dead := make(chan struct{}), make(chan struct{})
	for i, a := range attempts {
		p := phones[i]
		ready.Add(1)
		over.Go(func() {
			keys := a.old + "#2" + a.next + "#" + a.next
			err := p.Call.Press(context.Background(), keys)
			ready.Done()
			<-last
			time.Sleep(rand.N(h.span / 2))
			if err == nil {
				_ = p.Call.Press(context.Background(), "#") // the kill may end it
			}
			<-dead
		})
	}
	ready.Wait()
	time.AfterFunc(rand.N(h.span), func() { h.signal(syscall.SIGKILL) })
	close(last)
	<-h.exited
	close(dead)
	over.Wait()
	heard := 0
	for i, a := range attempts {
		if a.heard = heardChanged(phones[i]); a.heard {
			heard++
		}
		phones[i].Close()
	}
	switch heard {
	case 0:
		h.span += h.span / 4
	case len(attempts):
		h.span -= h.span / 4
	}
	return attempts
}

// heardChanged tells whether the confirmation began: what came before the kill counts.
func heardChanged(p *callertest.Phone) bool {
	for _, s := range p.Media().Heard() {
		if strings.HasPrefix(string(s.ID), string(prompt.Changed)) {
			return true
		}
	}
	return false
}
