package uas

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
)

// registrars are where the calls of registrations come from now, by name.
type registrars map[string]registrar

type registrar struct {
	addrs   []netip.Addr
	network string
	shown   netip.AddrPort // what we are behind a NAT, by that network; not valid: there is none
}

func (p registrars) has(a netip.Addr) bool {
	for _, r := range p {
		if slices.Contains(r.addrs, a.Unmap()) {
			return true
		}
	}
	return false
}

// Place tells where the calls of a registration come from now: the peer that names it has
// these addresses beside its own. None: nowhere. shown is what Contact is to say in calls
// by a network where the configuration advertises nothing; not valid: what it always does.
func (s *Server) Place(registration string, at []netip.Addr, network string, shown netip.AddrPort) {
	s.exchanging.Lock()
	defer s.exchanging.Unlock()
	now := s.terms.Load()
	if r := now.peers.placed[registration]; slices.Equal(r.addrs, at) && r.network == network && r.shown == shown {
		return
	}
	next := maps.Clone(now.peers.placed)
	if next == nil {
		next = registrars{}
	}
	next[registration] = registrar{slices.Clone(at), network, shown}
	if err := s.exchangePeers(s.listed, next, *now); err != nil { // they were read before
		s.log.Error("a registrar's addresses are not taken over", "registration", registration, "error", err)
	}
	s.mistaken(registration, next[registration])
}

// mistaken tells whose the calls of a registration are if not its own peer's.
func (s *Server) mistaken(registration string, r registrar) {
	i := slices.IndexFunc(s.listed.Peers, func(p Peer) bool { return p.Registration == registration })
	for _, a := range r.addrs {
		if p := s.terms.Load().peers.of(cmp.Or(r.network, "udp"), a); p != nil && i >= 0 && p.name != s.listed.Peers[i].Name {
			s.log.Warn("a registration's calls are taken for those of another peer, which has the same address", "registration", registration, "peer", p.name)
			return
		}
	}
}

// Local is where a far end reaches us by a network, which is what Contact says (RFC 3261
// section 8.1.1.8). It opens the connection where that is one of tcp or tls, and none is up:
// without a listener calls can come by that alone. chosen says that the address is one that
// the configuration advertises. name is the host of the far end's certificate (tls).
func (s *Server) Local(ctx context.Context, network string, to netip.AddrPort, name string) (at netip.AddrPort, chosen bool, err error) {
	n, err := s.outward(network, to.Addr())
	if err != nil {
		return at, false, err
	}
	if isStream(network) {
		conn, err := s.open(ctx, network, to, name)
		if err != nil {
			return at, false, err
		}
		defer conn.TryClose()
		if n.port == 0 {
			at, err = netip.ParseAddrPort(conn.LocalAddr().String())
			return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), false, err
		}
	}
	return netip.AddrPortFrom(n.shown, uint16(n.port)), n.advertised, nil
}

// Send sends a request that belongs to no call, by the socket that calls arrive on (UDP) or
// the connection that is up (tcp, tls), and waits for its final answer. It completes Via. An
// error means that there was none: a connection that brought none is used no more.
func (s *Server) Send(ctx context.Context, req *sip.Request, network string, to netip.AddrPort, name string) (*sip.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.dialogs.begin() {
		return nil, ErrClosed
	}
	defer s.dialogs.work.Done()
	// Started when the callers' time is up; stops at once.
	defer context.AfterFunc(s.calling, cancel)()
	n, err := s.outward(network, to.Addr())
	if err != nil {
		return nil, err
	}
	n.address(req, to.String())
	s.gate.awaited.add(to.Addr(), 1)
	defer s.gate.awaited.add(to.Addr(), -1)
	if isStream(network) {
		conn, err := s.open(ctx, network, to, name)
		if err != nil {
			return nil, err
		}
		defer conn.TryClose()
		if err := s.goBy(req, conn); err != nil {
			return nil, err
		}
		res, err := s.exchangeOnce(ctx, req)
		if err != nil && !errors.Is(err, context.Canceled) {
			s.retire(conn)
		}
		return res, err
	}
	return s.exchangeOnce(ctx, req)
}

