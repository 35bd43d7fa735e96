package stage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/script"
)

// truth is a store that has what it is asked for, and does what it is told.
type truth struct{}

func (truth) Lookup(context.Context, mailbox.Query) ([]mailbox.Account, error) {
	return make([]mailbox.Account, 1), nil
}

func (truth) Verify(context.Context, mailbox.Account, pin.PIN, mailbox.Attempt) error { return nil }

func (truth) Change(context.Context, mailbox.Account, pin.PIN, pin.PIN, mailbox.Attempt) mailbox.Result {
	return mailbox.Proved()
}

// deadline is the store's, as a call gives it.
const deadline = 8 * time.Second

// told is what one operation brings: its code, a change's outcome, and how long it took.
type told struct {
	code    mailbox.Code
	outcome mailbox.Outcome
	took    time.Duration
}

func ask(s mailbox.Store, op string) (got told) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	began := time.Now()
	switch op {
	case "lookup":
		_, err := s.Lookup(ctx, mailbox.Query{})
		got.code = mailbox.CodeOf(err)
	case "verify":
		got.code = mailbox.CodeOf(s.Verify(ctx, mailbox.Account{}, pin.PIN{}, mailbox.Attempt{}))
	case "change":
		r := s.Change(ctx, mailbox.Account{}, pin.PIN{}, pin.PIN{}, mailbox.Attempt{})
		got.code, got.outcome = r.Reason, r.Outcome
	}
	got.took = time.Since(began)
	return got
}

func TestTheStoreAnswersAsTheScriptSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers
		s := a.Asked(Answering(truth{}))
		want := map[string]int{}
		says := func(op string, w told, how ...string) {
			t.Helper()
			if how != nil {
				a.Queue(op, how...)
			}
			got := ask(s, op)
			require.Equal(t, w, got, "%s %v", op, how)
			want[op]++
		}
		for _, op := range []string{"lookup", "verify"} {
			says(op, told{})
			says(op, told{}, "ok")
			says(op, told{took: 3 * time.Second}, "slow", "3s")
			says(op, told{code: mailbox.CodeOf(context.DeadlineExceeded), took: deadline}, "slow", "1h")
			says(op, told{code: mailbox.CodeOf(context.DeadlineExceeded), took: deadline}, "dead")
			for _, word := range script.AskReasons {
				code, err := Reason(word)
				require.NoError(t, err)
				says(op, told{code: code}, word)
			}
		}
		done := told{outcome: mailbox.Done}
		says("change", done)
		says("change", done, "ok")
		says("change", told{outcome: mailbox.Done, took: 3 * time.Second}, "slow", "3s")
		says("change", told{code: mailbox.OutcomeUnknown, took: deadline}, "dead")
		says("change", told{code: mailbox.OutcomeUnknown}, "unknown")
		for _, word := range script.RefuseReasons {
			code, err := Reason(word)
			require.NoError(t, err)
			says("change", told{code: code, outcome: mailbox.Refused}, "refused", word)
		}
		for op, n := range want {
			require.Equal(t, n, a.Count(op), op)
		}
		require.Equal(t, want["verify"], a.Count("verifies"))
		require.Equal(t, want["change"], a.Count("changes"))
		require.NoError(t, a.Unused())
		a.Queue("change", "panic")
		require.Panics(t, func() { ask(s, "change") })
		require.True(t, a.Idle(), "a question that ended in a program error has ended")
	})
}

func TestAnAnswerThatIsLeftOver(t *testing.T) {
	var a Answers
	require.NoError(t, a.Unused())
	a.Queue("change", "refused", "too-soon")
	require.Equal(t, []string{"ok"}, a.Take("verify"))
	require.EqualError(t, a.Unused(), "store change [refused too-soon] was never asked for")
	require.Equal(t, []string{"refused", "too-soon"}, a.Take("change"))
	require.NoError(t, a.Unused())
}

func TestAQuestionUnderWayIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers
		a.Queue("change", "dead")
		go ask(a.Asked(Answering(truth{})), "change")
		time.Sleep(deadline - time.Millisecond)
		synctest.Wait()
		require.False(t, a.Idle())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.True(t, a.Idle())
	})
}

func TestTransfersEndAsTheScriptSays(t *testing.T) {
	var x Transfers
	require.Equal(t, Outcome{Status: 200}, x.Take(), "nothing is queued")
	for _, c := range []struct {
		words []string
		want  Outcome
	}{
		{[]string{"ok"}, Outcome{Status: 200}},
		{[]string{"fails"}, Outcome{Status: 486}},
		{[]string{"silent"}, Outcome{}},
		{[]string{"slow", "3s"}, Outcome{Status: 200, After: 3 * time.Second}},
	} {
		x.Queue(c.words)
		require.ErrorContains(t, x.Unused(), "was never asked for")
		require.Equal(t, c.want, x.Take(), "%v", c.words)
		require.NoError(t, x.Unused())
	}
	require.Equal(t, 5, x.Asked())
	x.Queue([]string{"fails"})
	x.Queue([]string{"ok"})
	require.Equal(t, 486, x.Take().Status)
	require.Equal(t, 200, x.Take().Status)
}
