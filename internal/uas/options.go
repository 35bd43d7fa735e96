package uas

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"star97/internal/dialplan"
	"star97/internal/digest"
	"star97/internal/pemfile"
)

// Options of the SIP side. Start from DefaultOptions.
type Options struct {
	// Listen holds the addresses to answer on, at least one.
	Listen []Listen `yaml:"listen"`
	// LocalNetworks are the prefixes that reach us directly. Whoever is outside
	// of them is given the listener's advertise address in Contact and SDP.
	// Empty: loopback, link-local and private addresses (RFC 1918, RFC 4193).
	LocalNetworks []string `yaml:"local_networks"`
	// CAFile is a file of CA certificates in PEM: where we open a TLS connection within a
	// call, the far end has to show one of theirs. Empty: the system's.
	CAFile string `yaml:"ca_file"`
	// DSCP marks signalling packets, 0 to 63; 24 is CS3 (RFC 4594).
	DSCP int `yaml:"dscp"`
	// Strangers says what a request from an address that no peer lists gets:
	// "refuse" (one fixed 403, a few a second) or "ignore" (nothing). Over TCP a
	// stranger's connection is closed at once.
	Strangers string `yaml:"strangers"`
	// Peers are the systems whose calls are taken.
	Peers []Peer `yaml:"peers"`
	// Digest is how the callers of peers with identity digest prove who they are.
	Digest digest.Options `yaml:"digest"`
	// Lead is the silence sent before the first prompt, 20ms to 2s.
	Lead time.Duration `yaml:"lead"`
	// T1 and T2 are RFC 3261's (section 17.1.1.2) for what the dialog layer
	// repeats: 2xx answers from T1 doubling to T2, given up after 64*T1.
	T1 time.Duration `yaml:"t1"`
	T2 time.Duration `yaml:"t2"`
	// SessionExpires is how long a call may go without being refreshed, 90s to 24h, where
	// the far end serves session timers (RFC 4028): asked of who names no time, and the most
	// that is granted. A call of which nobody refreshes is hung up.
	SessionExpires time.Duration `yaml:"session_expires"`
	// OptionsAfter is how long the voicemail system, or the ledger of tries, has to be out
	// of reach before OPTIONS gets 503, 1s to 1h: a PBX or proxy that asks regularly then
	// sends its calls elsewhere. While star97 drains it gets 503 at once.
	OptionsAfter time.Duration `yaml:"options_after"`
	// Limits bound what peers can make us hold.
	Limits Limits `yaml:"limits"`
}

// Listen is one address.
type Listen struct {
	Network string `yaml:"network"` // udp, tcp or tls
	Address string `yaml:"address"` // IP:port, "0.0.0.0:5060", "[::1]:5060"; port 0 takes a free one
	// Advertise is the address, with or without port, that peers outside of
	// LocalNetworks reach us by (a NAT's outer address). Empty: none.
	Advertise string `yaml:"advertise"`
	// Certificate and Key are files in PEM, for tls alone: the chain that is shown, and
	// its private key. Changed files are in use for the next connection.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ClientCA is a file of CA certificates in PEM: only who shows a certificate of one
	// of them gets in. Empty: nobody is asked for one.
	ClientCA string `yaml:"client_ca"`
}

