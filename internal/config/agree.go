package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"star97/internal/backend"
	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/strictyaml"
)

// agree checks what two owners have to agree on.
func (c *Config) agree(file *strictyaml.File) []strictyaml.Problem {
	all := slices.Concat(c.patience(file), c.listenTwice(file), c.carried(file))
	if asked, kept := c.Plan.Limits.WrongCodes, c.Lockout.CallTries; asked > kept {
		all = append(all, file.Problem("$.lockout.call_tries",
			fmt.Sprintf("The dialplan gives a call %d tries, but lockout.call_tries closes the mailbox to it after %d.", asked, kept),
			"Raise lockout.call_tries, or lower limits.wrong_codes of the dialplan."))
	}
	return all
}

// patience: a call waits longer for a store than the store for another program's lock.
// Else the caller is told that nobody knows what became of a change, although the store
// is about to say that there was none.
func (c *Config) patience(file *strictyaml.File) (all []strictyaml.Problem) {
	check := func(key string, o backend.Options) {
		busy, deadline := o.SQLite.Database.BusyTimeout, c.Call.StoreDeadline
		if o.Validate() != nil || c.Call.Validate() != nil || deadline > busy+call.SettleReserve {
			return
		}
		all = append(all, file.Problem("$."+key+".sqlite.database.busy_timeout", fmt.Sprintf(
			"A call gives a store %v (call.store_deadline), but %s.sqlite.database.busy_timeout waits %v for a lock, and %v are kept for asking what became of a change.",
			deadline, key, busy, call.SettleReserve), "Raise call.store_deadline above the sum of the two, or lower busy_timeout."))
	}
	check("store", c.Store)
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		check("stores."+name, c.Stores[name])
	}
	return all
}

// carried: one-time codes need a way to their owners.
func (c *Config) carried(file *strictyaml.File) (all []strictyaml.Problem) {
	if c.Notify.Carries() {
		return nil
	}
	const text, remedy = "but there is no way for them to their owners.", "Name a mail server in notify.mail, or a service in notify.webhook with one_time."
	check := func(key string, o backend.Options) {
		if o.Verify.By == "otp" {
			all = append(all, file.Problem("$."+key+".verify", "The callers of "+key+" show one-time codes, "+text, remedy))
		}
	}
	check("store", c.Store)
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		check("stores."+name, c.Stores[name])
	}
	if slices.ContainsFunc(c.Plan.Routes, func(r dialplan.Route) bool { return r.Forgotten == dialplan.ForgottenOffer }) {
		all = append(all, file.Problem("$.notify", "The dialplan offers one-time codes to who has forgotten a code, "+text, remedy))
	}
	return all
}

// listenTwice finds listeners that would take each other's port.
func (c *Config) listenTwice(file *strictyaml.File) (all []strictyaml.Problem) {
	first := map[string]int{}
	for i, l := range c.SIP.Listen {
		at, err := netip.ParseAddrPort(l.Address)
		if err != nil || at.Port() == 0 { // told by its owner; a free port each
			continue
		}
		network := l.Network
		if network == "tls" {
			network = "tcp"
		}
		key := network + " " + netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
		if n, twice := first[key]; twice {
			all = append(all, file.Problem(fmt.Sprintf("$.sip.listen[%d]", i),
				fmt.Sprintf("sip.listen[%d] and sip.listen[%d] are the same, %s.", n, i, key), "Remove one of them."))
			continue
		}
		first[key] = i
	}
	return all
}
