package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// hook tells a web service, by the contract of README.md.
type hook struct {
	client *httpapi.Client
	signer httpapi.Signer
	now    func() time.Time
}

// largestAnswer bounds what the service may answer, in bytes; nothing of it is used.
const largestAnswer = 64 << 10

func openHook(o Webhook) (*hook, error) {
	signer, err := o.Keys.Signer()
	if err != nil {
		return nil, err
	}
	o.API.LargestBody = largestAnswer
	client, err := httpapi.New(o.API, nil)
	if err != nil {
		return nil, err
	}
	return &hook{client, signer, time.Now}, nil // the service compares with the true time
}

// event is the body that tells of a notice.
type event struct {
	Operation string         `json:"operation"` // notice
	ID        string         `json:"id"`
	Kind      Kind           `json:"kind"`
	Time      time.Time      `json:"time"`
	Until     *time.Time     `json:"until,omitempty"`
	Backend   string         `json:"backend"`
	Domain    string         `json:"domain"`
	Mailbox   string         `json:"mailbox"`
	Extension string         `json:"extension"`
	Door      mailbox.Door   `json:"door"`
	Claim     *mailbox.Claim `json:"claim,omitempty"` // nil: no caller showed anything
	Peer      string         `json:"peer,omitempty"`
	Source    string         `json:"source,omitempty"`
	Actor     string         `json:"actor,omitempty"`
}

// tell posts a notice.
func (h *hook) tell(ctx context.Context, n *notice) error {
	e := event{
		Operation: "notice", ID: n.id, Kind: n.kind, Time: n.at.UTC(), Backend: n.backend, Domain: n.domain, Mailbox: n.mailbox,
		Extension: n.extension, Door: n.door, Peer: n.peer, Source: n.source, Actor: n.actor,
	}
	if n.actor == "" {
		e.Claim = &n.claim
	}
	if !n.until.IsZero() {
		until := n.until.UTC()
		e.Until = &until
	}
	body, err := json.Marshal(e)
	if err != nil {
		return &failure{detail: err, final: true}
	}
	return h.post(ctx, body)
}

// post sends a signed body, which the service may get more than once. Any answer of 2xx
// is its receipt.
func (h *hook) post(ctx context.Context, body []byte) error {
	a, err := h.client.Do(ctx, httpapi.Request{
		Op: "notify", Method: http.MethodPost, Header: h.signer.Header(h.now(), body), Body: body, Safe: true,
	})
	switch {
	case err != nil:
		return &failure{detail: err, server: true}
	case a.Status < 200 || a.Status > 299:
		return &failure{detail: fmt.Errorf("the web service answers %d", a.Status)}
	}
	return nil
}

// errand is the body that carries a one-time code, without the code.
type errand struct {
	Operation string    `json:"operation"` // one-time-code
	ID        string    `json:"id"`
	Until     time.Time `json:"until"`
	Backend   string    `json:"backend"`
	Domain    string    `json:"domain"`
	Mailbox   string    `json:"mailbox"`
	Extension string    `json:"extension"`
	Name      string    `json:"name,omitempty"`
	Language  string    `json:"language,omitempty"`
	Mail      string    `json:"mail,omitempty"`
	Numbers   []string  `json:"numbers,omitempty"`
}

// carry posts a one-time code.
func (h *hook) carry(ctx context.Context, id string, a *mailbox.Account, code *pin.PIN, until time.Time) error {
	head, err := json.Marshal(errand{
		Operation: "one-time-code", ID: id, Until: until.UTC(), Backend: a.Backend, Domain: a.Domain, Mailbox: a.ID,
		Extension: a.Extension, Name: a.Name, Language: a.Language, Mail: a.Mail, Numbers: a.Numbers,
	})
	if err != nil {
		return &failure{detail: err, final: true}
	}
	// The body is made at once, so that no part of the code stays behind where it grew.
	const before, after = `,"code":"`, `"}`
	body := make([]byte, 0, len(head)+len(before)+pin.MaxDigits+len(after))
	defer clear(body[:cap(body)])
	body = append(append(body, head[:len(head)-1]...), before...)
	code.Reveal(func(digits []byte) { body = append(body, digits...) }) // digits need no escape
	return h.post(ctx, append(body, after...))
}

// newID is an id that nothing else has.
func newID() string { return rand.Text() }
