package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// box is one mailbox of the toy system, which keeps codes in clear: a code that shows
// late stands in next until its time.
type box struct {
	Account mailbox.Account
	Code    string
	next    string
	at      time.Time
	wrong   int
}

func (b *box) now() string {
	if b.next != "" && !time.Now().Before(b.at) {
		b.Code, b.next = b.next, ""
	}
	return b.Code
}

// toySystem is a voicemail system over HTTPS: POST /token, /find, /check, /read, /write.
type toySystem struct {
	*trouble.Server
	orders trouble.Orders
	limit  int

	mu     sync.Mutex
	boxes  map[string]*box
	tokens int
	valid  string
}

// ask is every request's body.
type ask struct {
	Number, Domain, ID, Code string
}

func newToySystem(t *testing.T, k trouble.Trust, limit int) *toySystem {
	s := &toySystem{boxes: map[string]*box{}, limit: limit}
	opOf := func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }
	s.Server = trouble.Serve(t, trouble.Handler(&s.orders, opOf, s), trouble.NewCert(t, k))
	return s
}

func (s *toySystem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := strings.TrimPrefix(r.URL.Path, "/")
	if op == "token" {
		s.tokens++
		s.valid = strconv.Itoa(s.tokens)
		say(w, s.valid)
		return
	}
	if s.orders.Asked(op, trouble.Expired).Kind == trouble.Expired || r.Header.Get("Authorization") != "Bearer "+s.valid {
		s.valid = ""
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if op == "alter" || op == "user" || op == "list" {
		s.alter(w, r, op)
		return
	}
	var q ask
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if op == "find" {
		found := []mailbox.Account{}
		for _, b := range s.boxes {
			if b.Account.Domain == q.Domain && (b.Account.Extension == q.Number || slices.Contains(b.Account.Numbers, q.Number)) {
				found = append(found, b.Account)
			}
		}
		say(w, found)
		return
	}
	b := s.boxes[q.ID]
	switch {
	case b == nil:
		w.WriteHeader(http.StatusNotFound)
	case op == "check" && (s.limit == 0 || b.wrong < s.limit):
		right := q.Code == b.now()
		b.wrong++
		if right {
			b.wrong = 0
		}
		say(w, right)
	case op == "check":
		w.WriteHeader(http.StatusLocked)
	case op == "read":
		say(w, b.now())
	default:
		s.write(w, b, q.Code)
	}
}

func (s *toySystem) write(w http.ResponseWriter, b *box, code string) {
	switch {
	case b.Account.Flags.CannotChange || b.Account.Flags.Disabled:
		w.WriteHeader(http.StatusConflict)
		return
	case s.orders.Asked("write", trouble.Ignored).Kind == trouble.Ignored:
	default:
		if o := s.orders.Asked("write", trouble.Late); o.Kind == trouble.Late {
			b.next, b.at = code, time.Now().Add(o.Delay)
		} else {
			b.Code = code
		}
		b.Account.Flags.MustChange = false
	}
	w.WriteHeader(http.StatusNoContent)
}

func say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *toySystem) put(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.ID, a.Backend, a.User = fmt.Sprintf("id%d", len(s.boxes)), "toy", ""
	b := &box{Account: a}
	code.Reveal(func(digits []byte) { b.Code = string(digits) })
	s.boxes[a.ID] = b
	return a
}

func (s *toySystem) has(a mailbox.Account, code pin.PIN) (same bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[a.ID]; b != nil {
		code.Reveal(func(digits []byte) { same = b.now() == string(digits) })
	}
	return same
}

func (s *toySystem) forgive(_ *testing.T, a mailbox.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[a.ID]; b != nil {
		b.wrong = 0
	}
}

// toy is the adapter of the toy system; wrong names the mistake that it makes.
type toy struct {
	url, wrong string
	http       *http.Client
	traits     mailbox.Traits
	changing   sync.Mutex
	said       Log

	mu    sync.Mutex
	token string
}

func newToy(t *testing.T, s *trouble.Server, addr string, tr mailbox.Traits, wrong string) *toy {
	pem, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	via := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(via.CloseIdleConnections)
	return &toy{url: "https://" + addr, http: &http.Client{Transport: via, Timeout: 20 * time.Second}, traits: tr, wrong: wrong}
}

func (s *toy) Traits(mailbox.Account) mailbox.Traits { return s.traits }

func (s *toy) Lag(mailbox.Account) time.Duration { return 100 * time.Millisecond }

// do asks once, and once more after a token was refused.
func (s *toy) do(ctx context.Context, name, path string, q, into any) error {
	old := ""
	for try := 0; ; try++ {
		token, err := s.signIn(ctx, name, old)
		if err != nil {
			return err
		}
		status, err := s.send(ctx, name, path, token, q, into)
		if status != http.StatusUnauthorized || try > 0 {
			return err
		}
		old = token
	}
}

// signIn returns a token other than old. The system knows one token at a time, so that
// one caller gets it for all.
func (s *toy) signIn(ctx context.Context, name, old string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != old && s.wrong != "everybody signs in" {
		return s.token, nil
	}
	_, err := s.send(ctx, name, "token", "", ask{}, &s.token)
	return s.token, err
}

