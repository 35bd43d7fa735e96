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

// maxNudges bounds the empty lines that a silent line gets, and maxAnswers the pages and
// modes that are left.
const maxNudges, maxAnswers = 5, 8

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
	v := arrival{shell: h, account: a, before: before}
	for there := false; !there; {
		came, err := h.await(ctx, &s, h.pace.calm)
		switch {
		case err != nil:
			return err
		case came:
			v.silent = 0
			continue
		}
		v.silent += h.pace.calm
		if there, err = v.react(&s); err != nil {
			return err
		}
	}
	return nil
}

// arrival is how far a sign-in has come: the questions that were answered.
type arrival struct {
	*shell
	account
	before         []byte
	users, secrets int
	others, nudges int
	silent         time.Duration
}

// react answers the question that stands on s. It is true when that is a prompt.
func (v *arrival) react(s *screen) (there bool, err error) {
	last := s.last()
	switch {
	case asksUser.Match(last):
		if v.users++; v.users > v.tries() || v.user == "" {
			return false, v.refused("user", v.users > 1)
		}
		err = v.enter([]byte(v.user))
	case asksPassword.Match(last):
		if v.secrets++; v.secrets > v.tries() || v.password.Empty() {
			return false, v.refused("password", v.secrets > 1)
		}
		err = v.enterSecret(v.password)
	case string(last) == v.more, configShape.Match(last):
		if v.others++; v.others > maxAnswers {
			return false, errPages
		}
		if string(last) == v.more {
			err = v.write([]byte{'q'})
		} else {
			err = v.enter([]byte(endCommand))
		}
	case promptShape.Match(last) && bytes.Equal(last, v.before):
		if v.secrets > 0 { // of what stands above it nobody knows what it repeats
			return false, errStayed
		}
		return false, fmt.Errorf("%w; it said %q", errStayed, quote(s.above()))
	case promptShape.Match(last):
		v.prompt = bytes.Clone(last)
		return true, nil
	case v.silent < v.patience():
		return false, nil
	case v.nudges == maxNudges:
		return false, errNoPrompt
	default:
		v.nudges++
		err = v.enter(nil)
	}
	v.silent = 0
	s.wipe()
	return false, err
}

// patience is how long the line may be silent. Once it has asked something it is awake,
// and an empty line would be taken for an answer.
func (v *arrival) patience() time.Duration {
	if v.users+v.secrets > 0 {
		return 5 * v.pace.nudge
	}
	return v.pace.nudge
}

// tries is how often a question may come: an empty line of ours may have been taken for
// the answer to the first one.
func (v *arrival) tries() int {
	if v.nudges > 1 {
		return 2
	}
	return 1
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
