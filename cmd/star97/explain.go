package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/uas"
)

// imagined is the call that `star97 check --explain` asks about, as flags say it.
type imagined struct {
	number    string
	from      string // name of a peer, or an IP address
	identity  string // USER or USER@HOST
	host      string
	diversion string
	history   string
}

func (i *imagined) flags(f *pflag.FlagSet) {
	f.StringVar(&i.number, "explain", "", "tell what a call to this number would get, and why")
	f.StringVar(&i.from, "from", "", "with --explain: the peer that sends the call, by name or by IP address; may be left out where there is one peer")
	f.StringVar(&i.identity, "identity", "", "with --explain: who calls, as USER or USER@HOST, in the header that the peer's identity names")
	f.StringVar(&i.host, "host", "", "with --explain: the host of the Request-URI")
	f.StringVar(&i.diversion, "diversion", "", "with --explain: the user of the Diversion header")
	f.StringVar(&i.history, "history", "", "with --explain: the user of the History-Info header")
}

const (
	explainLong = "With --explain it tells what a call to a number would get: route, door, mailbox,\n" +
		"domain, store, layout, language and words, and why. Nothing is called and no store is\n" +
		"asked, so it does not tell whether the mailbox exists. Exit code 1 if the call would\n" +
		"be refused."
	explainExample = "  star97 check --config star97.yaml --explain '*97' --from pbx --identity +12125554001@north.example.org"
)

// complete tells whether there is a question, and refuses parts of one.
func (i *imagined) complete(f *pflag.FlagSet) (asked bool, err error) {
	if i.number != "" {
		return true, i.users()
	}
	if f.Changed("explain") {
		return false, errors.New("--explain is empty; write the number that is dialled, in quotation marks")
	}
	for _, name := range []string{"from", "identity", "host", "diversion", "history"} {
		if f.Changed(name) {
			return false, fmt.Errorf("--%s needs --explain with a number", name)
		}
	}
	return false, nil
}

// users refuses whole URIs where only their user part is wanted: one would be read as
// a name that nobody has.
func (i *imagined) users() error {
	const user, withHost = "the user part alone", "USER or USER@HOST alone"
	for _, part := range []struct{ flag, value, form string }{
		{"explain", i.number, user}, {"identity", i.identity, withHost}, {"diversion", i.diversion, user}, {"history", i.history, user},
	} {
		scheme, _, whole := strings.Cut(strings.ToLower(strings.TrimLeft(part.value, " <")), ":")
		whole = whole && slices.Contains([]string{"sip", "sips", "tel"}, scheme)
		if whole || part.form == user && strings.Contains(part.value, "@") {
			return fmt.Errorf("--%s is %q; write %s", part.flag, part.value, part.form)
		}
	}
	return nil
}

// answer prints what the call would get by a configuration; the error has the exit
// code.
func (i *imagined) answer(w io.Writer, file string, asJSON bool) error {
	c, err := site{config: file}.load()
	if err != nil {
		return err
	}
	e, err := i.explain(c)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(w, e)
	} else {
		e.print(w)
	}
	if err == nil && e.Status != 200 && e.Status != 302 {
		return exitError{code: 1}
	}
	return err
}

// explained is what the call would get. Empty is not said.
type explained struct {
	Status   int      `json:"status"` // of the answer to the INVITE; 0: none at all
	Answer   string   `json:"answer"`
	Peer     string   `json:"peer,omitempty"`
	Route    string   `json:"route,omitempty"`
	Redirect string   `json:"redirect,omitempty"`
	Door     string   `json:"door,omitempty"`
	Mailbox  string   `json:"mailbox,omitempty"`
	Domain   string   `json:"domain,omitempty"`
	Store    string   `json:"store,omitempty"`
	Layout   string   `json:"layout,omitempty"`
	Language string   `json:"language,omitempty"`
	Words    []string `json:"words,omitempty"`
	Slow     bool     `json:"slow,omitempty"`
	Why      []string `json:"why"`
}

