package uas

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/mailbox"
)

// replaced finds the call that an INVITE wants to take the place of (RFC 3891 section
// 3); nil if it names none. It must be confirmed and the same peer's, else it is as if
// there were none: a peer learns nothing of another's calls.
func (s *Server) replaced(req *sip.Request, p *peer) (*dialog, *refusal) {
	all := req.GetHeaders("Replaces")
	if len(all) == 0 {
		return nil, nil
	}
	value := all[0].Value()
	to, ok1 := named(value, "to-tag")
	from, ok2 := named(value, "from-tag")
	if len(all) > 1 || len(split(value, ',')) > 1 || !ok1 || !ok2 {
		return nil, badReplaces()
	}
	id := dialogID{callID: strings.TrimSpace(split(value, ';')[0]), local: to, remote: from}
	d := s.dialogs.find(id)
	if d == nil || d.peer.name != p.name || s.dialogs.unconfirmed(d) {
		return nil, notReplaced("it replaces no confirmed call of this peer")
	}
	if _, early := named(value, "early-only"); early {
		return nil, refuse(sip.StatusBusyHere, "Busy Here").because("the call that it replaces was answered already").as(refusedOther)
	}
	return d, nil
}

func badReplaces() *refusal {
	return refuse(sip.StatusBadRequest, "Bad Replaces")
}

func notReplaced(why string) *refusal {
	return refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist").because(why)
}

// succeed makes the arrival of a call that of whoever takes its place: by the same
// route, but as somebody whose mailbox is asked for.
func succeed(a *call.Arrival) {
	a.Number = ""
	if a.Door == mailbox.OwnDoor {
		a.Door = mailbox.AnyDoor
	}
}
