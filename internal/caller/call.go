package caller

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/sdp"
)

// End is how a call ended.
type End uint8

// The ends of a call. The zero value: it still goes on.
const (
	NotEnded End = iota
	WeHungUp     // our BYE
	TheyHung     // their BYE
	CutOff       // Close without BYE, or the far end lost the dialog
)

// Times are the moments of a call's set-up; zero if it did not come to that.
type Times struct {
	Invite   time.Time // first sent
	Answered time.Time // the 2xx arrived, by the kernel's clock where it tells
	Refused  time.Time // the newest other final answer to the first INVITE arrived, dated as Answered
	Read     time.Time // the 2xx was read: later than Answered by our own delay
	Acked    time.Time // our ACK was sent
	Ended    time.Time
}

const (
	maxAnswers = 32  // answers kept to repeat for a repeated request
	maxAcks    = 16  // ACKs kept to repeat for a repeated 2xx
	maxNotes   = 256 // signalling acts waiting to be read by Notes
)

// Note is one act of the far end, in words, for a time line.
type Note struct {
	At   time.Time
	Text string
}

// rtpSide is what signalling needs of the call's RTP.
type rtpSide interface {
	LocalAddr() netip.AddrPort
	Set(sdp.Agreed)
	acked(time.Time) // just before our ACK leaves
	Start()          // it has left: we may send
	Hush()           // our BYE is about to leave: send no more
	move() error     // to a new port pair
	Close()
}

// Call is one call of this telephone. Its methods are safe for concurrent use.
type Call struct {
	o       Options
	line    *Line
	ownLine bool
	id      string
	rtp     rtpSide
	media   *Media // rtp, unless the load run brought its own
	tag     string // of our From

	mu           sync.Mutex
	local        sdp.Local
	direction    Direction // what our next description asks for
	to           hop
	uri          string   // remote target (RFC 3261 section 12.1.2)
	routes       []string // route set
	fromHeader   string
	toHeader     string // grows its tag with the 2xx
	cseq         uint32
	farCSeq      uint32
	transactions map[string]chan *sip.Response
	inviting     bool // an INVITE of ours has no final answer yet
	acks         map[uint32][]byte
	answers      map[string][]byte
	answerOrder  []string
	offered      []byte // our offer in a 2xx, until its ACK brings the answer
	agreed       sdp.Agreed
	times        Times
	repeats2xx   int
	resends      int         // of our requests
	pressed      []time.Time // when the last key of each press went down
	end          End
	broken       error
	done         chan struct{}
	failed       chan struct{} // closed when nobody is there
	notes        chan Note
}

// newCall opens what a call needs: the line unless it is shared, and the media ports.
func newCall(ctx context.Context, o Options) (*Call, error) {
	var uri sip.Uri
	if err := sip.ParseUri(o.URI, &uri); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	local, err := localAddr(o.Listen)
	if err != nil {
		return nil, err
	}
	far, err := resolve(ctx, &uri, local.Addr())
	if err != nil {
		return nil, err
	}
	line, own := o.Line, false
	if line == nil {
		if !local.Addr().IsValid() {
			if local, err = routeTo(far); err != nil {
				return nil, err
			}
		}
		if line, err = openLine(transportOf(o, &uri), local, o.TLS); err != nil {
			return nil, err
		}
		own = true
	}
	c := &Call{o: o, line: line, ownLine: own, uri: o.URI,
		transactions: map[string]chan *sip.Response{}, acks: map[uint32][]byte{}, answers: map[string][]byte{},
		done: make(chan struct{}), failed: make(chan struct{}), notes: make(chan Note, maxNotes)}
	if err := c.prepare(ctx, far, strings.Trim(uri.Host, "[]")); err != nil {
		if own {
			line.Close()
		}
		return nil, err
	}
	return c, nil
}

