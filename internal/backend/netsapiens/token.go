package netsapiens

import (
	"context"
	"errors"
	"net/url"
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
	g, err := s.client.Grant(ctx, s.path, form, longestLife, "check login and its secrets")
	if err == nil {
		s.renew, s.refused = g.Renew, time.Time{}
	}
	return g.Access, g.End, err
}

// longestLife of a token bounds what a server says.
const longestLife = 24 * time.Hour