// Peer is one system that may send calls.
type Peer struct {
	Name      string   `yaml:"name"`      // of your choice, in logs, audit and metrics
	Addresses []string `yaml:"addresses"` // IPs and prefixes; the longest match wins
	// Registration is the name of one of registrations: calls come from the addresses that
	// its registrar's name stands for, and from Addresses, which may be empty then.
	Registration string   `yaml:"registration"`
	Transports   []string `yaml:"transports"` // udp, tcp, tls; empty: all
	// Identity says which word on the caller is believed: none (default), pai
	// (P-Asserted-Identity, RFC 3325), from, or "header NAME"; or digest, which is no
	// word but a proof: each caller is one of the users of sip.digest, and may come from
	// anywhere in addresses, be that 0.0.0.0/0 and ::/0; or certificate: each caller is
	// whom the certificate of its TLS connection names, by the user of its SIP URI or by
	// its common name.
	Identity string `yaml:"identity"`
	// Forwarding lists the headers on forwarded calls, diversion (RFC 5806) and history-info
	// (RFC 7044), that are this system's own word: it removes what an outside caller wrote.
	// For calls of other peers mailbox_from of the dialplan names nobody. Empty: none.
	Forwarding []string `yaml:"forwarding"`
	// Lead replaces the common one for this peer; 0 keeps that.
	Lead time.Duration `yaml:"lead"`
	// MaxCalls of this peer at a time; 0: only the total counts.
	MaxCalls int `yaml:"max_calls"`
	// RTPSource says whose RTP may be the caller's: "signalled" (default), which is
	// the host that SDP names and the one that SIP comes from, or "any", from the
	// ACK on, for a system whose media leave by an address that it does not signal.
	// With "any" whoever can reach our ports may take a call that sends nothing.
	RTPSource string `yaml:"rtp_source"`
	// Symmetric says when our requests within a call go back to where its messages
	// come from, and not to the address in Contact or Record-Route: "private" (default)
	// when that address is private (RFC 1918, RFC 4193) and not the one they come
	// from, so that a NAT stands between; "always"; "never".
	Symmetric string `yaml:"symmetric"`
	// SRTP says whether the audio of this peer's calls is protected (RFC 4568): "off"
	// (default), "offered" for calls that offer keys, or "required" of each call. Keys are
	// taken over TLS alone: other signalling shows them to everybody on its way.
	SRTP string `yaml:"srtp"`
	// Codecs lists the codecs of this peer's calls, of g722, pcmu and pcma. In its offers
	// its own order counts, in ours the one here. Empty: all three in this order.
	Codecs []string `yaml:"codecs"`
	// Inband says whether the tones of keys are listened for in the audio: "auto"
	// (default) until the call has shown that its keys come by telephone-event or INFO;
	// "never"; "always", also after that: for a system that connects its callers on to
	// telephones with another way without telling.
	Inband string `yaml:"inband"`
	// RTP says what is sent while nothing is said: "steady" (default), silence in every
	// packet, or "sparse", one packet a second, for systems that need no steady stream to
	// keep a call or a path open. RTCP is sent either way.
	RTP string `yaml:"rtp"`
}

// Limits bound the server.
type Limits struct {
	Calls       int `yaml:"calls"`        // at a time, 1 to 100000
	MessageSize int `yaml:"message_size"` // bytes of one SIP message, 2048 to 32768
	// Rate is the messages a second from one address, 10 to 1000000. One beyond 4096 bytes
	// counts for several. All addresses together that peers list by prefixes have four
	// times as many, and so have those that stand alone. New TLS connections have a rate of
	// their own, of a 32nd: one costs that much more. An address with calls up is let in
	// however many the others open.
	Rate  int `yaml:"rate"`
	Burst int `yaml:"burst"` // messages at once from one address, 10 to 1000000
	// Connections by TCP and TLS at a time, 1 to 10000. One address of those that a peer lists
	// by a prefix has at most half of them; and one network of a prefix that is wider, a /24 of
	// IPv4 or a /48 of IPv6, five eighths.
	Connections int `yaml:"connections"`
	// Unacknowledged calls of one address: answered, and the ACK is not in yet, 1 to
	// 100000. Beyond it 503. An ACK is a round trip away, so few wait at a time.
	Unacknowledged int `yaml:"unacknowledged"`
	// Wait is how long a new call may wait until work on it begins, 5ms to 1s; 0s: as long
	// as it likes. When none of twenty that came close together was begun so soon, more come
	// than the machine can begin: until it has caught up, those get 503 that wait for a fifth
	// of it or that come while others are being begun. Calls in progress notice nothing.
	Wait time.Duration `yaml:"wait"`
}

// DefaultOptions listens on the loopback address only and takes calls from this
// machine, whose From header is believed.
func DefaultOptions() Options {
	return Options{
		Listen: []Listen{
			{Network: "udp", Address: "127.0.0.1:5060"},
			{Network: "tcp", Address: "127.0.0.1:5060"},
		},
		DSCP:      24,
		Strangers: refuseStrangers,
		Peers: []Peer{{
			Name: "this-machine", Addresses: []string{"127.0.0.0/8", "::1"}, Identity: "from",
		}},
		Digest: digest.DefaultOptions(),
		Lead:   200 * time.Millisecond,
		T1:     500 * time.Millisecond,
		T2:     4 * time.Second,

		SessionExpires: 30 * time.Minute,
		OptionsAfter:   30 * time.Second,
		Limits: Limits{
			Calls: 1000, MessageSize: 16384, Rate: 2000, Burst: 4000, Connections: 512, Unacknowledged: 256, Wait: 50 * time.Millisecond,
		},
	}
}