// explain answers what the call would get; the error says what is wrong with the
// question.
func (i *imagined) explain(c config.Config) (explained, error) {
	peer, stranger, err := i.peer(c.SIP)
	if err != nil {
		return explained{}, err
	}
	if stranger {
		return turnedAway(c.SIP, i.from), nil
	}
	user, host, _ := strings.Cut(i.identity, "@")
	d, refused := c.Plan.Explain(dialplan.Question{
		Number: i.number, Host: i.host, Peer: peer.Name, Trusted: peer.Trusted(), Proved: peer.Proves(), Identity: user, IdentityHost: host,
		Diversion: i.diversion, History: i.history, Forwarding: peer.Forwarding,
	})
	e := explained{Peer: peer.Name, Why: append([]string{believes(peer)}, d.Why...)}
	r := d.Route
	e.Route, e.Redirect = r.Number, r.Redirect
	switch {
	case refused != 0:
		e.Status, e.Answer = 404, "404 Not Found"
		return e, nil
	case r.Redirect != "":
		e.Status, e.Answer = 302, "302 Moved Temporarily"
		return e, nil
	}
	e.Status, e.Answer = 200, "200 OK"
	e.Door, e.Slow = d.Door.String(), r.Slow
	e.Language = cmp.Or(r.Language, c.Prompts.Language)
	if d.Door == mailbox.CheckDoor {
		return e, nil
	}
	e.Mailbox, e.Domain, e.Store, e.Layout = d.Mailbox, d.Domain, d.Store, r.Layout
	words := r.Words.Filled()
	e.Words = []string{words.Code, words.Extension}
	e.Why = append(e.Why, leftOut(c.Plan, r.Layout)...)
	return e, nil
}

// peer finds who sends the call: by name, by address, or the only one.
func (i *imagined) peer(o uas.Options) (p uas.Peer, stranger bool, err error) {
	var names []string
	for _, p := range o.Peers {
		if p.Name == i.from || i.from == "" && len(o.Peers) == 1 {
			return p, false, nil
		}
		names = append(names, p.Name)
	}
	from, err := netip.ParseAddr(i.from)
	switch {
	case i.from == "":
		return p, false, failed("several peers send calls; say which one with --from: %s", strings.Join(names, ", "))
	case err != nil:
		return p, false, failed("there is no peer %q; the peers are %s, and an IP address is understood too", i.from, strings.Join(names, ", "))
	}
	for _, network := range []string{"udp", "tcp"} {
		if p, ok := o.PeerAt(network, from); ok {
			return p, false, nil
		}
	}
	return p, true, nil
}

// turnedAway is what a stranger gets, whatever is dialled.
func turnedAway(o uas.Options, from string) explained {
	e := explained{Status: 403, Answer: "403 Forbidden", Why: []string{fmt.Sprintf("No peer lists the address %s, so the call comes from a stranger.", from)}}
	for _, p := range o.Peers {
		if p.Registration != "" {
			e.Why = append(e.Why, fmt.Sprintf("The addresses of the registration %s are not looked up here; --from %s tells what its calls get.", p.Registration, p.Name))
		}
	}
	if o.Strangers == "ignore" {
		e.Status, e.Answer = 0, "none"
		e.Why = append(e.Why, "Strangers get no answer: sip.strangers is ignore.")
	}
	return e
}

// believes says whose word on the caller counts.
func believes(p uas.Peer) string {
	switch {
	case p.Asks():
		return fmt.Sprintf("The callers of the peer %s prove which of the SIP users they are.", p.Name)
	case p.Proves():
		return fmt.Sprintf("The callers of the peer %s are whom their certificates name.", p.Name)
	}
	if header := p.Believes(); header != "" {
		return fmt.Sprintf("The peer %s is believed about who calls, in the header %s.", p.Name, header)
	}
	return fmt.Sprintf("The peer %s is not believed about who calls: its identity is none.", p.Name)
}

// leftOut tells the keys of a layout that are not offered, in their order.
func leftOut(p *dialplan.Plan, name string) (why []string) {
	l := p.Layouts[name]
	for _, menu := range slices.Sorted(maps.Keys(l.Menus)) {
		keys := l.Menus[menu].Keys
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if c := keys[key]; !p.Offers(c) {
				why = append(why, fmt.Sprintf("The key %s (%s) of the menu %s is left out: there is no target %s.", key, c, menu, c.Target()))
			}
		}
	}
	return why
}

func (e explained) print(w io.Writer) {
	pace := ""
	if e.Slow {
		pace = "slow"
	}
	for _, row := range [][2]string{
		{"answer", e.Answer}, {"peer", e.Peer}, {"route", e.Route}, {"to", e.Redirect}, {"door", e.Door}, {"mailbox", e.Mailbox},
		{"domain", e.Domain}, {"store", e.Store}, {"layout", e.Layout}, {"language", e.Language},
		{"words", strings.Join(e.Words, ", ")}, {"pace", pace},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%-9s %s\n", row[0], row[1])
		}
	}
	fmt.Fprintln(w)
	for _, sentence := range e.Why {
		fmt.Fprintln(w, sentence)
	}
}