// prepare opens the media ports, finds the first hop and joins the line.
func (c *Call) prepare(ctx context.Context, far netip.AddrPort, host string) error {
	ip := c.line.local.Addr()
	if ip.IsUnspecified() {
		a, err := routeTo(far)
		if err != nil {
			return err
		}
		ip = a.Addr()
	}
	if c.rtp = c.o.rtp; c.rtp == nil {
		media, err := openMedia(ip, c.o)
		if err != nil {
			return err
		}
		c.media, c.rtp = media, media
	}
	c.id = sip.GenerateTagN(24) + "@" + ip.String()
	c.tag = sip.GenerateTagN(16)
	c.fromHeader = bracket(c.o.From, hostOf(ip)) + ";tag=" + c.tag
	c.toHeader = "<" + c.o.URI + ">"
	c.cseq, c.direction = 1, c.o.Direction
	c.local = sdp.Local{Addr: c.rtp.LocalAddr(), Codecs: c.o.Codecs, SessionID: uint64(time.Now().UnixNano()), Version: 1}
	to, err := c.line.route(ctx, far, host)
	if err == nil {
		c.to = to
		err = c.line.add(c)
	}
	if err != nil {
		c.rtp.Close()
	}
	return err
}

// CallID is the call's Call-ID.
func (c *Call) CallID() string { return c.id }

// Replaces is the header value by which another call can take the place of this one
// (RFC 3891 section 6.1), once it is answered.
func (c *Call) Replaces() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, tag, _ := strings.Cut(c.toHeader, ";tag=")
	tag, _, _ = strings.Cut(tag, ";")
	return c.id + ";to-tag=" + tag + ";from-tag=" + c.tag
}

// Media is the call's RTP.
func (c *Call) Media() *Media { return c.media }

// Done is closed when the call is over.
func (c *Call) Done() <-chan struct{} { return c.done }

// Notes carries what the far end did in signalling; what nobody reads in time is
// dropped, oldest kept.
func (c *Call) Notes() <-chan Note { return c.notes }

// End says how the call ended, NotEnded while it lives.
func (c *Call) End() End {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// Times are the moments of the set-up.
func (c *Call) Times() Times {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times
}

// Agreed is the audio stream as last negotiated.
func (c *Call) Agreed() sdp.Agreed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agreed
}

// Repeated2xx counts how often the far end repeated a 2xx (RFC 3261 section 13.3.1.4).
func (c *Call) Repeated2xx() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repeats2xx
}

// Resent counts how often a request of ours was repeated for want of an answer.
func (c *Call) Resent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resends
}

// Close ends everything at once, without BYE if the call still lives, and waits
// for the call's goroutines. It may be called more than once.
func (c *Call) Close() {
	c.finish(CutOff)
	c.rtp.Close()
	c.line.remove(c)
	if c.ownLine {
		c.line.Close()
	}
}

// finish marks the call as over; the first end counts.
func (c *Call) finish(end End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != NotEnded {
		return
	}
	c.end = end
	c.times.Ended = time.Now()
	close(c.done)
}

// unreachable is the network's word that nobody is there. It counts only until the
// first answer: later, other proofs of life exist.
func (c *Call) unreachable(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil && c.times.Answered.IsZero() {
		c.broken = err
		close(c.failed)
	}
}

func (c *Call) note(format string, args ...any) {
	select {
	case c.notes <- Note{At: time.Now(), Text: fmt.Sprintf(format, args...)}:
	default:
	}
}

// via is sent-by with transport, as a Via header begins.
func (c *Call) via() string {
	return strings.ToUpper(string(c.line.transport)) + " " + c.reachable().String()
}

// reachable is the address under which the far end finds our line.
func (c *Call) reachable() netip.AddrPort {
	ip := c.line.local.Addr()
	if ip.IsUnspecified() {
		ip = c.rtp.LocalAddr().Addr()
	}
	return netip.AddrPortFrom(ip, c.line.local.Port())
}

func (c *Call) contact() string {
	s := "<sip:caller@" + c.reachable().String()
	if c.line.transport != UDP {
		s += ";transport=" + string(c.line.transport)
	}
	return s + ">"
}

// hostOf writes an address as a URI's host.
func hostOf(ip netip.Addr) string {
	if ip.Is6() {
		return "[" + ip.WithZone("").String() + "]"
	}
	return ip.String()
}