func (s *toy) send(ctx context.Context, name, path, token string, q, into any) (int, error) {
	body, _ := json.Marshal(q)
	url := s.url + "/" + path
	if said, ok := q.(ask); ok && s.wrong == "code in the address" {
		url += "?code=" + said.Code
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, mailbox.Fail(name, mailbox.Unavailable, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	s.said.Logger().Debug("backend asked", "op", name, "size", len(body))
	if s.wrong == "logs the request" {
		s.said.Logger().Debug("backend asked", "op", name, "number", "4001")
	}
	answer, err := s.http.Do(r)
	if err != nil {
		var cert *tls.CertificateVerificationError
		if errors.As(err, &cert) {
			return 0, mailbox.Fail(name, mailbox.Unavailable, errors.New("127.0.0.1: its certificate is not to be trusted"))
		}
		return 0, mailbox.Fail(name, mailbox.OutcomeUnknown, errors.New("no answer"))
	}
	defer answer.Body.Close()
	kind := map[int]mailbox.Code{
		200: mailbox.OK, 204: mailbox.OK, 401: mailbox.ServiceRefused, 403: mailbox.ServiceRefused, 404: mailbox.NotFound,
		409: mailbox.CannotChange, 423: mailbox.Locked, 429: mailbox.Throttled,
	}
	code, known := kind[answer.StatusCode]
	switch {
	case !known && answer.Header.Get("Retry-After") != "":
		code = mailbox.Throttled
	case !known, into == nil && answer.StatusCode == 200:
		code = mailbox.OutcomeUnknown
	case code == mailbox.OK && into != nil:
		text, err := io.ReadAll(answer.Body)
		if err != nil || json.Unmarshal(text, into) != nil {
			code = mailbox.OutcomeUnknown
		}
	}
	if code == mailbox.OK {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, mailbox.Fail(name, code, fmt.Errorf("status %d", answer.StatusCode))
}

func (s *toy) Lookup(ctx context.Context, q mailbox.Query) (found []mailbox.Account, err error) {
	if err := ctx.Err(); err != nil {
		return nil, mailbox.Expired(ctx, "lookup")
	}
	err = s.do(ctx, "lookup", "find", ask{Number: q.Number, Domain: strings.ToLower(q.Domain)}, &found)
	switch mailbox.CodeOf(err) {
	case mailbox.OutcomeUnknown, mailbox.NotFound:
		if s.wrong == "none by no answer" {
			return nil, nil
		}
		return nil, mailbox.Fail("lookup", mailbox.Unavailable, err)
	}
	return found, err
}

func (s *toy) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	err := s.verify(ctx, a, code)
	if s.wrong == "asks twice" && mailbox.CodeOf(err) == mailbox.OutcomeUnknown {
		return s.verify(ctx, a, code)
	}
	if s.wrong == "says the code" && err != nil {
		code.Reveal(func(digits []byte) { err = fmt.Errorf("%w: %s", err, digits) })
	}
	return err
}

func (s *toy) verify(ctx context.Context, a mailbox.Account, code pin.PIN) error {
	const op = "verify"
	q := ask{ID: a.ID}
	code.Reveal(func(digits []byte) { q.Code = string(digits) })
	switch {
	case s.traits.Check == mailbox.NoCheck:
		return mailbox.Fail(op, mailbox.ServiceRefused, nil)
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, op)
	case a.ID == "":
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case a.Flags.Disabled:
		return mailbox.Fail(op, mailbox.Disabled, nil)
	}
	var right bool
	var err error
	if s.traits.Check == mailbox.Compare {
		var is string
		err = s.do(ctx, op, "read", ask{ID: a.ID}, &is)
		right = is == q.Code
	} else {
		err = s.do(ctx, op, "check", q, &right)
	}
	switch {
	case err != nil && s.wrong == "wrong by no answer":
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case err != nil:
		return err
	case !right:
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return nil
}

func (s *toy) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	const op = "change"
	s.changing.Lock()
	defer s.changing.Unlock()
	if current.Empty() && s.traits.Check != mailbox.NoCheck && s.wrong != "asks about no code" {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, nil))
	}
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	if s.traits.Check != mailbox.NoCheck {
		if err := s.verify(ctx, a, current); err != nil {
			return mailbox.Refuse(err)
		}
	}
	q := ask{ID: a.ID}
	next.Reveal(func(digits []byte) { q.Code = string(digits) })
	err := s.do(ctx, op, "write", q, nil)
	switch code := mailbox.CodeOf(err); {
	case code == mailbox.OutcomeUnknown && s.wrong == "done by no answer":
		return mailbox.Proved()
	case code == mailbox.OutcomeUnknown && s.wrong == "refused by no answer":
		return mailbox.Refuse(err)
	case code == mailbox.OutcomeUnknown && s.wrong == "writes twice":
		if s.do(ctx, op, "write", q, nil) == nil {
			return mailbox.Proved()
		}
		return mailbox.Doubt(err)
	case code == mailbox.OutcomeUnknown, code == mailbox.Throttled:
		if code == mailbox.Throttled && strings.Contains(err.Error(), "429") {
			return mailbox.Refuse(err)
		}
		return mailbox.Doubt(err)
	case err != nil:
		return mailbox.Refuse(err)
	}
	if s.traits.Proof == mailbox.ByReadBack && s.wrong != "no look again" {
		if err := s.verify(ctx, a, next); err != nil {
			return mailbox.Doubt(err)
		}
	}
	return mailbox.Proved()
}
