package webex

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// session signs in for httpapi.Tokens, which calls fetch once at a time and keeps the
// token.
type session struct {
	client *httpapi.Client // without credentials
	id     string
	word   secret.Secret // of the client
	file   string        // of the refresh token; empty: it came from elsewhere

	mu      sync.Mutex
	renew   secret.Secret
	refused time.Time // when the refresh token was refused
	lost    error     // why the last refresh token is not in the file
}

const (
	// longestLife of a token bounds what a server says. The system's own is two weeks.
	longestLife = 30 * 24 * time.Hour
	// sulk is how long a refused refresh token is not tried again.
	sulk = 30 * time.Second
)

const opSignIn = "sign in"

// fetch gets an access token and its end. Errors: ServiceRefused, Throttled, Unavailable.
func (s *session) fetch(ctx context.Context) (string, time.Time, error) {
	s.mu.Lock()
	renew, refused := s.renew, s.refused
	s.mu.Unlock()
	if time.Since(refused) < sulk {
		return "", time.Time{}, mailbox.Fail(opSignIn, mailbox.ServiceRefused, errRefused)
	}
	g, err := s.client.Grant(ctx, "/access_token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {s.id}, "client_secret": {s.word.Reveal()}, "refresh_token": {renew.Reveal()},
	}, longestLife, remedy)
	if errors.Is(err, mailbox.ServiceRefused) {
		s.mu.Lock()
		s.refused = time.Now()
		s.mu.Unlock()
	}
	if err != nil {
		return "", time.Time{}, err
	}
	s.replace(g.Renew)
	return g.Access, g.End, nil
}

const remedy = "check client_id, client_secret and refresh_token, or have an administrator consent anew"

var errRefused = errors.New("the refresh token was refused a moment ago: " + remedy)

// replace takes another refresh token into use, and into the file that the old one is from.
func (s *session) replace(next secret.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = time.Time{}
	if next.Empty() || next.Reveal() == s.renew.Reveal() && s.lost == nil {
		return
	}
	s.renew, s.lost = next, nil
	if s.file != "" {
		s.lost = rewrite(s.file, next.Reveal())
	}
}

// unkept tells why a restart would begin with an old refresh token; nil if it would not.
func (s *session) unkept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// rewrite puts text into a file, whole or not at all, open to star97's user alone.
func rewrite(name, text string) error {
	fail := func(err error) error {
		return fmt.Errorf("the new refresh token could not be written to %s (%w): let star97's user write in its folder, or a restart begins with the old one", name, err)
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".star97-*") // with mode 0600
	if err != nil {
		return fail(err)
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fail(err)
	}
	if dir, err := os.Open(filepath.Dir(name)); err == nil {
		_ = dir.Sync() // the file's name is in place; a crash at this moment brings the old one back
		dir.Close()
	}
	return nil
}
