// Package caller is a scripted telephone: it dials, presses keys as RFC 4733
// events or SIP INFO, and recognises what it hears by ear, from the received
// audio alone. It serves star97 call, the load run and the tests.
//
// Signalling is a small user agent client of its own (RFC 3261) that shares only
// the message parser with the service it calls, so that a mistake of the
// service's SIP stack cannot hide behind the same mistake here. It does not
// register and follows no redirect: it reports what the far end said. No output of
// this package names a key that was pressed.
package caller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/codec"
	"star97/internal/prompt/ear"
	"star97/internal/sdp"
	"star97/internal/secret"
)

// Transport is what carries the SIP messages.
type Transport string

// The transports. The empty one means: as the URI says, else UDP.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// Talk is what the telephone sends while no key is down.
type Talk uint8

// Silence frames are the default: a telephone sends all the time. Nothing is the
// silent caller, whose first packet is a key press, if there is one.
const (
	Silence Talk = iota
	Nothing
)

// Keys is the road that key presses take.
type Keys uint8

// The roads. Both sends each press twice, as telephones do that want to be sure. In-band
// keys take the place of silence in the audio.
const (
	Events Keys = iota // RFC 4733 telephone-event packets
	Info               // SIP INFO with application/dtmf-relay
	Both               // events and INFO
	Inband             // tones in the audio (ITU-T Q.23)
	All                // events, INFO and tones, as a gateway leaks them
)

// String is the road's name for people.
func (k Keys) String() string {
	return [...]string{Events: "events", Info: "info", Both: "both", Inband: "inband", All: "all"}[k]
}

// KeysOf finds a road by its name.
func KeysOf(name string) (Keys, bool) {
	for k := Events; k <= All; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return Events, false
}

// Header is one more SIP header of the INVITE.
type Header struct{ Name, Value string }

// Ack says how the 2xx is acknowledged; the zero value does it at once.
type Ack struct {
	Delay    time.Duration
	Withhold bool // never: the far end must repeat its 2xx and then give up
}

// Options are one call. Only URI is needed.
type Options struct {
	URI       string // sip:*97@192.0.2.1:5060;transport=tcp, sips:*97@pbx.example.org
	From      string // user, or a whole SIP URI; default "caller"
	PAI       string // P-Asserted-Identity (RFC 3325), a URI; empty: none
	User      string // that a challenge is answered as (RFC 3261 section 22.2); empty: none is
	Password  secret.Secret
	Headers   []Header     // added to the INVITE as they are
	Transport Transport    // empty: the URI's transport parameter, else UDP; TLS for sips
	TLS       *tls.Config  // whom a far end has to prove to be, and who we are; nil: the system's authorities
	SRTP      sdp.Security // whether our offers protect the audio
	Listen    string       // local address, with or without port; empty: the one that the route to the far end uses
	Line      *Line        // share this SIP end with other calls; it stays open after the call
	Delayed   bool         // INVITE without an offer (RFC 3261 section 13.2.1): ours is the answer in the ACK
	Codecs    []codec.ID
	Direction Direction     // of the first description; zero: SendRecv
	NoEvents  bool          // telephone-event is not offered
	PTime     time.Duration // packet time that we offer; default 20 ms, 10 to 60
	Talk      Talk
	Reports   bool // send RTCP while audio is sent, as telephones do: the far end answers with what it hears
	Keys      Keys
	Press     Press
	Ack       Ack
	Ear       *ear.Ear                     // knows the sentences; nil: nothing is recognised
	Refer     func(target string) Referral // what becomes of a transfer to a URI; nil: none is accepted
	Answer    time.Duration                // longest wait for a final answer; default 32 s (64*T1), 1 s to 5 min

	rtp     rtpSide         // the load run's; nil: a Media of the call's own
	invited func(time.Time) // told when the first INVITE leaves; nil: nobody asks
}

// DefaultOptions are what the zero fields of Options mean.
func DefaultOptions() Options {
	return Options{
		From:   "caller",
		Codecs: []codec.ID{codec.PCMU, codec.PCMA},
		Press:  DefaultPress(),
		PTime:  20 * time.Millisecond,
		Answer: 64 * t1,
	}
}

// withDefaults fills the zero fields.
func (o Options) withDefaults() Options {
	d := DefaultOptions()
	if o.From == "" {
		o.From = d.From
	}
	if len(o.Codecs) == 0 {
		o.Codecs = d.Codecs
	}
	if o.PTime == 0 {
		o.PTime = d.PTime
	}
	o.Press = o.Press.withDefaults()
	if o.Answer == 0 {
		o.Answer = d.Answer
	}
	return o
}

// ErrOptions is wrapped by every complaint of Validate.
var ErrOptions = errors.New("the call cannot be made as asked")

// Validate says in one sentence what is wrong with the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	var uri sip.Uri
	if err := sip.ParseUri(o.URI, &uri); err != nil || uri.Host == "" || uri.Scheme != "sip" && uri.Scheme != "sips" {
		return bad("%q is no SIP URI; write it like sip:*97@127.0.0.1:5060", o.URI)
	}
	known := []Transport{UDP, TCP, TLS}
	if o.Transport != "" && !slices.Contains(known, o.Transport) {
		return bad("transport %q is unknown; use udp, tcp or tls", string(o.Transport))
	}
	if t, ok := uri.UriParams.Get("transport"); ok && o.Transport == "" && !slices.Contains(known, Transport(strings.ToLower(t))) {
		return bad("the URI asks for transport %q; this telephone speaks udp, tcp and tls", t)
	}
	if o.Answer < time.Second || o.Answer > 5*time.Minute {
		return bad("the wait for an answer is %v; it must be 1s to 5m", o.Answer)
	}
	if o.PTime < 10*time.Millisecond || o.PTime > 60*time.Millisecond || o.PTime%(10*time.Millisecond) != 0 {
		return bad("the packet time is %v; it must be 10 to 60 ms in tens", o.PTime)
	}
	for _, h := range slices.Concat(o.Headers, []Header{{"From", o.From}, {"P-Asserted-Identity", o.PAI}}) {
		if strings.ContainsAny(h.Name+h.Value, "\r\n") {
			return bad("header %q holds a line break", h.Name)
		}
	}
	for _, id := range o.Codecs {
		if id == codec.None || id >= codec.Count {
			return bad("codec %d is not in the table", id)
		}
	}
	return o.Press.validate()
}

// Dial calls o.URI and returns when the call is answered and acknowledged.
// Errors: *Refused for a final answer of 3xx to 6xx, ErrNoAnswer, ErrUnreachable,
// ErrOptions, or the description that did not fit. When ctx ends first, the
// INVITE is cancelled (RFC 3261 section 9) and ctx's error comes back.
// The call lives until Hangup, Close or the far end's BYE.
func Dial(ctx context.Context, o Options) (*Call, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c, err := newCall(ctx, o.withDefaults())
	if err != nil {
		return nil, err
	}
	if err := c.invite(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
