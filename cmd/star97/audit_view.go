package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"star97/internal/audit"
	"star97/internal/ledger"
	"star97/internal/mailbox"
)

// question is what audit list is asked, as it was written.
type question struct {
	since, until            string
	mailbox, domain         string
	actions, results, doors []string
	actor, source, callID   string
}

func (a *question) flags(f *pflag.FlagSet) {
	f.StringVar(&a.since, "since", "", "from this time on: RFC 3339, or an age such as 2h or 7d")
	f.StringVar(&a.until, "until", "", "before this time: RFC 3339, or an age")
	f.StringVar(&a.mailbox, "mailbox", "", "extension, or the whole ID that the log tells")
	f.StringVar(&a.domain, "domain", "", "tenant; '' is the default one; without it: all")
	f.StringSliceVar(&a.actions, "action", nil, wordsOf(audit.Actions()))
	f.StringSliceVar(&a.results, "result", nil, "done, refused, unknown, or a reason such as wrong-pin")
	f.StringSliceVar(&a.doors, "door", nil, wordsOf(doors))
	f.StringVar(&a.actor, "actor", "", "part of the administrator's name")
	f.StringVar(&a.source, "source", "", "part of the address or number that called")
	f.StringVar(&a.callID, "call-id", "", "the whole Call-ID")
}

func (a *question) filter(cmd *cobra.Command, now time.Time) (f ledger.Filter, err error) {
	var all []error
	f.Since, err = timeFrom("--since", a.since, now)
	all = append(all, err)
	f.Until, err = timeFrom("--until", a.until, now)
	all = append(all, err)
	if cmd.Flags().Changed("domain") {
		f.Domain = &a.domain
	}
	f.Actions, err = fromSet("--action", a.actions, audit.Actions())
	all = append(all, err)
	f.Doors, err = fromSet("--door", a.doors, doors)
	all = append(all, err)
	ends := []fmt.Stringer{mailbox.Done, mailbox.Refused, mailbox.Unknown}
	for _, c := range mailbox.Codes() {
		ends = append(ends, c)
	}
	found, err := fromSet("--result", a.results, ends)
	all = append(all, err)
	for _, one := range found {
		switch one := one.(type) {
		case mailbox.Outcome:
			f.Outcomes = append(f.Outcomes, one)
		case mailbox.Code:
			f.Results = append(f.Results, one)
		}
	}
	f.Mailbox, f.Actor, f.Source, f.CallID = a.mailbox, a.actor, a.source, a.callID
	return f, errors.Join(all...)
}

var doors = []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor}

func wordsOf[T fmt.Stringer](all []T) string {
	text := make([]string, len(all))
	for i, one := range all {
		text[i] = one.String()
	}
	return strings.Join(text, ", ")
}

// fromSet finds words in a closed set.
func fromSet[T fmt.Stringer](flag string, text []string, set []T) (found []T, err error) {
	for _, word := range text {
		i := slices.IndexFunc(set, func(one T) bool { return one.String() == word })
		if i < 0 {
			return nil, fmt.Errorf("%s %q is not known: use some of %s", flag, word, wordsOf(set))
		}
		found = append(found, set[i])
	}
	return found, nil
}

// timeFrom reads a time or an age; empty is the zero time.
func timeFrom(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	age, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		age = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || age < 0 {
		return time.Time{}, fmt.Errorf("%s is no time: give one (2026-11-22T15:00:00Z), or an age like 90m, 2h or 7d", flag)
	}
	return now.Add(-age), nil
}

// newBuffered makes few writes of many lines.
func newBuffered(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 64<<10) }

// actionOf is the action, and whether it was only begun.
func actionOf(r audit.Record) string {
	if r.Stage == audit.Intended {
		return r.Action.String() + " begun"
	}
	return r.Action.String()
}

// fate says in few words what became of a decision.
func fate(r audit.Record) string {
	switch {
	case r.Stage == audit.Intended:
		return "-"
	case r.Action == audit.Lock && r.Stage == audit.Whole && r.Until.IsZero():
		return "until unlocked"
	case r.Action == audit.Lock && r.Stage == audit.Whole:
		return "until " + r.Until.Format(time.RFC3339)
	case r.Rule != "":
		return "refused: " + r.Rule
	case r.Outcome == mailbox.Refused, r.Stage == audit.Ended && r.Outcome == mailbox.Unknown:
		return r.Outcome.String() + ": " + r.Result.String()
	case r.Outcome == mailbox.Done:
		return r.Outcome.String()
	}
	return r.Result.String()
}

