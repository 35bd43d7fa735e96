package uas

import (
	"context"
	"net"
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

// bye sends our BYE. For the call the dialog is over with it (section 15.1.1);
// the dialog stays to answer what crosses it, until the BYE has its answer.
func (d *dialog) bye() {
	if d.phase != up {
		return
	}
	d.phase = leaving
	d.gone()
	done := make(chan struct{})
	d.byeDone = done
	req := d.request(sip.BYE)
	d.s.dialogs.work.Add(1)
	// Started by the dialog; stops when the BYE is answered or its time is up;
	// owns the BYE's transaction.
	go func() {
		defer d.s.dialogs.work.Done()
		defer close(done)
		d.s.transact(req, d)
	}()
}

// transact sends a request and waits for its final answer, which ends the dialog
// whatever it is (section 15.1.1).
func (s *Server) transact(req *sip.Request, d *dialog) {
	ctx, cancel := context.WithTimeout(context.Background(), 64*s.opts.T1)
	defer cancel()
	tx, err := s.request(ctx, req)
	if err != nil {
		d.log.Info("the BYE did not reach the far end", "error", err)
		return
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return
			}
		case <-tx.Done():
			return
		case <-d.quit:
			return
		case <-ctx.Done():
			d.log.Info("the BYE was not answered")
			return
		}
	}
}

// request sends a request, over TCP by the connection that is up or by a new one.
func (s *Server) request(ctx context.Context, req *sip.Request) (*sip.ClientTx, error) {
	if strings.EqualFold(req.Transport(), "tcp") && !s.connected(req.Destination()) {
		to, err := s.dialled.reach(ctx, req.Destination())
		if err != nil {
			return nil, err
		}
		req.SetDestination(to)
	}
	return s.transactions.Request(ctx, req)
}

// connected says whether a TCP connection to an address is up.
func (s *Server) connected(to string) bool {
	conn, err := s.transport.GetConnection("tcp", to)
	if err == nil {
		_, _ = conn.TryClose() // gives back the reference that the look-up took
	}
	return err == nil
}

// request builds a request within the dialog (section 12.2.1.1).
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	d.localSeq++
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
	way := d.way(hop)
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
	req.AppendHeader(&sip.CSeqHeader{SeqNo: d.localSeq, MethodName: method})
	req.AppendHeader(sip.NewHeader("User-Agent", product))
	req.SetBody(nil)
	req.SetTransport(strings.ToUpper(way.network))
	req.SetDestination(d.destination(hop, way.network))
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

// destination is where the next hop is. On TCP the connection that the far end
// made is used while it is up, as it may sit behind a NAT or a firewall.
func (d *dialog) destination(hop sip.Uri, network string) string {
	if network == "tcp" && d.near.network == "tcp" && d.s.connected(d.source) {
		return d.source
	}
	port := hop.Port
	if port == 0 {
		port = 5060
	}
	return net.JoinHostPort(strings.Trim(hop.Host, "[]"), strconv.Itoa(port))
}
