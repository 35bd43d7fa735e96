package webex

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/httpapi"
	"star97/internal/backend/webex/fake"
	"star97/internal/mailbox"
)

func contextOf(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func (b bed) change(t *testing.T, a mailbox.Account, current, next string) mailbox.Result {
	t.Helper()
	return b.Change(t.Context(), a, codeOf(t, current), codeOf(t, next), mailbox.Attempt{})
}

func TestAChangeIsRefusedBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	strict := fake.Rules{Min: 6, Max: 8, Repeated: 2, Sequence: 3, Previous: 10, OwnNumber: true}
	for name, tc := range map[string]struct {
		next  string
		alter func(*mailbox.Account)
		want  mailbox.Code
	}{
		"good":              {"739164", nil, mailbox.OK},
		"short":             {"73916", nil, mailbox.TooShort},
		"long":              {"739164827", nil, mailbox.TooLong},
		"three alike":       {"739111", nil, mailbox.Trivial},
		"four in a row":     {"731234", nil, mailbox.Trivial},
		"own extension":     {"740019", nil, mailbox.Trivial},
		"the current one":   {"482915", nil, mailbox.InHistory},
		"voicemail is off":  {"739164", func(a *mailbox.Account) { a.Flags.Disabled = true }, mailbox.Disabled},
		"nobody":            {"739164", func(a *mailbox.Account) { a.ID = "" }, mailbox.WrongPIN},
		"somebody who went": {"739164", func(a *mailbox.Account) { a.ID = fake.Location }, mailbox.NotFound},
		"no id at all":      {"739164", func(a *mailbox.Account) { a.ID = "../people" }, mailbox.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := makeBed(t, func(o *Options, f *fake.Server) { o.Rules, f.Rules = rulesLocation, strict })
			a := mailbox.Account{Extension: "4001"}
			if tc.want == mailbox.Disabled {
				tc.alter(&a)
			}
			a = b.fake.Put(a, codeOf(t, "482915"))
			id := a.ID
			if tc.alter != nil {
				tc.alter(&a)
			}
			r := b.change(t, a, "482915", tc.next)
			if tc.want == mailbox.OK {
				require.Equal(t, mailbox.Proved(), r)
				return
			}
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, tc.want, r.Reason, "%v", r.Err)
			require.Zero(t, b.fake.Orders().Seen(fake.OpWrite))
			require.True(t, b.fake.Has(id, codeOf(t, "482915")))
		})
	}
}

// The system tells nobody when a code was changed: what star97 has changed itself counts.
func TestASecondChangeWithinTheMinimumTimeIsTooSoon(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(_ *Options, f *fake.Server) { f.Rules.ChangeDays = 1 })
	a, other := b.withRules(t, mailbox.Account{Extension: "4001"}), b.withRules(t, mailbox.Account{Extension: "4002"})
	require.Equal(t, mailbox.Proved(), b.change(t, a, "482915", "739164"))
	r := b.change(t, a, "739164", "60617238")
	require.Equal(t, mailbox.TooSoon, r.Reason)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.Proved(), b.change(t, other, "482915", "739164"))
	require.Equal(t, mailbox.Proved(), b.Reset(t.Context(), a, codeOf(t, "482915"), false, "admin", "forgotten"), "an administrator may")
	b.mu.Lock()
	b.changed[a.ID] = time.Now().Add(-25 * time.Hour)
	b.mu.Unlock()
	require.Equal(t, mailbox.Proved(), b.change(t, a, "482915", "739164"))
}

