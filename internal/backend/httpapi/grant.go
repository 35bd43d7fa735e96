package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

// opSignIn is for the errors of a Grant.
const opSignIn = "sign in"

// unspoken is the life of a token whose answer tells none.
const unspoken = 5 * time.Minute

// Grant is what a request for a token was answered with (RFC 6749 section 5.1).
type Grant struct {
	Access string
	Renew  secret.Secret // the refresh token; empty if there is none
	End    time.Time     // of Access
}

// Grant asks for a token with a form (RFC 6749 sections 4 and 6), once, and believes no
// longer life of it than longest. Errors: ServiceRefused, with why as its detail, Throttled,
// Unavailable.
func (c *Client) Grant(ctx context.Context, path string, form url.Values, longest time.Duration, why string) (Grant, error) {
	body := []byte(form.Encode())
	defer clear(body)
	asked := time.Now()
	a, err := c.Do(ctx, Request{
		Op: opSignIn, Method: http.MethodPost, Path: path, Body: body,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
	})
	defer clear(a.Body)
	if err == nil && a.Status >= 400 {
		// RFC 6749 section 5.2 answers invalid_grant and invalid_client with 400, too.
		err = mailbox.Fail(opSignIn, mailbox.ServiceRefused, fmt.Errorf("the login was answered with %d: %s", a.Status, why))
	}
	var t struct {
		Access string      `json:"access_token"`
		Renew  string      `json:"refresh_token"`
		Life   json.Number `json:"expires_in"` // seconds; some servers write it as a text
	}
	if err == nil {
		err = a.JSON(&t)
	}
	if err == nil && t.Access == "" {
		err = mailbox.Fail(opSignIn, mailbox.Unavailable, errors.New("the answer to the login has no token"))
	}
	if errors.Is(err, mailbox.OutcomeUnknown) {
		err = mailbox.Fail(opSignIn, mailbox.Unavailable, err) // a token that was lost changes nothing
	}
	if err != nil {
		return Grant{}, err
	}
	life := unspoken
	if n, err := t.Life.Int64(); err == nil && n > 0 {
		life = time.Duration(min(n, int64(longest/time.Second))) * time.Second
	}
	return Grant{Access: t.Access, Renew: secret.Of(t.Renew), End: asked.Add(life)}, nil
}
