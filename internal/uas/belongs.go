package uas

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// belongs says whether a request of this dialog comes from one of its ends: from the peer
// that called, with the addresses of then or of now, or from a host that the dialog names,
// which are the far end's Contact and the proxies of its route set. The tags are the dialog's
// only secret, and on plain UDP everybody on the way can read them; another peer who did may
// not end the call. A host that is given by name may be any: nobody asks the DNS about each
// message.
func (d *dialog) belongs(req *sip.Request) bool {
	from := sourceOf(req).Addr()
	if from == d.caller || d.peer.sends(req.Transport(), from) {
		return true
	}
	if p := d.s.terms.Load().peers.of(req.Transport(), from); p != nil && p.name == d.peer.name {
		return true
	}
	return slices.ContainsFunc(append([]sip.Uri{d.target}, d.routes...), func(u sip.Uri) bool {
		named, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
		return err != nil || named.Unmap() == from
	})
}

// disown answers a request that is none of this dialog's as if there were no dialog. It
// takes no CSeq.
func (d *dialog) disown(l *letter) {
	if !l.take() {
		return
	}
	defer close(l.done)
	if !l.req.IsAck() {
		d.refuse(l, refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist").because("it comes from none of the call's ends"))
	}
}
