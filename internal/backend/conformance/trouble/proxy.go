package trouble

import (
	"bytes"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Faults are what a Proxy does to the bytes that pass, to each direction for itself.
type Faults struct {
	Seed  uint64
	Every int // mean number of bytes from one fault to the next; 0: no faults
	// Shares of the faults. A cut ends both directions; a stall passes nothing on any
	// more and leaves the connection open; a delay takes up to MaxDelay; a corruption
	// alters a byte. What TLS or SSH protects breaks by it. Of what they do not, only
	// answers are corrupted, the header of HTTP left out, by a byte that no text has: no
	// system could notice a request with other digits in it.
	Cut, Stall, Delay, Corrupt int
	MaxDelay                   time.Duration
	// End is the share in percent of the connections whose TLS ends in the Proxy, so that
	// the answers inside are corrupted and not only their protection.
	End int
}

// Proxy stands between clients and a server over TCP. A client that closes ends the
// server's side at once, and what was on its way to the server is lost; what a server
// said before it closed is still passed on.
type Proxy struct {
	Addr   string // host:port to connect to instead of the server's
	to     string
	cert   *Cert
	faults atomic.Pointer[Faults]
	conns  atomic.Uint64
	bytes  atomic.Int64
	made   [4]atomic.Int64 // by fault
	lines  *group
}

// NewProxy passes everything on to the address to until Set gives it faults. cert is
// the server's own, for connections whose TLS shall end here; it may be nil.
func NewProxy(t testing.TB, to string, cert *Cert) *Proxy {
	t.Helper()
	p := &Proxy{to: to, cert: cert, lines: newGroup()}
	p.Set(Faults{})
	p.Addr = Listen(t, nil, p.pass).Addr
	return p
}

// Set replaces the faults for connections that begin from now on.
func (p *Proxy) Set(f Faults) { p.faults.Store(&f) }

// Hang ends every connection that is open.
func (p *Proxy) Hang() { p.lines.hang() }

// Conns is how many connections have come.
func (p *Proxy) Conns() int { return int(p.conns.Load()) }

// Bytes is how many bytes have come, of both directions.
func (p *Proxy) Bytes() int { return int(p.bytes.Load()) }

// Made counts the faults so far.
func (p *Proxy) Made() (cuts, stalls, delays, corruptions int) {
	n := func(k fault) int { return int(p.made[k].Load()) }
	return n(cutting), n(stalling), n(delaying), n(corrupting)
}

// pass serves one connection until a side has closed or ctx ended.
func (p *Proxy) pass(ctx context.Context, client net.Conn) {
	f, number := *p.faults.Load(), p.conns.Add(1)
	server, err := new(net.Dialer).DialContext(ctx, "tcp", p.to)
	if err != nil {
		return
	}
	for _, c := range []net.Conn{client, server} {
		p.lines.add(c)
		defer p.lines.remove(c)
	}
	inside := p.cert != nil && p.cert.TLS != nil && rand.New(rand.NewPCG(f.Seed, number)).IntN(100) < f.End
	if inside {
		client = tls.Server(client, p.cert.TLS)
		server = tls.Client(server, &tls.Config{InsecureSkipVerify: true}) // a known fake; the client under test judges p.cert
	}
	ctx, end := context.WithCancel(ctx)
	// Closes both sides: started here; stops at once; runs when the first stream has ended.
	closed := context.AfterFunc(ctx, func() {
		client.Close()
		server.Close()
	})
	defer closed()
	defer end()
	var back sync.WaitGroup
	// From server to client: started here; stops when a side has closed.
	back.Go(func() {
		defer end()
		p.stream(ctx, f, number<<1|1, true).copy(client, server)
	})
	p.stream(ctx, f, number<<1, false).copy(server, client)
	end()
	back.Wait()
}

type fault int

const (
	cutting fault = iota
	stalling
	delaying
	corrupting
)

// stream is one direction of a connection.
type stream struct {
	Faults
	proxy   *Proxy
	ctx     context.Context
	dice    *rand.Rand
	answers bool   // from server to client
	head    []byte // the first bytes that passed, up to 4
	left    int    // bytes to the next fault
}

func (p *Proxy) stream(ctx context.Context, f Faults, number uint64, answers bool) *stream {
	s := &stream{
		Faults: f, proxy: p, ctx: ctx, answers: answers,
		dice: rand.New(rand.NewPCG(^f.Seed, number)), head: make([]byte, 0, 4),
	}
	s.left = s.distance()
	return s
}

func (s *stream) distance() int {
	if s.Every <= 0 {
		return 1 << 40
	}
	return 1 + s.dice.IntN(2*s.Every)
}

// copy passes bytes on until a side has closed or a fault cuts.
func (s *stream) copy(to, from net.Conn) {
	ctx, end := context.WithCancel(s.ctx)
	defer end()
	s.ctx = ctx
	pieces := make(chan []byte, 64)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer from.Close()
	// Reads on while a fault holds up, to see a close: started here; stops when from is
	// closed or the stream has ended.
	reader.Go(func() {
		defer close(pieces)
		for {
			b := make([]byte, 4<<10)
			n, err := from.Read(b)
			s.proxy.bytes.Add(int64(n))
			if err != nil && !s.answers {
				end()
			}
			if n > 0 {
				select {
				case pieces <- b[:n]:
				case <-ctx.Done():
				}
			}
			if err != nil {
				return
			}
		}
	})
	for b := range pieces {
		if ctx.Err() != nil || !s.forward(to, b) {
			return
		}
	}
}

// forward writes one piece of what was read, with its faults; false ends the stream.
func (s *stream) forward(to net.Conn, b []byte) bool {
	if len(s.head) < cap(s.head) {
		s.head = append(s.head, b[:min(len(b), cap(s.head)-len(s.head))]...)
	}
	sent, at := 0, s.left
	for ; at < len(b); at += s.distance() {
		kind := s.choose()
		if kind == corrupting {
			s.corrupt(b, at)
			continue
		}
		if _, err := to.Write(b[sent:at]); err != nil {
			return false
		}
		sent = at
		s.proxy.made[kind].Add(1)
		if kind == cutting || !pause(s.ctx, s.wait(kind)) {
			return false
		}
	}
	s.left = at - len(b)
	_, err := to.Write(b[sent:])
	return err == nil
}

func (s *stream) choose() fault {
	shares := [...]int{cutting: s.Cut, stalling: s.Stall, delaying: s.Delay, corrupting: s.Corrupt}
	n := s.dice.IntN(max(1, s.Cut+s.Stall+s.Delay+s.Corrupt))
	for kind, share := range shares {
		if n < share {
			return fault(kind)
		}
		n -= share
	}
	return delaying
}

// wait is how long nothing passes; a stall ends with its connection.
func (s *stream) wait(kind fault) time.Duration {
	if kind == stalling {
		return time.Hour
	}
	return time.Duration(s.dice.Int64N(int64(s.MaxDelay) + 1))
}

// corrupt alters b[at] where somebody can notice it.
func (s *stream) corrupt(b []byte, at int) {
	switch {
	case sealed(s.head):
		b[at] ^= 1 << s.dice.IntN(8)
	case !s.answers || at < bodyOf(b):
		return
	default:
		b[at] = 1
	}
	s.proxy.made[corrupting].Add(1)
}

// sealed tells by a stream's first bytes whether it proves its own integrity: TLS
// (RFC 8446 section 5.1: handshake or alert) or SSH (RFC 4253 section 4.2).
func sealed(head []byte) bool {
	return len(head) > 1 && (head[0] == 22 || head[0] == 21) && head[1] == 3 || bytes.Equal(head, []byte("SSH-"))
}

// bodyOf is where the body of an HTTP answer begins that begins with b; 0 if b is
// none, and behind b if no body has come yet.
func bodyOf(b []byte) int {
	if !bytes.HasPrefix(b, []byte("HTTP/")) {
		return 0
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return len(b)
}