func TestWhatTheStatusesOfAWriteMean(t *testing.T) {
	t.Parallel()
	refused := func(number int, words string) string {
		return fmt.Sprintf(`{"message":"no","errors":[{"description":%q,"errorCode":%d}],"trackingId":"ROUTER_5F0A"}`, words, number)
	}
	for name, tc := range map[string]struct {
		status  int
		retry   string
		body    string
		outcome mailbox.Outcome
		reason  mailbox.Code
		says    string
	}{
		"200":                 {200, "", "{}", mailbox.Unknown, mailbox.OutcomeUnknown, "200 instead of 204"},
		"202":                 {202, "", "{}", mailbox.Unknown, mailbox.OutcomeUnknown, "202 instead of 204"},
		"400":                 {400, "", "{}", mailbox.Refused, mailbox.PolicyOther, "answers 400"},
		"400 by number":       {400, "", refused(25042, "x"), mailbox.Refused, mailbox.TooLong, "errorCode 25042, trackingId ROUTER_5F0A"},
		"400 by both":         {400, "", refused(25043, "Quite NEW words"), mailbox.Refused, mailbox.Locked, "errorCode 25043"},
		"400 by half of both": {400, "", refused(25043, "Passcode was used previously"), mailbox.Refused, mailbox.InHistory, "errorCode 25043"},
		"400 by words":        {400, "", refused(0, "Passcode has REPEATED digits"), mailbox.Refused, mailbox.Trivial, "trackingId ROUTER_5F0A"},
		"400 with a code":     {400, "", refused(739164, "739164 is no passcode"), mailbox.Refused, mailbox.PolicyOther, "answers 400, trackingId"},
		"400 of no form":      {400, "", "[1", mailbox.Refused, mailbox.PolicyOther, "answers 400"},
		"401":                 {401, "", "{}", mailbox.Refused, mailbox.ServiceRefused, "401"},
		"403":                 {403, "", "{}", mailbox.Refused, mailbox.ServiceRefused, "403"},
		"404":                 {404, "", "{}", mailbox.Refused, mailbox.NotFound, "404"},
		"405":                 {405, "", "{}", mailbox.Refused, mailbox.ServiceRefused, "405"},
		"409":                 {409, "", refused(0, "previous"), mailbox.Refused, mailbox.InHistory, "409"},
		"423":                 {423, "", "{}", mailbox.Refused, mailbox.Throttled, "423"},
		"429":                 {429, "", "{}", mailbox.Refused, mailbox.Throttled, "again in 1s"},
		"429 and when":        {429, "30", "{}", mailbox.Refused, mailbox.Throttled, "again in 30s"},
		"503 and when":        {503, "7", "{}", mailbox.Refused, mailbox.Throttled, "again in 7s"},
		"503":                 {503, "", "{}", mailbox.Unknown, mailbox.OutcomeUnknown, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := &conformance.Log{}
			b := makeBed(t, func(o *Options, _ *fake.Server) {
				o.LogTo(said.Logger())
				o.Refusals = append([]Refusal{{25042, "", "too-long"}, {25043, "new words", "locked"}}, o.Refusals...)
			})
			a := b.withRules(t, mailbox.Account{Extension: "4001"})
			b.fake.Orders().Give(fake.OpWrite, trouble.Order{
				Kind: trouble.Status, Status: tc.status, RetryAfter: tc.retry, Body: tc.body, Type: "application/json", Times: trouble.Always,
			})
			r := b.change(t, a, "482915", "739164")
			require.Equal(t, tc.outcome, r.Outcome)
			require.Equal(t, tc.reason, r.Reason)
			require.ErrorContains(t, r.Err, tc.says)
			for _, text := range []string{r.Err.Error(), said.String()} {
				require.NotContains(t, text, "739164")
				require.NotContains(t, text, "482915")
			}
		})
	}
}

// The longest wait that the system asks for holds for everybody.
func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.API.Retries = 0 })
	b.withRules(t, mailbox.Account{Extension: "4001"})
	b.fake.Orders().Give(fake.OpNumbers, trouble.Order{Kind: trouble.Status, Status: http.StatusTooManyRequests, RetryAfter: "60"})
	for range 3 {
		_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.Equal(t, mailbox.Throttled, mailbox.CodeOf(err))
		var later *httpapi.Later
		require.ErrorAs(t, err, &later)
	}
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpNumbers))
}

func TestTheTrackingIDIsLogged(t *testing.T) {
	t.Parallel()
	said := &conformance.Log{}
	b := makeBed(t, func(o *Options, _ *fake.Server) {
		o.LogTo(said.Logger())
	})
	a := b.withRules(t, mailbox.Account{Extension: "4001"})
	require.Equal(t, mailbox.Proved(), b.change(t, a, "482915", "739164"))
	require.Contains(t, said.String(), "tracking=ROUTER_5F0A")
}

func TestReset(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(_ *Options, f *fake.Server) { f.Rules.Repeated = 2 })
	a := b.withRules(t, mailbox.Account{Extension: "4001"})
	r := b.Reset(t.Context(), a, codeOf(t, "739164"), true, "admin", "forgotten")
	require.Equal(t, mailbox.PolicyOther, r.Reason)
	require.ErrorContains(t, r.Err, "choose another code")
	require.Zero(t, b.fake.Orders().Seen(fake.OpWrite))
	r = b.Reset(t.Context(), a, codeOf(t, "111111"), false, "admin", "forgotten")
	require.Equal(t, mailbox.Refused, r.Outcome, "the system's own rules hold")
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpWrite))
	require.Equal(t, mailbox.NotFound, b.Reset(t.Context(), mailbox.Account{ID: "a/b"}, codeOf(t, "739164"), false, "admin", "forgotten").Reason)
}
