package uas

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// keptMost bounds the answered transactions that sipgo keeps over UDP, for Timer J, to
// answer what is repeated: those of 1600 requests a second, at 4 kB each. One host gets
// half of them.
const keptMost = 1 << 14

// keep lets an answered transaction live on if there is room for it. Without it a request
// that is repeated is served again: refused by its CSeq, or by 481.
func (s *Server) keep(tx *sip.ServerTx, from netip.Addr) {
	host := hostOf(from)
	if !s.kept.enter(host, s.kept.most/2) {
		tx.Terminate()
		return
	}
	if !tx.OnTerminate(func(string, error) { s.kept.leave(host) }) {
		s.kept.leave(host) // it has ended already
	}
	tx.TerminateGracefully()
}
