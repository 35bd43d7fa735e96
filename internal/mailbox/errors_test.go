package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers are in audit records and metrics of running systems.
func TestCodesKeepTheirNumbersAndWords(t *testing.T) {
	want := []string{
		"ok", "not-found", "ambiguous", "wrong-pin", "locked", "other-channel", "cannot-change", "too-soon",
		"too-short", "too-long", "not-digits", "trivial", "in-history", "policy-other", "service-refused",
		"throttled", "unavailable", "outcome-unknown", "disabled", "no-code", "busy", "exists",
	}
	require.Len(t, Codes(), len(want))
	for i, c := range Codes() {
		require.Equal(t, Code(i), c)
		require.Equal(t, want[i], c.String())
	}
	require.Equal(t, "unnamed-200", Code(200).String())
}

func TestCodeOf(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Code
	}{
		"no error":              {nil, OK},
		"an Error":              {Fail("verify", Locked, io.EOF), Locked},
		"a wrapped Error":       {fmt.Errorf("call: %w", Fail("verify", WrongPIN, nil)), WrongPIN},
		"the outermost Error":   {Fail("change", Busy, Fail("verify", Locked, nil)), Busy},
		"a joined Error":        {errors.Join(io.EOF, Fail("verify", NoCode, nil)), NoCode},
		"a bare Code":           {fmt.Errorf("x: %w", Throttled), Throttled},
		"a passed deadline":     {context.DeadlineExceeded, Unavailable},
		"an error of elsewhere": {io.EOF, Unavailable},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, CodeOf(c.err)) })
	}
}

func TestErrorIsItsCodeAndItsDetail(t *testing.T) {
	err := fmt.Errorf("call: %w", Fail("verify", Locked, io.EOF))
	require.ErrorIs(t, err, Locked)
	require.ErrorIs(t, err, io.EOF)
	require.NotErrorIs(t, err, WrongPIN)
	require.EqualError(t, Fail("verify", Locked, io.EOF), "verify: locked: EOF")
	require.EqualError(t, Fail("verify", Locked, nil), "verify: locked")
}

func TestExpiredTellsWhy(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	err := Expired(ctx, "verify")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Equal(t, Unavailable, CodeOf(err))
}

func TestResults(t *testing.T) {
	require.NoError(t, Proved().Failed("change"))
	require.Equal(t, TooSoon, Refuse(Fail("change", TooSoon, nil)).Reason)
	require.Equal(t, Unknown, Doubt(io.EOF).Outcome)
	require.Equal(t, Unknown, Result{}.Outcome, "the zero Result claims nothing")
	err := Doubt(io.EOF).Failed("reset")
	require.ErrorIs(t, err, OutcomeUnknown)
	require.ErrorIs(t, err, io.EOF)
}

func TestWordsInJSON(t *testing.T) {
	b, err := json.Marshal(map[string]any{
		"code": WrongPIN, "outcomes": []Outcome{Unknown, Done, Refused}, "doors": []Door{0, OwnDoor, AnyDoor, CheckDoor},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"code":"wrong-pin","outcomes":["unknown","done","refused"],"doors":["none","own","any","check"]}`, string(b))
	require.Equal(t, "unnamed-9", Outcome(9).String())
	require.Equal(t, "unnamed-9", Door(9).String())
}

func TestDoorReadsItsWords(t *testing.T) {
	var d Door
	require.NoError(t, d.UnmarshalText([]byte("any")))
	require.Equal(t, AnyDoor, d)
	require.NoError(t, d.UnmarshalText([]byte("check")))
	require.Equal(t, CheckDoor, d)
	require.ErrorContains(t, d.UnmarshalText([]byte("Any")), "use own, any or check")
	require.Error(t, d.UnmarshalText([]byte("none")))
}
