package fake

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// request is the body of every operation.
type request struct {
	Operation  string  `json:"operation"`
	ID         string  `json:"id"`
	Domain     *string `json:"domain"`
	Number     *string `json:"number"`
	Account    *string `json:"account"`
	Code       *digits `json:"code"`
	Current    *digits `json:"current"`
	Next       *digits `json:"next"`
	MustChange *bool   `json:"must_change"`
}

// digits is a code in a body.
type digits struct{ pin.PIN }

func (d *digits) UnmarshalJSON(b []byte) (err error) {
	var text string
	if err = json.Unmarshal(b, &text); err == nil {
		d.PIN, err = pin.Parse(text)
	}
	return err
}

// fields are what the bodies must have beside operation and id, and no more.
var fields = map[string]string{
	OpFind: "domain number", OpVerify: "domain account code", OpSet: "domain account current next",
	OpReset: "domain account must_change next", OpPolicy: "",
}

var idShape = regexp.MustCompile(`^[0-9a-f]{32}$`)

// complete tells whether q has what its operation needs.
func (q *request) complete(op string) bool {
	var has []string
	for _, f := range []struct {
		name string
		is   bool
	}{
		{"domain", q.Domain != nil}, {"number", q.Number != nil}, {"account", q.Account != nil}, {"code", q.Code != nil},
		{"current", q.Current != nil}, {"must_change", q.MustChange != nil}, {"next", q.Next != nil},
	} {
		if f.is {
			has = append(has, f.name)
		}
	}
	want, known := fields[op]
	return known && q.Operation == op && idShape.MatchString(q.ID) && strings.Join(has, " ") == want
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	answer, status := s.answer(r, body)
	w.Header().Set("Date", time.Now().Add(s.Skew).UTC().Format(http.TimeFormat))
	if answer != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // a client that has gone misses nothing
	if s.Seen != nil {
		s.Seen(r.URL.Path, body, answer, status)
	}
}

// answer refuses what the contract does not know, with a status, and else judges.
func (s *Server) answer(r *http.Request, body []byte) ([]byte, int) {
	if _, known := fields[strings.TrimPrefix(r.URL.Path, "/")]; !known {
		return nil, http.StatusNotFound
	}
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed
	}
	if !s.signed(r, body) {
		return nil, http.StatusUnauthorized
	}
	if r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "" {
		return nil, http.StatusBadRequest
	}
	var q request
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&q) != nil || !q.complete(strings.TrimPrefix(r.URL.Path, "/")) {
		return nil, http.StatusBadRequest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if said, ok := s.ids[q.ID]; ok {
		return said, http.StatusOK
	}
	out := s.carryOut(&q)
	out["id"] = q.ID
	text, err := json.Marshal(out)
	if err != nil {
		return nil, http.StatusInternalServerError
	}
	if (q.Operation == OpSet || q.Operation == OpReset) && !s.Forgetful {
		s.ids[q.ID] = text
	}
	return text, http.StatusOK
}

// skew is by how much the clocks of both sides may differ.
const skew = 5 * time.Minute

// signed tells whether one of the signatures is of a known key and right, and the time
// that they are of is now.
func (s *Server) signed(r *http.Request, body []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := r.Header.Get("Star97-Time")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Now().Add(s.Skew).Sub(time.Unix(seconds, 0)).Abs() > skew {
		return false
	}
	for part := range strings.SplitSeq(r.Header.Get("Star97-Signature"), ", ") {
		id, sum, _ := strings.Cut(part, "=")
		got, err := hex.DecodeString(sum)
		key, known := s.keys[id]
		if !known || err != nil {
			continue
		}
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(at + "."))
		h.Write(body)
		return hmac.Equal(got, h.Sum(nil))
	}
	return false
}

func result(c mailbox.Code) map[string]any { return map[string]any{"result": c.String()} }

// carryOut does what is asked. The caller holds mu.
func (s *Server) carryOut(q *request) map[string]any {
	switch q.Operation {
	case OpFind:
		return s.find(*q.Domain, *q.Number)
	case OpVerify:
		return result(s.try(s.box(*q.Account), &q.Code.PIN))
	case OpSet:
		b := s.box(*q.Account)
		current := &q.Current.PIN
		if s.Blind && b != nil {
			current = b.code.Shown()
		}
		code := s.try(b, current)
		if code == mailbox.OK && b.Flags.CannotChange {
			code = mailbox.CannotChange
		}
		return s.write(b, q, code, false)
	case OpReset:
		b, code := s.box(*q.Account), mailbox.OK
		if b == nil {
			code = mailbox.NotFound
		}
		return s.write(b, q, code, *q.MustChange)
	}
	out := result(mailbox.OK)
	out["system"], out["verify"], out["limit"], out["window"] = "Harbor PBX 3.1", "native", s.Limit, 600
	if s.Blind {
		out["verify"] = "none"
	}
	if s.Rules != nil {
		out["rules"] = s.Rules
	}
	return out
}

// find answers with every mailbox of a number in a domain.
func (s *Server) find(domain, number string) map[string]any {
	found := []any{}
	for _, b := range s.boxes {
		if b.Domain != domain || b.Extension != number && !contains(b.Numbers, number) {
			continue
		}
		found = append(found, map[string]any{
			"account": b.ID, "extension": b.Extension, "name": b.Name, "user": b.User, "mail": b.Mail, "language": b.Language, "numbers": b.Numbers,
			"flags": map[string]bool{
				"disabled": b.Flags.Disabled, "no_code": b.Flags.NoCode, "must_change": b.Flags.MustChange, "cannot_change": b.Flags.CannotChange,
			},
		})
	}
	out := result(mailbox.OK)
	out["accounts"] = found
	return out
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// try compares a code and counts it if it is wrong.
func (s *Server) try(b *box, code *pin.PIN) mailbox.Code {
	switch {
	case b == nil:
		return mailbox.NotFound
	case s.Limit > 0 && b.wrong >= s.Limit:
		return mailbox.Locked
	case b.Flags.NoCode:
		return mailbox.NoCode
	case !b.code.Shown().Equal(code):
		b.wrong++
		return mailbox.WrongPIN
	case b.Flags.Disabled:
		return mailbox.Disabled
	}
	b.wrong = 0
	return mailbox.OK
}

// write sets a code if nothing is against it.
func (s *Server) write(b *box, q *request, code mailbox.Code, mustChange bool) map[string]any {
	if code == mailbox.OK && q.Next.Len() < 4 {
		code = mailbox.TooShort
	}
	if code != mailbox.OK {
		return result(code)
	}
	s.writes++
	b.code.Set(q.Next.PIN, s.orders.Lateness(OpSet))
	b.Flags.NoCode, b.Flags.MustChange = false, mustChange
	return result(mailbox.OK)
}

func newID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
