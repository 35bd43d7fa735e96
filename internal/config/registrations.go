package config

import (
	"fmt"
	"slices"
	"strings"

	"star97/internal/strictyaml"
)

// checkRegistrations tells what is wrong with the registrations, and which of them and of
// the peers miss each other.
func (c *Config) checkRegistrations(file *strictyaml.File) (all []strictyaml.Problem) {
	numbers := map[string]int{}
	for i, o := range c.Registrations {
		at := fmt.Sprintf("registrations[%d]", i)
		all = append(all, locate(file, at, o.Validate())...)
		if n, twice := numbers[o.Name]; twice {
			all = append(all, file.Problem("$."+at+".name", fmt.Sprintf("registrations[%d] and %s have one name, %s.", n, at, o.Name), "Give each its own."))
			continue
		}
		numbers[o.Name] = i
	}
	owners := map[string]string{}
	for i, p := range c.SIP.Peers {
		if p.Registration == "" {
			continue
		}
		at := fmt.Sprintf("$.sip.peers[%d].registration", i)
		if _, there := numbers[p.Registration]; !there && !file.Spoiled("$.registrations") {
			all = append(all, file.Problem(at, fmt.Sprintf("There is no registration %s.", p.Registration), "Name one of registrations, or add it there."))
		}
		if other, twice := owners[p.Registration]; twice {
			all = append(all, file.Problem(at, fmt.Sprintf("The calls of the registration %s are the peer %s's already.", p.Registration, other), "Leave it at one of the two."))
			continue
		}
		owners[p.Registration] = p.Name
		if n, there := numbers[p.Registration]; there {
			all = append(all, c.atOdds(file, i, n)...)
		}
	}
	for i, o := range c.Registrations {
		if _, named := owners[o.Name]; !named && o.Name != "" && !file.Spoiled("$.sip.peers") {
			all = append(all, file.Problem(fmt.Sprintf("$.registrations[%d]", i), fmt.Sprintf("The calls of the registration %s are no peer's, so none would be taken.", o.Name),
				fmt.Sprintf("Write registration: %s at one of sip.peers.", o.Name)))
		}
	}
	return all
}

// atOdds tells what a peer asks for that the calls of its registration never bring.
func (c *Config) atOdds(file *strictyaml.File, peer, registration int) (all []strictyaml.Problem) {
	p, o := c.SIP.Peers[peer], c.Registrations[registration]
	at := fmt.Sprintf("$.sip.peers[%d].", peer)
	by := o.Networks()
	if len(p.Transports) > 0 && len(by) > 0 && !slices.ContainsFunc(by, func(n string) bool { return slices.Contains(p.Transports, n) }) {
		all = append(all, file.Problem(at+"transports", fmt.Sprintf("The calls of the registration %s come by %s, which this peer does not use.", o.Name, strings.Join(by, " or ")),
			"Add that to transports, or have the registration use another network."))
	}
	if p.Proves() {
		all = append(all, file.Problem(at+"identity", fmt.Sprintf("The calls of the registration %s come from its registrar, which cannot prove who calls.", o.Name),
			"Write pai or none, and give the telephones that can a peer of their own."))
	}
	return all
}