const (
	refuseStrangers = "refuse"
	ignoreStrangers = "ignore"

	symmetricPrivate = "private"
	symmetricAlways  = "always"
	symmetricNever   = "never"

	srtpOff      = "off"
	srtpOffered  = "offered"
	srtpRequired = "required"

	rtpSteady = "steady"
	rtpSparse = "sparse"

	rtpSignalled = "signalled"
	rtpAny       = "any"
)

// Validate returns every problem, one sentence with its key and remedy a line.
func (o Options) Validate() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if len(o.Listen) == 0 {
		bad("listen is empty; name at least one address, for example {network: udp, address: \"127.0.0.1:5060\"}")
	}
	for i, l := range o.Listen {
		l.validate(fmt.Sprintf("listen[%d]", i), bad)
	}
	if _, err := pemfile.Authorities("ca_file", o.CAFile); err != nil {
		bad("%w", err)
	}
	for i, n := range o.LocalNetworks {
		if _, err := parsePrefix(n); err != nil {
			bad("local_networks[%d] %q is no network; write it like 10.0.0.0/8", i, n)
		}
	}
	if o.Strangers != refuseStrangers && o.Strangers != ignoreStrangers {
		bad("strangers is %q; write %q or %q", o.Strangers, refuseStrangers, ignoreStrangers)
	}
	if len(o.Peers) == 0 {
		bad("peers is empty, so nobody could call; list the PBX with its address")
	}
	names := map[string]bool{}
	for i, p := range o.Peers {
		at := fmt.Sprintf("peers[%d]", i)
		p.validate(at, bad)
		if names[p.Name] {
			bad("%s.name %q is used twice; each peer needs its own", at, p.Name)
		}
		names[p.Name] = true
	}
	o.doubled(bad)
	o.validateDigest(bad)
	o.validateOwners(bad)
	o.ranges(bad)
	return errors.Join(all...)
}

// doubled finds prefixes of two peers, of which only the first would ever be taken,
// on whatever transport: see peers.of.
func (o Options) doubled(bad func(string, ...any)) {
	owners := map[netip.Prefix]int{}
	for i, p := range o.Peers {
		for j, a := range p.Addresses {
			prefix, err := parsePrefix(a)
			if err != nil { // told by its peer
				continue
			}
			first, taken := owners[prefix]
			if taken && first != i {
				bad("peers[%d].addresses[%d] is %s, which peers[%d] (%s) lists already, so %s would never be taken for what comes from there; leave it at one of the two",
					i, j, a, first, o.Peers[first].Name, p.Name)
				continue
			}
			owners[prefix] = i
		}
	}
}

func (o Options) ranges(bad func(string, ...any)) {
	for _, v := range []struct {
		key        string
		is, lo, hi int
	}{
		{"dscp", o.DSCP, 0, 63},
		{"limits.calls", o.Limits.Calls, 1, 100000},
		{"limits.message_size", o.Limits.MessageSize, 2048, 32768},
		{"limits.rate", o.Limits.Rate, 10, 1000000},
		{"limits.burst", o.Limits.Burst, 10, 1000000},
		{"limits.connections", o.Limits.Connections, 1, 10000},
		{"limits.unacknowledged", o.Limits.Unacknowledged, 1, 100000},
	} {
		if v.is < v.lo || v.is > v.hi {
			bad("%s is %d; set it between %d and %d", v.key, v.is, v.lo, v.hi)
		}
	}
	if w := o.Limits.Wait; w != 0 && (w < 5*time.Millisecond || w > time.Second) {
		bad("limits.wait is %v; set it between 5ms and 1s, or to 0s, which refuses no call", w)
	}
	for _, v := range []struct {
		key        string
		is, lo, hi time.Duration
	}{
		{"lead", o.Lead, 20 * time.Millisecond, 2 * time.Second},
		{"t1", o.T1, 5 * time.Millisecond, 5 * time.Second},
		{"t2", o.T2, o.T1, 30 * time.Second},
		{"session_expires", o.SessionExpires, leastExpires, 24 * time.Hour},
		{"options_after", o.OptionsAfter, time.Second, time.Hour},
	} {
		if v.is < v.lo || v.is > v.hi {
			bad("%s is %v; set it between %v and %v", v.key, v.is, v.lo, v.hi)
		}
	}
}

