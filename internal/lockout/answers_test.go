package lockout_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"star97/internal/mailbox"
)

// What each answer of the wrapped store does to the count.
func TestWhichAnswersCount(t *testing.T) {
	free := map[mailbox.Code]bool{
		mailbox.OK: true, mailbox.Unavailable: true, mailbox.Throttled: true, mailbox.ServiceRefused: true, mailbox.Busy: true,
	}
	for _, c := range mailbox.Codes() {
		t.Run(c.String(), func(t *testing.T) {
			h := open(t)
			if c != mailbox.OK {
				h.sys.answer = mailbox.Fail("verify", c, errors.New("detail"))
			}
			require.Equal(t, c, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
			s, err := h.State(t.Context(), anna)
			require.NoError(t, err)
			want := 1
			if free[c] {
				want = 0
			}
			require.Equal(t, want, s.Any.Wrong)
		})
	}
	t.Run("a caller who hangs up", func(t *testing.T) {
		h := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		h.sys.during = func(mailbox.Account) error { cancel(); return mailbox.Expired(ctx, "verify") }
		require.ErrorIs(t, h.Verify(ctx, anna, code(t, rightCode), h.call(mailbox.AnyDoor)), mailbox.Unavailable)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Equal(t, 1, s.Any.Wrong, "a caller cannot take a try back")
	})
}

func TestAnOutageLocksNobody(t *testing.T) {
	h := open(t)
	h.wrongTimes(6, anna, mailbox.AnyDoor)
	h.waitOpen(anna, mailbox.AnyDoor)
	h.sys.answer = mailbox.Fail("verify", mailbox.Unavailable, nil)
	for range 200 {
		require.Equal(t, mailbox.Unavailable, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	}
	h.sys.answer = nil
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode), "not even the wait began anew")
}

func TestTheCurrentCodeInAChangeIsATry(t *testing.T) {
	change := func(h *house, current string) mailbox.Result {
		return h.Change(t.Context(), anna, code(t, current), code(t, "605172"), h.call(mailbox.AnyDoor))
	}
	t.Run("wrong", func(t *testing.T) {
		h := open(t)
		for range 5 {
			require.Equal(t, mailbox.WrongPIN, change(h, wrongCode).Reason)
		}
		r := change(h, rightCode)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.Locked, r.Reason)
		require.Equal(t, 5, h.sys.changed, "nothing was sent")
		_, spent := h.sys.asked()
		require.Equal(t, 1, spent)
	})
	t.Run("done", func(t *testing.T) {
		h := open(t)
		h.wrongTimes(4, anna, mailbox.AnyDoor)
		require.Equal(t, mailbox.Done, change(h, rightCode).Outcome)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Zero(t, s.Any.Wrong)
	})
	for c, want := range map[mailbox.Code]int{
		mailbox.Trivial: 0, mailbox.InHistory: 0, mailbox.CannotChange: 0, mailbox.Unavailable: 0, mailbox.Busy: 0,
		mailbox.WrongPIN: 1, mailbox.Locked: 1, mailbox.NotFound: 1, mailbox.Disabled: 1, mailbox.NoCode: 1, mailbox.OK: 1,
	} {
		t.Run("refused "+c.String(), func(t *testing.T) {
			h := open(t)
			h.sys.result = &mailbox.Result{Outcome: mailbox.Refused, Reason: c}
			require.Equal(t, *h.sys.result, change(h, rightCode))
			s, err := h.State(t.Context(), anna)
			require.NoError(t, err)
			require.Equal(t, want, s.Any.Wrong)
		})
	}
	t.Run("unknown", func(t *testing.T) {
		h := open(t)
		h.sys.result = &mailbox.Result{}
		require.Equal(t, mailbox.Unknown, change(h, rightCode).Outcome)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Equal(t, 1, s.Any.Wrong)
	})
}
