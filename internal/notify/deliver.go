package notify

import (
	"context"
	"errors"
	"time"

	"star97/internal/mailbox"
)

// The channels.
const (
	byMail    = "mail"
	byWebhook = "webhook"
	byDigest  = "digest"
)

const (
	// deliverWithin bounds one delivery, the search for the address included.
	deliverWithin = 90 * time.Second
	// settleWithin bounds the writing of what became of it.
	settleWithin = 5 * time.Second
)

// channel is one way to tell owners.
type channel struct {
	name    string
	tell    func(context.Context, *claimed) error
	stirred chan struct{}
}

func newChannel(name string, tell func(context.Context, *claimed) error) *channel {
	return &channel{name: name, tell: tell, stirred: make(chan struct{}, 1)}
}

// failure is why a notice was not delivered.
type failure struct {
	detail error
	final  bool // another try would be of no use
	server bool // others would fare no better now
}

func (t *failure) Error() string { return t.detail.Error() }
func (t *failure) Unwrap() error { return t.detail }

var (
	// errNoAddress says that there is nothing to be told by this channel.
	errNoAddress = errors.New("the mailbox has no address on file")
	// errGone may be about a mailbox that is being given another number.
	errGone = errors.New("there is no such mailbox under its number")
	// errTaken says that a notice is not to be delivered by this claim any more.
	errTaken = errors.New("the mailbox is being given to another person, or another node delivers the notice")
)

// goneTries is how often a mailbox is looked for, for some minutes: the record of its new
// number may be on its way.
const goneTries = 5

// deliver delivers what is due until the follower has ended, and then once more.
func (n *Notifier) deliver(work context.Context, c *channel, followed <-chan struct{}) {
	pass := n.pass
	if c.name == byDigest {
		pass = n.passDigest
	}
	troubled := false
	for going := true; going; {
		rest, err := pass(work, c)
		n.complain(&troubled, "notices cannot be read or marked as delivered: they are tried again", err)
		signal := c.stirred
		if rest > 0 {
			signal = nil // whatever comes, the server is left alone
		}
		going = pause(max(rest, n.pace.look), signal, followed)
	}
	if _, err := pass(work, c); err != nil {
		n.log.Warn("notices are left for the next start", "channel", c.name, "error", err)
	}
}

// pass delivers what is due, and returns how long the server should be left alone.
func (n *Notifier) pass(ctx context.Context, c *channel) (rest time.Duration, err error) {
	for ctx.Err() == nil {
		one, ok, err := n.claim(ctx, c.name)
		if err != nil || !ok {
			return 0, err
		}
		within, cancel := context.WithTimeout(ctx, deliverWithin)
		failed := c.tell(within, &one)
		cancel()
		if err := n.became(ctx, &one, failed); err != nil {
			return 0, err
		}
		var t *failure
		if errors.As(failed, &t) && t.server {
			return n.pace.rest, nil
		}
	}
	return 0, nil
}

// became notes what became of a delivery.
func (n *Notifier) became(ctx context.Context, c *claimed, failed error) error {
	log := n.log.With("notice", c.id, "channel", c.channel, "tries", c.tries)
	var t *failure
	now := n.now()
	switch {
	case failed == nil:
		log.Debug("notice delivered")
		return n.remove(ctx, c)
	case errors.Is(failed, errTaken):
		log.Debug("a notice was not delivered", "reason", failed)
		return nil
	case errors.Is(failed, errNoAddress), errors.Is(failed, errGone) && c.tries >= goneTries:
		log.Debug("nobody to tell", "reason", failed)
		return n.remove(ctx, c)
	case errors.As(failed, &t) && t.final, !now.Before(c.giveUp):
		log.Warn("a notice was given up", "mailbox", c.extension, "domain", c.domain, "error", failed)
		return n.remove(ctx, c)
	case c.tries == 1 && !errors.Is(failed, errGone):
		log.Warn("a notice was not delivered, it is tried again", "error", failed)
	default:
		log.Debug("a notice was not delivered, it is tried again", "error", failed)
	}
	return n.later(ctx, c, now.Add(n.restAfter(c.tries)))
}

// longestRest is that of a notice that was tried often.
const longestRest = 30 * time.Minute

// restAfter is how long a notice waits after so many tries.
func (n *Notifier) restAfter(tries int) time.Duration {
	rest := n.pace.rest
	for range tries - 1 {
		if rest *= 2; rest >= longestRest {
			return longestRest
		}
	}
	return rest
}

// ownerOf finds the mailbox of a notice, and with it the owner's address and language.
func (n *Notifier) ownerOf(ctx context.Context, one *notice) (mailbox.Account, error) {
	found, err := n.boxes.Lookup(ctx, mailbox.Query{Number: one.extension, Domain: one.domain})
	if err != nil {
		return mailbox.Account{}, &failure{detail: err}
	}
	for i := range found {
		switch {
		case !one.isOf(&found[i]):
		case found[i].Mail == "":
			return mailbox.Account{}, errNoAddress
		default:
			return found[i], nil
		}
	}
	return mailbox.Account{}, errGone
}

// stands follows the audit trail to its end, so that nothing leaves for a mailbox that is
// another person's by now: what is written there comes before the deed. It tells whether
// the notice is this claim's still.
func (n *Notifier) stands(ctx context.Context, c *claimed) error {
	err := n.catchUp(ctx)
	held := false
	if err == nil {
		held, err = n.held(ctx, c)
	}
	switch {
	case err != nil:
		return &failure{detail: err}
	case !held:
		return errTaken
	}
	return nil
}

// tellByMail sends a notice to the owner's address on file.
func (n *Notifier) tellByMail(ctx context.Context, c *claimed) error {
	one := &c.notice
	a, err := n.ownerOf(ctx, one)
	if err != nil {
		return err
	}
	if err := n.stands(ctx, c); err != nil {
		return err
	}
	t := n.textsFor(a.Language)
	l := t.Letters[one.kind].fill("{mailbox}", named(one.extension, one.domain), "{time}", shown(one.at),
		"{from}", t.from(one), "{until}", t.until(one.until), "{contact}", n.contact(t))
	return n.mail.send(ctx, a.Mail, one.id, l)
}

// tellByHook has the web service told, which finds the owner by itself.
func (n *Notifier) tellByHook(ctx context.Context, c *claimed) error {
	if err := n.stands(ctx, c); err != nil {
		return err
	}
	return n.hook.tell(ctx, &c.notice)
}

func (n *Notifier) textsFor(language string) texts {
	return n.texts[spokenIn(language, n.opts.Language)]
}

func (n *Notifier) contact(t texts) string {
	if n.opts.Contact != "" {
		return n.opts.Contact
	}
	return t.Words["contact"]
}
