package broadworks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// command is a request of the interface.
type command struct {
	name string
	fill func(*message)
	safe bool // changes nothing and counts nowhere: may be sent again
}

// answerOf is the type of the answer to a request: its name with Response for Request, or
// SuccessResponse where there is nothing to tell.
func answerOf(request string) string {
	if silent[request] {
		return "SuccessResponse"
	}
	return strings.Replace(request, "Request", "Response", 1)
}

// silent are the requests that are answered by success alone.
var silent = map[string]bool{modifyCode: true, "LogoutRequest": true}

const (
	modifyCode = "UserPortalPasscodeModifyRequest"
	askCode    = "UserPortalPasscodeGetInfoRequest"
	askRules   = "UserPortalPasscodeRulesGetRequest"
)

const (
	firstPause = 100 * time.Millisecond // before a safe request is sent again
	mostPause  = time.Second
	// mostRenewed is how often a session may turn out to have ended while others bring
	// theirs back.
	mostRenewed = 3
)

// ask sends a request and returns the answer. Its errors are a bare fault, which says that
// the request was not carried out, and mailbox's: OutcomeUnknown only where the request is
// not safe and may have been carried out; what is Unavailable was not, and is asked again.
func (s *Store) ask(ctx context.Context, op string, c command) (*node, error) {
	pause, renewed := firstPause, 0
	for tries := 0; ; tries++ {
		n, fresh, err := s.once(ctx, op, c)
		f, refused := err.(fault)
		switch {
		case err == nil:
			return n, nil
		case refused && f.means == session && (fresh || renewed == mostRenewed):
			// Who has just signed in has a session: what he lacks is the right.
			return nil, mailbox.Fail(op, mailbox.ServiceRefused, fmt.Errorf("%w (%w)", errRight, f))
		case refused && f.means == session:
			// It was not carried out, whatever it is; and what else is idle has ended, too.
			renewed++
			s.pool.drop()
			continue
		case tries >= s.tries, refused, s.pool.rest.check(op) != nil, mailbox.CodeOf(err) != mailbox.Unavailable:
			return nil, err
		}
		if !adapter.Pause(ctx, pause) {
			return nil, err
		}
		pause = min(2*pause, mostPause)
	}
}

var errRight = errors.New("star97's own account may not do this: give it the right")

// once sends a request one time; fresh says that it was the first of its session.
func (s *Store) once(ctx context.Context, op string, c command) (n *node, fresh bool, err error) {
	d, fresh, err := s.pool.take(ctx, op)
	if err != nil {
		return nil, fresh, err
	}
	n, err = s.pool.send(ctx, op, d, c.name, c.fill, c.safe)
	f, refused := err.(fault)
	s.pool.give(d, err == nil || refused && f.means != session)
	return n, fresh, err
}
