package netsapiens

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// session signs in for httpapi.Tokens, which calls fetch once at a time and keeps the
// token: by the refresh token (RFC 6749 section 6) and, where that is refused or there
// is none, by the password (section 4.3).
type session struct {
	client       *httpapi.Client // without credentials
	path         string
	clientID     string
	clientSecret secret.Secret
	user         string
	password     secret.Secret
	renew        secret.Secret // the refresh token
	refused      time.Time     // when the password was refused
}

const (
	// unspoken is the life of a token whose answer tells none.
	unspoken = 5 * time.Minute
	// sulk is how long a refused password is not tried again: it could lock the account.
	sulk = 30 * time.Second
)

func newSession(client *httpapi.Client, o Options, clientSecret, password secret.Secret) *session {
	path := "/v2/tokens"
	if o.Version == v1 {
		path = "/oauth2/token/"
	}
	return &session{client: client, path: path, clientID: o.Login.ClientID, clientSecret: clientSecret, user: o.Login.User, password: password}
}

// fetch gets a token and its end.
func (s *session) fetch(ctx context.Context) (string, time.Time, error) {
	if renew := s.renew; !renew.Empty() {
		s.renew = secret.Secret{} // it may be good for one time only
		token, end, err := s.grant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {renew.Reveal()}})
		if !errors.Is(err, mailbox.ServiceRefused) {
			return token, end, err
		}
	}
	if time.Since(s.refused) < sulk {
		return "", time.Time{}, mailbox.Fail(opSignIn, mailbox.ServiceRefused, errors.New("the login was refused a moment ago: check login and its secrets"))
	}
	token, end, err := s.grant(ctx, url.Values{"grant_type": {"password"}, "username": {s.user}, "password": {s.password.Reveal()}})
	if errors.Is(err, mailbox.ServiceRefused) {
		s.refused = time.Now()
	}
	return token, end, err
}

const opSignIn = "sign in"

// grant asks for tokens. Errors: ServiceRefused, Throttled, Unavailable.
func (s *session) grant(ctx context.Context, form url.Values) (string, time.Time, error) {
	form.Set("client_id", s.clientID)
	form.Set("client_secret", s.clientSecret.Reveal())
	body := []byte(form.Encode())
	defer clear(body)
	asked := time.Now()
	a, err := s.client.Do(ctx, httpapi.Request{Op: opSignIn, Method: http.MethodPost, Path: s.path, Header: asForm, Body: body})
	defer clear(a.Body)
	if err == nil && a.Status >= 400 {
		// RFC 6749 section 5.2 answers invalid_grant and invalid_client with 400, too.
		err = mailbox.Fail(opSignIn, mailbox.ServiceRefused, fmt.Errorf("the login was answered with %d: check login and its secrets", a.Status))
	}
	var t struct {
		Access text `json:"access_token"`
		Renew  text `json:"refresh_token"`
		Life   text `json:"expires_in"`
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
		return "", time.Time{}, err
	}
	s.renew, s.refused = secret.Of(string(t.Renew)), time.Time{}
	life := unspoken
	if n, err := strconv.Atoi(string(t.Life)); err == nil && n > 0 {
		life = time.Duration(min(n, longestLife)) * time.Second
	}
	return string(t.Access), asked.Add(life), nil
}

// longestLife of a token, in seconds, bounds what a server says.
const longestLife = 86400
