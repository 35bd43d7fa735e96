package webhook

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

var codeOf = conformance.Code

// pair is the current code and the new one.
func pair(t testing.TB) (current, next pin.PIN) { return codeOf(t, "482915"), codeOf(t, "739164") }

// script is a service that answers in turn; the last answer stays.
type script struct {
	mu      sync.Mutex
	answers []func(w http.ResponseWriter, id string)
	bodies  []string
	ids     []string
	end     func() // what the request number last does, beside being answered
	last    int
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q struct{ ID string }
	_ = json.Unmarshal(body, &q)
	s.mu.Lock()
	now := s.answers[min(len(s.bodies), len(s.answers)-1)]
	s.bodies, s.ids = append(s.bodies, string(body)), append(s.ids, q.ID)
	if s.end != nil && len(s.bodies) == s.last {
		s.end()
	}
	s.mu.Unlock()
	now(w, q.ID)
}

func (s *script) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

// says is a result in an answer 200.
func says(result string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, id string) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "result": result})
	}
}

// with is an answer of a status with headers in pairs.
func with(status int, headers ...string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
}

// scripted is a store on a service that answers in turn.
func scripted(t *testing.T, repeat time.Duration, answers ...func(http.ResponseWriter, string)) (*Store, *script) {
	sc := &script{answers: answers}
	server := trouble.Serve(t, sc, nil)
	o := optionsFor(&fake.Server{Server: server, KeyFile: fake.New(t).KeyFile})
	o.Repeat, o.API.BreakAfter, o.API.Retries = repeat, 100, 0
	return openOn(t, o), sc
}

func TestAChangeWithoutAnAnswerIsAskedAgainWithItsID(t *testing.T) {
	t.Parallel()
	lost := with(http.StatusBadGateway)
	for name, tc := range map[string]struct {
		answers []func(http.ResponseWriter, string)
		repeat  time.Duration
		want    mailbox.Outcome
		reason  mailbox.Code
		asked   int // of several the caller hangs up at the fourth: then 4
	}{
		"an answer at once":                              {[]func(http.ResponseWriter, string){says("ok")}, time.Minute, mailbox.Done, 0, 1},
		"lost once":                                      {[]func(http.ResponseWriter, string){lost, says("ok")}, time.Minute, mailbox.Done, 0, 2},
		"lost twice":                                     {[]func(http.ResponseWriter, string){lost, lost, says("ok")}, time.Minute, mailbox.Done, 0, 3},
		"still at work":                                  {[]func(http.ResponseWriter, string){with(409), with(409), says("ok")}, time.Minute, mailbox.Done, 0, 3},
		"the service cannot say yet":                     {[]func(http.ResponseWriter, string){says("outcome-unknown"), says("ok")}, time.Minute, mailbox.Done, 0, 2},
		"a word that the contract does not have":         {[]func(http.ResponseWriter, string){says("well"), says("ok")}, time.Minute, mailbox.Done, 0, 2},
		"no content":                                     {[]func(http.ResponseWriter, string){with(204), says("ok")}, time.Minute, mailbox.Done, 0, 2},
		"the answer of another request":                  {[]func(http.ResponseWriter, string){func(w http.ResponseWriter, _ string) { says("ok")(w, newID()) }, says("ok")}, time.Minute, mailbox.Done, 0, 2},
		"refused at once":                                {[]func(http.ResponseWriter, string){says("in-history")}, time.Minute, mailbox.Refused, mailbox.InHistory, 1},
		"throttled at once":                              {[]func(http.ResponseWriter, string){with(429, "Retry-After", "60")}, time.Minute, mailbox.Refused, mailbox.Throttled, 1},
		"a signature that is refused":                    {[]func(http.ResponseWriter, string){with(401)}, time.Minute, mailbox.Refused, mailbox.ServiceRefused, 1},
		"a path that is not there":                       {[]func(http.ResponseWriter, string){with(404)}, time.Minute, mailbox.Refused, mailbox.ServiceRefused, 1},
		"refused for what the change cannot have caused": {[]func(http.ResponseWriter, string){lost, says("cannot-change")}, time.Minute, mailbox.Refused, mailbox.CannotChange, 2},
		"refused as one that has been made is":           {[]func(http.ResponseWriter, string){lost, says("wrong-pin")}, time.Minute, mailbox.Unknown, mailbox.OutcomeUnknown, 4},
		"busy when it is asked again":                    {[]func(http.ResponseWriter, string){lost, says("unavailable"), says("ok")}, time.Minute, mailbox.Done, 0, 3},
		"refused otherwise when it is asked again":       {[]func(http.ResponseWriter, string){lost, with(401), says("ok")}, time.Minute, mailbox.Done, 0, 3},
		"never answered":                                 {[]func(http.ResponseWriter, string){lost}, time.Minute, mailbox.Unknown, mailbox.OutcomeUnknown, 4},
		"not to be asked again":                          {[]func(http.ResponseWriter, string){lost}, 0, mailbox.Unknown, mailbox.OutcomeUnknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sc := scripted(t, min(tc.repeat, 30*time.Second), tc.answers...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sc.end, sc.last = cancel, 4
			current, next := pair(t)
			r := s.Change(ctx, mailbox.Account{ID: "17"}, current, next, mailbox.Attempt{})
			require.Equal(t, tc.want, r.Outcome, "%v", r.Err)
			require.Equal(t, tc.reason, r.Reason)
			require.Equal(t, tc.asked, sc.asked())
			require.Len(t, slices.Compact(slices.Clone(sc.bodies)), 1, "the same body each time")
		})
	}
}

func TestEachChangeHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	s, sc := scripted(t, time.Second, says("too-soon"))
	current, next := pair(t)
	for range 3 {
		s.Change(t.Context(), mailbox.Account{ID: "17"}, current, next, mailbox.Attempt{})
		s.Reset(t.Context(), mailbox.Account{ID: "17"}, next, false, "admin", "asked")
	}
	slices.Sort(sc.ids)
	require.Len(t, slices.Compact(sc.ids), 6)
}

// Whatever was lost, the service writes once.
func TestALostAnswerNeverChangesTwice(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	s := openOn(t, optionsFor(f))
	current, next := pair(t)
	a := f.Put(mailbox.Account{Extension: "4001"}, current)
	f.Orders().Give(fake.OpSet, trouble.Order{Kind: trouble.CutAfter})
	f.Orders().Give(fake.OpAgain, trouble.Order{Kind: trouble.CutAfter, Times: 2})
	require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, current, next, mailbox.Attempt{}))
	require.Equal(t, 1, f.Writes())
	require.Equal(t, 3, f.Orders().Seen(fake.OpAgain))
	f.Orders().Give(fake.OpSet, trouble.Order{Kind: trouble.HTML, Status: 500, Applied: true})
	require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, current, true, "admin", "forgotten"))
	require.Equal(t, 2, f.Writes())
}

// A service that forgets ids says wrong-pin to what it has done: that is no refusal.
func TestAServiceThatForgetsIsNotBelieved(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	f.Forgetful = true
	o := optionsFor(f)
	o.Repeat = time.Second
	s := openOn(t, o)
	current, next := pair(t)
	a := f.Put(mailbox.Account{Extension: "4001"}, current)
	f.Orders().Give(fake.OpSet, trouble.Order{Kind: trouble.CutAfter})
	r := s.Change(t.Context(), a, current, next, mailbox.Attempt{})
	require.Equal(t, mailbox.Unknown, r.Outcome)
	require.True(t, f.Has(a.ID, next))
	require.Equal(t, mailbox.Proved(), mailbox.Settle(t.Context(), s, a, current, next, mailbox.Attempt{}, r))
}

// What is asked again ends with repeat, whatever the caller's patience.
func TestTheAskingAgainEndsWithItsTime(t *testing.T) {
	t.Parallel()
	s, _ := scripted(t, 300*time.Millisecond, with(500))
	current, next := pair(t)
	r := s.Change(t.Context(), mailbox.Account{ID: "17"}, current, next, mailbox.Attempt{})
	require.Equal(t, mailbox.Unknown, r.Outcome)
}

// The service's wish to be left alone counts for asking again, too.
func TestAskingAgainWaitsAsLongAsTheServiceWants(t *testing.T) {
	t.Parallel()
	later := func(w http.ResponseWriter, id string) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "result": "throttled", "retry_after": 1})
	}
	s, sc := scripted(t, 30*time.Second, with(500), later, says("ok"))
	current, next := pair(t)
	start := time.Now()
	require.Equal(t, mailbox.Proved(), s.Change(t.Context(), mailbox.Account{ID: "17"}, current, next, mailbox.Attempt{}))
	require.GreaterOrEqual(t, time.Since(start), time.Second)
	require.Equal(t, 3, sc.asked())
}

func TestResetCanBeLeftOut(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	o := optionsFor(f)
	o.Paths.Reset = ""
	s := openOn(t, o)
	current, next := pair(t)
	a := f.Put(mailbox.Account{Extension: "4001"}, current)
	r := s.Reset(t.Context(), a, next, false, "admin", "asked")
	require.Equal(t, mailbox.OtherChannel, r.Reason)
	require.ErrorContains(t, r.Err, "paths.reset")
	require.Equal(t, mailbox.NotFound, s.Reset(t.Context(), mailbox.Account{}, next, false, "admin", "asked").Reason)
	require.Zero(t, f.Orders().Seen(trouble.Any))
}