func (l Listen) validate(at string, bad func(string, ...any)) {
	if l.Network != "udp" && !isStream(l.Network) {
		bad("%s.network is %q; write udp, tcp or tls", at, l.Network)
	}
	switch named := l.Certificate != "" || l.Key != "" || l.ClientCA != ""; {
	case l.Network == "tls" && (l.Certificate == "" || l.Key == ""):
		bad("%s.certificate or key is empty; tls needs both, files in PEM", at)
	case l.Network == "tls":
		if _, err := newCertificate(l, nil); err != nil {
			bad("%s.%w", at, err)
		}
	case l.Network != "tls" && named:
		bad("%s.certificate, key or client_ca is for tls; leave it out, or write network: tls", at)
	}
	if _, err := netip.ParseAddrPort(l.Address); err != nil {
		bad("%s.address %q is no address; write IP:port, like 0.0.0.0:5060 or [::1]:5060", at, l.Address)
	}
	if l.Advertise != "" {
		if _, _, err := parseAdvertise(l.Advertise); err != nil {
			bad("%s.advertise %q is no address; write the outer IP, with or without :port", at, l.Advertise)
		}
	}
}

func (p Peer) validate(at string, bad func(string, ...any)) {
	if p.Name == "" || cleaned(p.Name, 64) != p.Name {
		bad("%s.name %q is no name; use 1 to 64 printable characters", at, p.Name)
	}
	if len(p.Addresses) == 0 && p.Registration == "" {
		bad("%s.addresses is empty; list the IPs or prefixes that %s calls from, or name its registration", at, p.Name)
	}
	for _, a := range p.Addresses {
		if _, err := parsePrefix(a); err != nil {
			bad("%s.addresses has %q; write an IP or a prefix such as 192.0.2.0/24", at, a)
		}
	}
	for _, t := range p.Transports {
		if t != "udp" && !isStream(t) {
			bad("%s.transports has %q; write udp, tcp or tls", at, t)
		}
	}
	if _, err := parseIdentity(p.Identity); err != nil {
		bad("%s.identity %v", at, err)
	}
	for _, f := range p.Forwarding {
		if f != dialplan.FromDiversion && f != dialplan.FromHistory {
			bad("%s.forwarding has %q; write %s or %s", at, f, dialplan.FromDiversion, dialplan.FromHistory)
		}
	}
	if p.Lead != 0 && (p.Lead < 20*time.Millisecond || p.Lead > 2*time.Second) {
		bad("%s.lead is %v; set it between 20ms and 2s, or leave it out", at, p.Lead)
	}
	if p.MaxCalls < 0 || p.MaxCalls > 100000 {
		bad("%s.max_calls is %d; set it between 0 and 100000", at, p.MaxCalls)
	}
	if p.RTPSource != "" && p.RTPSource != rtpSignalled && p.RTPSource != rtpAny {
		bad("%s.rtp_source is %q; write %q or %q, or leave it out", at, p.RTPSource, rtpSignalled, rtpAny)
	}
	switch p.Symmetric {
	case "", symmetricPrivate, symmetricAlways, symmetricNever:
	default:
		bad("%s.symmetric is %q; write %q, %q or %q, or leave it out", at, p.Symmetric, symmetricPrivate, symmetricAlways, symmetricNever)
	}
	switch p.SRTP {
	case "", srtpOff, srtpOffered:
	case srtpRequired:
		if len(p.Transports) != 1 || p.Transports[0] != "tls" {
			bad("%s.srtp is required, but its keys are taken over TLS alone; write transports: [tls] beside it", at)
		}
	default:
		bad("%s.srtp is %q; write %q, %q or %q, or leave it out", at, p.SRTP, srtpOff, srtpOffered, srtpRequired)
	}
	if p.RTP != "" && p.RTP != rtpSteady && p.RTP != rtpSparse {
		bad("%s.rtp is %q; write %q or %q, or leave it out", at, p.RTP, rtpSteady, rtpSparse)
	}
	if _, err := parseCodecs(p.Codecs); err != nil {
		bad("%s.codecs %v", at, err)
	}
	if _, known := inbands[p.Inband]; !known {
		bad("%s.inband is %q; write auto, never or always, or leave it out", at, p.Inband)
	}
}

// isStream says whether a network is one of connections.
func isStream(network string) bool { return network == "tcp" || network == "tls" }

// isSecure says whether a network shows its messages to nobody on the way.
func isSecure(network string) bool { return network == "tls" }

// Resolve takes the relative names of files from dir.
func (o *Options) Resolve(dir string) {
	names := []*string{&o.CAFile, &o.Digest.UsersFile}
	o.Listen = slices.Clone(o.Listen)
	for i := range o.Listen {
		names = append(names, &o.Listen[i].Certificate, &o.Listen[i].Key, &o.Listen[i].ClientCA)
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
}