func mailboxOf(r audit.Record) string {
	box := r.Extension
	if box == "" {
		box = r.Mailbox
	}
	if r.Domain != "" {
		box += "@" + r.Domain
	}
	return dash(box)
}

func doorOfRecord(r audit.Record) string {
	if r.Door == 0 {
		return "-"
	}
	return r.Door.String()
}

// claimOf is what a caller showed; an administrator shows nothing.
func claimOf(r audit.Record) string {
	if r.Door == 0 && r.Claim == mailbox.ByCode {
		return "-"
	}
	return r.Claim.String() + ": " + orNewer(claims[r.Claim])
}

// by is who did it: an administrator, or who called, from where.
func by(r audit.Record) string {
	if r.Actor != "" {
		return r.Actor
	}
	return dash(strings.TrimSpace(r.Peer + " " + r.Source))
}

// sentences say what a record of an action is about.
var sentences = map[audit.Action]string{
	audit.Find: "a mailbox was looked up and the system did not answer", audit.Login: "an access code was checked",
	audit.Change: "a caller's change of the access code", audit.Unlock: "a closed mailbox was opened",
	audit.Reset: "a code was set without the current one", audit.Add: "a mailbox was added", audit.Remove: "a mailbox was removed",
	audit.Edit: "a mailbox was altered", audit.Lock: "a mailbox, or a source of calls, was closed",
	audit.Send: "a one-time code was sent to the address on file", audit.Transfer: "a call was transferred",
	audit.Renumber: "a mailbox got another extension", audit.Reassign: "a mailbox went to another person",
	audit.Pepper: "the key of the stored codes was changed", audit.Backup: "a backup was made", audit.Restore: "a backup was put back",
	audit.SIPUserAdd:     "a user was added who may call by digest authentication",
	audit.SIPUserReplace: "a user who may call by digest authentication got another password",
	audit.SIPUserRemove:  "a user may no longer call by digest authentication",
}

var stages = map[audit.Stage]string{
	audit.Whole: "one record", audit.Intended: "begun: written before anything was sent", audit.Ended: "ended",
}

var claims = map[mailbox.Claim]string{
	mailbox.ByCode: "the access code", mailbox.ByOneTime: "a one-time code", mailbox.ByFirstUse: "nothing: the mailbox has no code yet",
}

var seals = map[bool]string{true: "holds: the content matches the hash", false: "BROKEN: the content does not match the hash"}

// printRecord shows every field, those that are empty as a dash.
func printRecord(w io.Writer, told audit.Record, related []audit.Record) {
	r := told.Clean()
	until := "-"
	if !r.Until.IsZero() {
		until = r.Until.Format(time.RFC3339Nano)
	}
	outcome, result := r.Outcome.String(), r.Result.String()
	if r.Stage == audit.Intended { // it has neither yet
		outcome, result = "-", "-"
	}
	for _, row := range [][2]string{
		{"record", strconv.FormatUint(r.Seq, 10)},
		{"time", r.Time.Format(time.RFC3339Nano)},
		{"node", dash(r.Node)},
		{"action", r.Action.String() + ": " + orNewer(sentences[r.Action])},
		{"stage", r.Stage.String() + ": " + orNewer(stages[r.Stage])},
		{"outcome", outcome},
		{"result", result},
		{"rule", dash(r.Rule)},
		{"claim", claimOf(r)},
		{"until", until},
		{"target", dash(r.Target)},
		{"mailbox", mailboxOf(r)},
		{"id", dash(strings.TrimSpace(r.Backend + " " + r.Mailbox))},
		{"door", doorOfRecord(r)},
		{"peer", dash(r.Peer)},
		{"transport", dash(r.Transport)},
		{"source", dash(r.Source)},
		{"call id", dash(r.CallID)},
		{"actor", dash(r.Actor)},
		{"reason", dash(r.Reason)},
		{"policy", dash(r.Policy)},
		{"intent", dash(r.Intent)},
		{"form", strconv.Itoa(int(r.Form))},
		{"prev", r.Prev.String()},
		{"hash", r.Hash.String()},
		{"seal", seals[told.Holds()]},
	} {
		fmt.Fprintf(w, "%-10s %s\n", row[0], row[1])
	}
	for i, one := range related {
		if one = one.Clean(); i == 0 {
			fmt.Fprintln(w, "\nOf the same intent:")
		}
		fmt.Fprintf(w, "%-10d %s  %s  %s\n", one.Seq, one.Time.Format(time.RFC3339Nano), actionOf(one), fate(one))
	}
}

func orNewer(s string) string {
	if s == "" {
		return "of a newer star97"
	}
	return s
}
