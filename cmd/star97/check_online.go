package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"star97/internal/config"
	"star97/internal/register"
	"star97/internal/strictyaml"
	"star97/internal/uas"
)

// lookUpFor bounds what check --online asks the DNS about one registration.
const lookUpFor = 10 * time.Second

// enrolled is what would be registered.
type enrolled struct {
	register.Options
	peer    string
	targets []register.Target // empty: nobody was asked
}

// enrolments are the registrations of a configuration. online asks the DNS where they would
// be registered; that it has no answer is a problem.
func enrolments(c config.Config, file string, online bool) (all []enrolled, problems []strictyaml.Problem) {
	for _, o := range c.Registrations {
		e := enrolled{Options: o}
		if i := slices.IndexFunc(c.SIP.Peers, func(p uas.Peer) bool { return p.Registration == o.Name }); i >= 0 {
			e.peer = c.SIP.Peers[i].Name
		}
		if online {
			ctx, stop := context.WithTimeout(context.Background(), lookUpFor)
			targets, err := o.Targets(ctx, net.DefaultResolver)
			stop()
			if e.targets = targets; err != nil {
				problems = append(problems, strictyaml.Problem{File: file, Text: fmt.Sprintf("registration %s: %v.", o.Name, err), Remedy: "Correct its registrar or outbound_proxy, or the DNS."})
			}
		}
		all = append(all, e)
	}
	return all, problems
}

func printEnrolments(w io.Writer, all []enrolled) {
	for _, e := range all {
		where := e.Registrar
		if e.OutboundProxy != "" {
			where += " by " + e.OutboundProxy
		}
		fmt.Fprintf(w, "registration %s: %s at %s; its calls are the peer %s's and have the number %s\n", e.Name, e.AOR(), where, e.peer, e.Number())
		var at []string
		for _, t := range e.targets {
			at = append(at, t.Network+" "+t.Addr.String())
		}
		if len(at) > 0 {
			fmt.Fprintf(w, "  tried in this order: %s\n", strings.Join(at, ", "))
		}
	}
}
