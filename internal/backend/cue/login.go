package cue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

const (
	// nudge is how long a line stays silent before it gets an empty line: a terminal
	// line that was just opened waits for one.
	nudge = 500 * time.Millisecond
	// maxNudges bounds how often, and maxAnswers how often a question is answered.
	maxNudges, maxAnswers = 10, 8
)

// Questions of a sign-in. Which ones the system asks is not documented.
var (
	asksUser     = regexp.MustCompile(`(?i)^(user ?name|login|user) ?: ?$`)
	asksPassword = regexp.MustCompile(`(?i)^password ?: ?$`)
	configShape  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\([A-Za-z0-9_-]+\)#$`)
)

// account is who signs in, and what opens the privileged mode.
type account struct {
	user             string
	password, enable secret.Secret
	key              string // of these settings, for sentences: "" or "module."
}

// arrive answers the questions of a sign-in until a prompt rests that is not the one of
// before, and makes it the shell's.
func (h *shell) arrive(ctx context.Context, a account, before []byte) error {
	s := screen{most: maxAnswer}
	defer s.wipe()
	users, passwords, others, nudges := 0, 0, 0, 0
	rest := time.Duration(0)
	for {
		came, err := h.await(ctx, &s, calm)
		if err != nil {
			return err
		}
		if came {
			rest = 0
			continue
		}
		rest += calm
		last := s.last()
		switch {
		case asksUser.Match(last):
			if users++; users > 1 || a.user == "" {
				return a.refused("user", users > 1)
			}
			err = h.enter([]byte(a.user))
		case asksPassword.Match(last):
			if passwords++; passwords > 1 || a.password.Empty() {
				return a.refused("password", passwords > 1)
			}
			err = h.enterSecret(a.password)
		case string(last) == h.more, configShape.Match(last):
			if others++; others > maxAnswers {
				return errPages
			}
			if string(last) == h.more {
				err = h.write([]byte{'q'})
			} else {
				err = h.enter([]byte(endCommand))
			}
		case promptShape.Match(last) && bytes.Equal(last, before):
			if passwords > 0 { // of what stands above it nobody knows what it repeats
				return errStayed
			}
			return fmt.Errorf("%w; it said %q", errStayed, quote(s.above()))
		case promptShape.Match(last):
			h.prompt = bytes.Clone(last)
			return nil
		case rest < nudge:
			continue
		case nudges < maxNudges:
			nudges++
			err = h.enter(nil)
		default:
			return errNoPrompt
		}
		if err != nil {
			return err
		}
		s.wipe()
		rest = 0
	}
}

var (
	errStayed   = errors.New("it came back to the same prompt")
	errNoPrompt = errors.New("it shows no prompt, no question for a name and none for a password")
)

// refused is the error of a question that star97 cannot answer, or has answered wrong.
func (a account) refused(key string, again bool) error {
	if again {
		return mailbox.Fail("", mailbox.ServiceRefused, fmt.Errorf("it did not accept %suser with %spassword", a.key, a.key))
	}
	return mailbox.Fail("", mailbox.ServiceRefused, fmt.Errorf("it asks for a %s: fill in %s%s", key, a.key, key))
}

func (h *shell) enterSecret(s secret.Secret) error {
	b := []byte(s.Reveal())
	defer clear(b)
	return h.enter(b)
}

// settle proves that prompt and echo are as star97 expects, opens the privileged mode
// and tries to switch paging off.
func (h *shell) settle(ctx context.Context, a account) error {
	if err := h.check(ctx); err != nil {
		return err
	}
	if bytes.HasSuffix(h.prompt, []byte(">")) {
		if err := h.privilege(ctx, a); err != nil {
			return err
		}
	}
	if _, err := h.text(ctx, unpagedCommand); err != nil { // what it says of it does not matter
		return broken(unpagedCommand, err)
	}
	return nil
}

// check sends an empty line, which does nothing but bring the prompt again.
func (h *shell) check(ctx context.Context) error {
	answer, err := h.text(ctx, "")
	if err != nil {
		return broken("an empty line", err)
	}
	if len(bytes.TrimSpace(answer)) > 0 {
		return errStep
	}
	return nil
}

var errPlain = errors.New("the prompt still ends with >: star97's account may not set codes there")

// privilege opens the privileged mode, with or without a password.
func (h *shell) privilege(ctx context.Context, a account) error {
	if err := h.enter([]byte(enableCommand)); err != nil {
		return err
	}
	err := h.arrive(ctx, account{password: a.enable, key: a.key}, h.prompt)
	var asked *mailbox.Error
	switch {
	case errors.As(err, &asked), errors.Is(err, errStayed):
		return mailbox.Fail("", mailbox.ServiceRefused, fmt.Errorf("enable was refused: check %senable", a.key))
	case err != nil:
		return broken(enableCommand, err)
	case bytes.HasSuffix(h.prompt, []byte(">")):
		return mailbox.Fail("", mailbox.ServiceRefused, errPlain)
	}
	return h.check(ctx)
}

// signIn goes from an open connection to the prompt of the system, through the router
// where there is one.
func (s *Store) signIn(ctx context.Context, h *shell) error {
	if err := h.arrive(ctx, s.outer, nil); err != nil {
		return err
	}
	if err := h.settle(ctx, s.outer); err != nil {
		return err
	}
	if s.o.Via == "" {
		return nil
	}
	router := bytes.Clone(h.prompt)
	if err := h.enter([]byte(s.o.Via)); err != nil {
		return err
	}
	h.inside = true
	if err := h.arrive(ctx, s.inner, router); err != nil {
		return broken("via", err)
	}
	if err := h.settle(ctx, s.inner); err != nil {
		return broken("via", err)
	}
	return nil
}
