package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// digestLines bounds one list of changes left unknown; the rest comes with the next mail.
const digestLines = 200

// passDigest sends the administrator what is due, if anything is, in one mail.
func (n *Notifier) passDigest(ctx context.Context, c *channel) (rest time.Duration, err error) {
	var all []claimed
	for len(all) < digestLines {
		one, ok, err := n.claim(ctx, c.name)
		if err != nil {
			return 0, err // those claimed already come back when their lease is over
		}
		if !ok {
			break
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return 0, nil
	}
	t := n.textsFor(n.opts.Language)
	var list strings.Builder
	for i := range all {
		one := &all[i].notice
		fmt.Fprintf(&list, "- %s, %s, %s\n", named(one.extension, one.domain), shown(one.at), t.from(one))
	}
	within, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	failed := n.mail.send(within, n.opts.Digest, "digest-"+all[0].id, t.Letters[digest].fill("{list}", list.String()))
	var errs []error
	for i := range all {
		errs = append(errs, n.became(ctx, &all[i], failed))
	}
	if failed != nil {
		rest = n.pace.rest
	}
	return rest, errors.Join(errs...)
}
