package probe

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// silentPilot answers nothing.
func silentPilot(t *testing.T) string {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return "sip:*98@" + c.LocalAddr().String()
}

func opened(t *testing.T, alter func(*Options)) *Probe {
	o := options()
	o.Fingerprints, o.Local = filepath.Join(t.TempDir(), "pilot.json"), "127.0.0.1"
	require.NoError(t, learnedHere(t).Write(o.Fingerprints))
	alter(&o)
	p, err := Open("pilot", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

var (
	annes   = mailbox.Account{ID: "a", Extension: "4001"}
	code, _ = pin.Parse("739152")
)

func TestAPilotThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	p := opened(t, func(o *Options) { o.URI, o.Answer = silentPilot(t), time.Second })
	err := p.Verify(t.Context(), annes, code, mailbox.Attempt{})
	require.ErrorIs(t, err, mailbox.Unavailable)
	require.ErrorContains(t, err, "probe pilot: no answer")
}

func TestOneCallTooManyIsBusy(t *testing.T) {
	t.Parallel()
	p := opened(t, func(o *Options) { o.URI, o.Calls = silentPilot(t), 2 })
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() { _ = p.Verify(t.Context(), annes, code, mailbox.Attempt{}) })
	}
	require.Eventually(t, func() bool { return len(p.slots) == 2 }, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, p.Verify(t.Context(), annes, code, mailbox.Attempt{}), mailbox.Busy)
	require.NoError(t, p.Close(), "ends the calls that are up")
	calls.Wait()
	require.Empty(t, p.slots)
}

// That nobody has the mailbox is not told by a quick answer, and nobody is called.
func TestAMailboxThatIsNotThereTakesAsLongAsAnother(t *testing.T) {
	t.Parallel()
	p := opened(t, func(o *Options) { o.URI = "sip:*98@192.0.2.1" })
	p.pace.Store(int64(300 * time.Millisecond))
	began := time.Now()
	require.ErrorIs(t, p.Verify(t.Context(), mailbox.Account{Extension: "4009"}, code, mailbox.Attempt{}), mailbox.WrongPIN)
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	require.ErrorIs(t, p.Verify(t.Context(), annes, pin.PIN{}, mailbox.Attempt{}), mailbox.WrongPIN, "no code is none")
}

// A pilot that does not answer is heard by all alike, and does not tell which mailboxes
// exist; a caller who hangs up does not make others hear it.
func TestTroubleWithThePilotIsHeardByAllAlike(t *testing.T) {
	t.Parallel()
	p := opened(t, func(o *Options) { o.URI, o.Answer = silentPilot(t), time.Second })
	p.pace.Store(int64(time.Millisecond))
	nobody := mailbox.Account{Extension: "4009"}
	ask := func(a mailbox.Account) mailbox.Code {
		return mailbox.CodeOf(p.Verify(t.Context(), a, code, mailbox.Attempt{}))
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, p.Verify(gone, annes, code, mailbox.Attempt{}))
	require.Equal(t, mailbox.WrongPIN, ask(nobody))
	require.Equal(t, mailbox.Unavailable, ask(annes))
	began := time.Now()
	require.Equal(t, mailbox.Unavailable, ask(nobody))
	require.GreaterOrEqual(t, time.Since(began), time.Second, "as long as it took")
	p.bad.Store(&trouble{mailbox.Unavailable, time.Now().Add(-troubled), 0})
	require.Equal(t, mailbox.WrongPIN, ask(nobody), "that was long ago")
}

func TestWhatCannotBeDialledIsNot(t *testing.T) {
	t.Parallel()
	p := opened(t, func(o *Options) { o.URI = "sip:{extension}@{domain}" })
	for _, a := range []mailbox.Account{
		{ID: "a", Extension: "4001@192.0.2.9"}, {ID: "a", Extension: ""}, {ID: "a", Extension: "*72"},
		{ID: "a", Extension: "4001", Domain: "north.example>;x=<sip:y"},
	} {
		require.ErrorIs(t, p.Verify(t.Context(), a, code, mailbox.Attempt{}), mailbox.Unavailable)
	}
}

func TestAProbeWithoutWhatItsScriptWaitsForIsNotOpened(t *testing.T) {
	t.Parallel()
	o := options()
	o.Fingerprints = filepath.Join(t.TempDir(), "pilot.json")
	_, err := Open("pilot", o)
	require.ErrorContains(t, err, "star97 probe learn writes them")
	require.NoError(t, learnedHere(t).Write(o.Fingerprints))
	o.Script[0].Until = "greeting"
	_, err = Open("pilot", o)
	require.ErrorContains(t, err, "have no sentence greeting: run star97 probe learn --name pilot")
}

func TestTheSystemsLimitIsTold(t *testing.T) {
	t.Parallel()
	p := opened(t, func(o *Options) { o.LocksAfter, o.Remembers = 5, time.Hour })
	require.Equal(t, mailbox.Traits{Check: mailbox.Delegated, Limit: 5, Window: time.Hour}, p.Traits(annes))
	require.Zero(t, p.Lag(annes))
}
