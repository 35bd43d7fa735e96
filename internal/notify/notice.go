package notify

import (
	"fmt"
	"strings"
	"time"

	"star97/internal/audit"
	"star97/internal/mailbox"
)

// Kind is what a notice or a mail tells.
type Kind string

// The kinds of notices.
const (
	Changed Kind = "changed"                 // the code was changed by telephone
	Unsure  Kind = "unsure"                  // a change or a reset ended without anybody knowing whether it was made
	Reset   Kind = "reset"                   // an administrator set a code
	Locked  Kind = "locked"                  // wrong codes closed a door
	Shut    Kind = "locked-by-administrator" // an administrator locked the mailbox
)

// What is told to nobody: it has to do with the notices that wait.
const (
	moved    Kind = "moved"      // the mailbox has another number: its owner is found there
	passing  Kind = "passing-on" // it will perhaps be another person's, who must not read what waits for this one
	passedOn Kind = "passed-on"  // it is, or may be
	keptOn   Kind = "kept-on"    // it is not
)

// silent tells whether k is told to nobody.
func (k Kind) silent() bool { return k == moved || k == passing || k == passedOn || k == keptOn }

// Mails that are no notices.
const (
	oneTime Kind = "one-time"
	digest  Kind = "digest"
)

// notice is what the owner of one mailbox is told. It has no code and no length of one.
type notice struct {
	id                                  string
	kind                                Kind
	at                                  time.Time
	until                               time.Time // of a lock; zero: until somebody opens it
	backend, domain, mailbox, extension string
	door                                mailbox.Door
	claim                               mailbox.Claim
	peer, source, actor                 string
	target                              string // the new extension of what moved
}

// kindOf is the kind of notice that a record gives rise to, empty for none.
func kindOf(r *audit.Record) Kind {
	if r.Mailbox == "" || r.Extension == "" {
		return ""
	}
	made := r.Action == audit.Change || r.Action == audit.Reset
	switch {
	case r.Action == audit.Lock && r.Stage == audit.Whole:
		return Locked
	case r.Action == audit.Reassign:
		return kindOfReassign(r)
	case r.Stage != audit.Ended:
		return ""
	case made && r.Outcome == mailbox.Unknown:
		return Unsure
	case r.Outcome != mailbox.Done:
		return ""
	case r.Action == audit.Change:
		return Changed
	case r.Action == audit.Reset:
		return Reset
	case r.Action == audit.Lock && r.Target != audit.Unchanged:
		return Shut
	case r.Action == audit.Renumber && r.Target != "":
		return moved
	}
	return ""
}

// kindOfReassign: from its intent on nobody can say whose the mailbox is, until it is
// known that the reassignment was refused.
func kindOfReassign(r *audit.Record) Kind {
	switch {
	case r.Stage == audit.Intended:
		return passing
	case r.Stage != audit.Ended:
		return ""
	case r.Outcome == mailbox.Refused:
		return keptOn
	}
	return passedOn
}

// noticeOf makes the notice of a kind from its record. Its id is the record's place in
// the chain with what tells chains apart, so that it is the same whoever makes it.
func noticeOf(k Kind, r *audit.Record) notice {
	return notice{
		id: fmt.Sprintf("%d-%s-%x", r.Seq, k, r.Hash[:4]), kind: k, at: r.Time, until: r.Until,
		backend: r.Backend, domain: r.Domain, mailbox: r.Mailbox, extension: r.Extension,
		door: r.Door, claim: r.Claim, peer: r.Peer, source: r.SourceForOwner(), actor: r.Actor, target: r.Target,
	}
}

// isOf tells whether a is the mailbox of n, whose id the audit trail may have cut short.
func (n *notice) isOf(a *mailbox.Account) bool {
	if a.Backend != n.backend {
		return false
	}
	begins, cut := strings.CutSuffix(n.mailbox, "…")
	return a.ID == n.mailbox || cut && strings.HasPrefix(a.ID, begins)
}
