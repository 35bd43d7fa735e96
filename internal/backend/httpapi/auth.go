package httpapi

import (
	"context"
	"net/http"

	"star97/internal/secret"
)

// Auth puts credentials on a request. It runs once for each try.
type Auth interface {
	// Apply may ask for a token; its errors are mailbox's codes.
	Apply(ctx context.Context, r *http.Request) error
	// Rejected is told which request was answered by 401: a token that has become
	// invalid is forgotten. It returns whether another try with other credentials makes
	// sense.
	Rejected(r *http.Request) bool
}

// Basic is the user's name and password (RFC 7617).
func Basic(user string, password secret.Secret) Auth { return basic{user, password} }

type basic struct {
	user     string
	password secret.Secret
}

func (b basic) Apply(_ context.Context, r *http.Request) error {
	r.SetBasicAuth(b.user, b.password.Reveal())
	return nil
}

func (basic) Rejected(*http.Request) bool { return false }

// Bearer is a key that does not change (RFC 6750).
func Bearer(key secret.Secret) Auth { return bearer{key} }

type bearer struct{ key secret.Secret }

func (b bearer) Apply(_ context.Context, r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+b.key.Reveal())
	return nil
}

func (bearer) Rejected(*http.Request) bool { return false }
