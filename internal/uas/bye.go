package uas

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// leave ends the dialog from our side: at once, or when the ACK is in.
func (d *dialog) leave() {
	if d.phase != up {
		return
	}
	if !d.acked {
		d.hurried = true
		return
	}
	d.bye()
}

// bye sends our BYE. For the call the dialog is over with it (section 15.1.1); the
// dialog stays to answer what crosses it, until the BYE has its answer, whatever it is.
func (d *dialog) bye() {
	if d.phase != up {
		return
	}
	d.phase = leaving
	d.gone()
	req, send := d.request(sip.BYE), d.s.transact
	if d.unproven() {
		send = d.s.mention
	}
	done := make(chan struct{})
	d.byeDone = done
	d.s.dialogs.work.Add(1)
	// Started by the dialog; stops when the BYE is answered or its time is up;
	// owns the BYE's transaction.
	go func() {
		defer d.s.dialogs.work.Done()
		defer close(done)
		if _, err := send(req, d); err != nil {
			d.log.Info("the BYE was not answered", "error", err)
		}
	}()
}

// mention sends a request once and waits for nothing. A call that nobody acknowledged
// is ended by a BYE (section 13.3.1.4), which its transaction would repeat ten times
// (section 17.1.2.2). But over UDP anybody may have written the address that the
// INVITE came from, and a victim there is to be sent no stream of messages.
func (s *Server) mention(req *sip.Request, d *dialog) (int, error) {
	return 0, s.write(d.life, req, d.peer)
}

// write sends a request to a peer outside of any transaction.
func (s *Server) write(ctx context.Context, req *sip.Request, p *peer) error {
	conn, err := s.way(ctx, req, p)
	if err != nil {
		return err
	}
	return put(conn, req)
}

// way is the connection by which a request goes to a peer, for put. It completes the
// request, which nothing alters from then on.
func (s *Server) way(ctx context.Context, req *sip.Request, p *peer) (sip.Connection, error) {
	if err := s.connect(ctx, req, p); err != nil {
		return nil, err
	}
	return s.transport.ClientRequestConnection(ctx, req)
}

func put(conn sip.Connection, req *sip.Request) error {
	err := conn.WriteMsg(req)
	_, _ = conn.TryClose() // gives back the reference that the look-up took
	return err
}

// request sends a request to a peer in a transaction.
func (s *Server) request(ctx context.Context, req *sip.Request, p *peer) (*sip.ClientTx, error) {
	if err := s.connect(ctx, req, p); err != nil {
		return nil, err
	}
	return s.transactions.Request(ctx, req)
}

// connect sees to it that a request to a peer goes, over TCP and TLS, by the connection
// that is up or by a new one.
func (s *Server) connect(ctx context.Context, req *sip.Request, p *peer) error {
	network := strings.ToLower(req.Transport())
	if !isStream(network) {
		return nil
	}
	conn, err := s.transport.GetConnection(network, req.Destination())
	if err != nil {
		dialled := s.dialledBy(network)
		if conn = dialled.known(req.Destination()); conn == nil {
			to, err := dialled.reach(ctx, req.Destination(), "", p)
			if err != nil {
				return err
			}
			if conn, err = s.transport.GetConnection(network, to); err != nil {
				return err
			}
		}
		req.SetDestination(streamOf(conn).RemoteAddr().String())
	}
	_, _ = conn.TryClose() // gives back the reference that the look-up took
	return s.goBy(req, conn)
}

// connected says whether a connection to an address is up.
func (s *Server) connected(network, to string) bool {
	conn, err := s.transport.GetConnection(network, to)
	if err == nil {
		_, _ = conn.TryClose() // gives back the reference that the look-up took
	}
	return err == nil
}

// request builds the next request within the dialog (section 12.2.1.1).
func (d *dialog) request(method sip.RequestMethod, headers ...[2]string) *sip.Request {
	d.localSeq++
	return d.requestAs(method, d.localSeq, headers...)
}

// requestAs builds a request of a CSeq.
func (d *dialog) requestAs(method sip.RequestMethod, seq uint32, headers ...[2]string) *sip.Request {
	uri, routes := d.target, d.routes
	hop := d.target
	if len(routes) > 0 {
		hop = routes[0]
		if !looseRouter(hop) {
			// A strict router takes the Request-URI's place; the target goes last.
			uri = *hop.Clone()
			uri.UriParams = uri.UriParams.Clone()
			uri.UriParams.Remove("method")
			uri.Headers = nil
			routes = append(append([]sip.Uri{}, routes[1:]...), d.target)
		}
	}
	req := sip.NewRequest(method, uri)
	way, to := d.road(hop)
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(way.network),
		Host: way.shown.String(), Port: way.port, Params: sip.NewParams()}
	via.Params.Add("branch", sip.RFC3261BranchMagicCookie+randomToken())
	via.Params.Add("rport", "")
	req.AppendHeader(via)
	for _, r := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	req.AppendHeader(sip.NewHeader("From", d.from))
	req.AppendHeader(sip.NewHeader("To", d.to))
	req.AppendHeader(sip.NewHeader("Call-ID", d.id.callID))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(sip.NewHeader("User-Agent", product))
	for _, h := range headers {
		req.AppendHeader(sip.NewHeader(h[0], h[1]))
	}
	req.SetBody(nil)
	req.SetTransport(strings.ToUpper(way.network))
	req.SetDestination(to)
	if way.network == "udp" {
		req.Laddr = way.laddr
	}
	return req
}

const product = "star97"

func looseRouter(uri sip.Uri) bool {
	for _, kv := range uri.UriParams {
		if strings.EqualFold(kv.K, "lr") {
			return true
		}
	}
	return false
}

// unproven says that nobody has shown to be where the INVITE says that it comes from.
func (d *dialog) unproven() bool { return !d.acked && d.network == "udp" }

// road is our end of a request towards hop, and where it is sent to. What nobody
// acknowledged goes no other way than its answer.
func (d *dialog) road(hop sip.Uri) (near, string) {
	if d.network == d.near.network && (d.unproven() || d.symmetric(hop)) {
		return d.near, d.source
	}
	way := d.way(hop)
	return way, d.destination(hop, way.network)
}

// symmetric says whether requests go back to where the far end's come from, as
// answers do (RFC 3581).
func (d *dialog) symmetric(hop sip.Uri) bool {
	if isStream(d.near.network) && !d.s.connected(d.near.network, d.source) {
		return false // nobody listens at the port that a connection came from
	}
	switch d.peer.symmetric {
	case symmetricAlways:
		return true
	case symmetricNever:
		return false
	}
	host, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	return err == nil && host.Unmap().IsPrivate() && host.Unmap() != d.signaller()
}

// destination is where the next hop is. The connection that the far end made is used
// while it is up, as it may sit behind a NAT or a firewall.
func (d *dialog) destination(hop sip.Uri, network string) string {
	if isStream(network) && d.near.network == network && d.s.connected(network, d.source) {
		return d.source
	}
	port := hop.Port
	switch {
	case port == 0 && network == "tls":
		port = 5061
	case port == 0:
		port = 5060
	}
	return net.JoinHostPort(strings.Trim(hop.Host, "[]"), strconv.Itoa(port))
}