// address writes the way out into a request (RFC 3261 section 18.1.1).
func (n near) address(req *sip.Request, to string) {
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(n.network),
		Host: n.shown.String(), Port: n.port, Params: sip.NewParams()}
	via.Params.Add("branch", sip.RFC3261BranchMagicCookie+randomToken())
	via.Params.Add("rport", "")
	req.PrependHeader(via)
	req.SetTransport(strings.ToUpper(n.network))
	req.SetDestination(to)
	if n.network == "udp" {
		req.Laddr = n.laddr
	}
}

// exchangeOnce is one client transaction.
func (s *Server) exchangeOnce(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	tx, err := s.transactions.Request(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, tx.Err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Ping keeps the way from a far end to us open: through a NAT's table over UDP, and as the
// sign of life of RFC 5626 section 4.4.1 on a connection. An error says that the connection
// is gone.
func (s *Server) Ping(network string, to netip.AddrPort, name string) error {
	ping := []byte("\r\n\r\n")
	if isStream(network) {
		conn := s.standing(network, to, name)
		if conn == nil {
			return net.ErrClosed
		}
		defer conn.TryClose()
		_, err := streamOf(conn).Write(ping)
		return err
	}
	n, err := s.outward(network, to.Addr())
	if err != nil {
		return err
	}
	socket, ok := s.sockets.Load(n.laddr.String())
	if !ok {
		return net.ErrClosed
	}
	_, err = socket.(*gatedPackets).WriteToUDPAddrPort(ping, to)
	return err
}

// open is the connection to a far end, dialled if none is up. The caller gives it back.
func (s *Server) open(ctx context.Context, network string, to netip.AddrPort, name string) (sip.Connection, error) {
	if conn := s.standing(network, to, name); conn != nil {
		return conn, nil
	}
	p := s.terms.Load().peers.of(network, to.Addr())
	if p == nil {
		p = s.unlisted
	}
	at, err := s.dialledBy(network).reach(ctx, to.String(), name, p)
	if err != nil {
		return nil, err
	}
	return s.transport.GetConnection(network, at)
}

// outward is our end of a request to an address: by the listener that the system's way there
// leads from, else the first of the address family. Without one a connection has a port of
// its own; UDP has none.
func (s *Server) outward(network string, to netip.Addr) (near, error) {
	to = to.Unmap()
	own, err := addressTowards(to)
	if err != nil {
		return near{}, err
	}
	n := near{network: network, bind: own, shown: own}
	l := s.listenerTowards(network, own)
	if l == nil {
		if isStream(network) {
			return n, nil
		}
		return n, fmt.Errorf("no UDP listener can send to %s; add one of its address family to sip.listen", to)
	}
	n.laddr, n.port = l.from(), int(l.addr.Port())
	if a := l.addr.Addr().Unmap(); !a.IsUnspecified() {
		n.bind, n.shown = a, a
	}
	s.advertise(&n, l, to)
	return n, nil
}

// listenerTowards is the listener that has one of our addresses, else one that has all,
// else the first of the address family; nil if there is none.
func (s *Server) listenerTowards(network string, own netip.Addr) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *listener
	rank := 0
	for _, l := range s.bound {
		at := l.addr.Addr().Unmap()
		is := 1
		switch {
		case l.network != network || at.Is4() != own.Is4():
			continue
		case at == own:
			is = 3
		case at.IsUnspecified():
			is = 2
		}
		if is > rank {
			best, rank = l, is
		}
	}
	return best
}

// awaited counts our requests on their way, by the address that their answers come from.
type awaited struct {
	any atomic.Int64
	mu  sync.Mutex
	by  map[netip.Addr]int
}

func (a *awaited) add(from netip.Addr, n int) {
	from = from.Unmap()
	a.any.Add(int64(n))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil {
		a.by = map[netip.Addr]int{}
	}
	if a.by[from] += n; a.by[from] == 0 {
		delete(a.by, from)
	}
}

// answers says whether a message may be an answer to one of them.
func (a *awaited) answers(from netip.Addr, msg []byte) bool {
	if a.any.Load() == 0 || !bytes.HasPrefix(msg, []byte("SIP/")) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[from.Unmap()] > 0
}
