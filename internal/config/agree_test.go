package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTwoOwnersHaveToAgreeOn(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want []string
	}{
		"a call that waits longer than the store": {"call: {store_deadline: 9s}\nstore: {sqlite: {database: {busy_timeout: 6900ms}}}\n", nil},
		"a store that waits as long": {"call: {store_deadline: 9s}\nstore:\n  sqlite:\n    database: {busy_timeout: 7s}\n",
			[]string{"star97.yaml:4: A call gives a store 9s (call.store_deadline), but store.sqlite.database.busy_timeout waits 7s for a lock, and 2s are kept"}},
		"a default that is too long": {"call:\n  store_deadline: 7s\n",
			[]string{"A call gives a store 7s (call.store_deadline), but store.sqlite.database.busy_timeout waits 5s"}},
		"a further store": {"stores:\n  east:\n    sqlite: {database: {busy_timeout: 10s}}\n",
			[]string{"star97.yaml:3: A call gives a store 8s (call.store_deadline), but stores.east.sqlite.database.busy_timeout waits 10s"}},
		"a deadline out of its own range is one problem": {"call: {store_deadline: 1s}\n", []string{"star97.yaml:1: call: store_deadline is 1s"}},

		"one address, two networks": {"sip: {listen: [{network: udp, address: \"127.0.0.1:5070\"}, {network: tcp, address: \"127.0.0.1:5070\"}]}\n", nil},
		"two free ports":            {"sip: {listen: [{network: udp, address: \"127.0.0.1:0\"}, {network: udp, address: \"127.0.0.1:0\"}]}\n", nil},
		"the same listener": {"sip:\n  listen:\n  - {network: udp, address: \"127.0.0.1:5070\"}\n  - {network: udp, address: \"127.0.0.1:5070\"}\n",
			[]string{"star97.yaml:4: sip.listen[0] and sip.listen[1] are the same, udp 127.0.0.1:5070. Remove one of them."}},
		"the same listener, otherwise written": {"sip:\n  listen:\n  - {network: tcp, address: \"[::ffff:127.0.0.1]:5070\"}\n  - {network: tcp, address: \"127.0.0.1:5070\"}\n",
			[]string{"star97.yaml:4: sip.listen[0] and sip.listen[1] are the same"}},
		"TLS on a port of TCP": {"sip:\n  listen:\n  - {network: tcp, address: \"127.0.0.1:5070\"}\n  - {network: tls, address: \"127.0.0.1:5070\", certificate: a, key: b}\n",
			[]string{"sip: listen[1].certificate: there is no file", "star97.yaml:4: sip.listen[0] and sip.listen[1] are the same, tcp"}},
		"an address that is none": {"sip: {listen: [{network: udp, address: here}, {network: udp, address: here}]}\n",
			[]string{"sip: listen[0].address", "sip: listen[1].address"}},

		"one-time codes without a way": {"store:\n  driver: sqlite\n  verify: {by: otp}\n",
			[]string{"star97.yaml:3: The callers of store show one-time codes, but there is no way for them to their owners. Name a mail server in notify.mail"}},
		"one-time codes by mail": {"store: {verify: {by: otp}}\nnotify: {mail: {host: mail.example.org, from: star97@example.org}}\n", nil},

		"fewer tries than the dialplan gives": {"lockout:\n  call_tries: 2\n",
			[]string{"star97.yaml:2: The dialplan gives a call 3 tries, but lockout.call_tries closes the mailbox to it after 2."}},
	} {
		t.Run(name, func(t *testing.T) {
			found := problems(t, row.text)
			require.Len(t, found, len(row.want), "%v", found)
			for i, want := range row.want {
				require.Contains(t, found[i], want)
			}
		})
	}
}

func TestWhatWorksAndIsPerhapsNotMeantIsAWarning(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want []string
	}{
		"the defaults":           {"", nil},
		"fewer ports than calls": {"media: {port_min: 40000, port_max: 41996}\n", []string{"media.port_min to media.port_max hold 999 calls, but sip.limits.calls allows 1000: widen"}},
		"just enough ports":      {"media: {port_min: 40000, port_max: 41998}\n", nil},
		"more calls than ports":  {"sip: {limits: {calls: 5000}}\n", []string{"hold 2000 calls, but sip.limits.calls allows 5000"}},
		"everybody is believed": {"sip: {peers: [{name: all, addresses: [192.0.2.1, 0.0.0.0/0], identity: from}]}\n",
			[]string{"sip.peers[0] (all) takes calls from every address and believes their From header"}},
		"everybody by IPv6 is believed": {"sip: {peers: [{name: six, addresses: [\"::/0\"], identity: from}]}\n", []string{"sip.peers[0] (six)"}},
		"everybody may call":            {"sip: {peers: [{name: all, addresses: [0.0.0.0/0], identity: none}]}\n", nil},
		"metrics for other machines":    {"http: {listen: \"0.0.0.0:9797\"}\n", []string{"http.listen is 0.0.0.0:9797, which other machines may reach"}},
		"a small network is believed":   {"sip: {peers: [{name: lan, addresses: [10.0.0.0/24, \"2001:db8::/64\"], identity: pai}]}\n", nil},
		"a wide network is believed": {"sip: {peers: [{name: lan, addresses: [10.0.0.1, 10.0.0.0/23], identity: pai}]}\n",
			[]string{"sip.peers[0] (lan) believes the word on who calls of all of 10.0.0.0/23, so whoever sends from there can be anybody: list"}},
		"a wide network by IPv6":        {"sip: {peers: [{name: six, addresses: [\"2001:db8::/63\"], identity: header X-Caller}]}\n", []string{"of all of 2001:db8::/63"}},
		"a wide network's From":         {"sip: {peers: [{name: lan, addresses: [10.0.0.0/8], identity: from}]}\n", []string{"believes the From header of all of 10.0.0.0/8"}},
		"a wide network without belief": {"sip: {peers: [{name: lan, addresses: [10.0.0.0/8], identity: none}]}\n", nil},
		"everybody asserts":             {"sip: {peers: [{name: all, addresses: [0.0.0.0/0], identity: pai}]}\n", []string{"every address and believes their word on who calls, so anybody can"}},

		"listening for others without a peer": {"sip: {listen: [{network: udp, address: \"127.0.0.1:5060\"}, {network: udp, address: \"0.0.0.0:5062\"}]}\n",
			[]string{"sip.listen[1] is 0.0.0.0:5062, but sip.peers lists no other machine"}},
		"listening for a peer":                 {"sip: {listen: [{network: udp, address: \"0.0.0.0:5060\"}], peers: [{name: pbx, addresses: [192.0.2.1]}]}\n", nil},
		"listening on another of the loopback": {"sip: {listen: [{network: udp, address: \"127.0.0.2:5060\"}, {network: udp, address: \"[::1]:5060\"}]}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, found := Load(written(t, row.text))
			require.Empty(t, found)
			require.Len(t, c.Warnings(), len(row.want))
			for i, want := range row.want {
				require.Contains(t, c.Warnings()[i].Text, want)
			}
		})
	}
}

// What an outside caller wrote names no owner: somebody has to be believed about it.
func TestAMailboxFromAHeaderThatNobodyIsBelievedAboutIsAWarning(t *testing.T) {
	const plan = "routes: [{number: \"1\", door: own, mailbox_from: diversion}, {number: \"2\", door: own}]\n"
	for forwarding, want := range map[string]int{"": 1, "forwarding: [history-info]": 1, "forwarding: [history-info, diversion]": 0} {
		c, found := Load(withPlan(t, "sip: {peers: [{name: a, addresses: [192.0.2.1]}, {name: b, addresses: [192.0.2.2], "+forwarding+"}]}\n", plan))
		require.Empty(t, found)
		require.Len(t, c.forwardsNobody(), want, forwarding)
		if want > 0 {
			require.Contains(t, c.forwardsNobody()[0].Text, `The route "1" of the dialplan takes the mailbox from diversion, but no peer is believed about it`)
		}
	}
	require.Contains(t, problems(t, "sip:\n  peers:\n  - name: a\n    addresses: [192.0.2.1]\n    forwarding: [pai]\n")[0],
		`star97.yaml:5: sip: peers[0].forwarding has "pai"; write diversion or history-info`)
}

// A call that is sent on with a number of star97's own may come back.
func TestAWayOutThatMayLeadInAgainIsAWarning(t *testing.T) {
	const sip = "sip: {listen: [{network: udp, address: \"0.0.0.0:5060\", advertise: \"198.51.100.7:5070\"}, {network: udp, address: \"192.0.2.9:5062\"}], peers: [{name: pbx, addresses: [192.0.2.0/28]}, {name: six, addresses: [\"2001:db8::1\"]}]}\n"
	const round = "%s of the dialplan sends callers to %s, and %q is the number of a route here"
	for name, row := range map[string]struct{ uri, number string }{
		"to a peer":            {"sip:*98@192.0.2.1", "*98"},
		"to a peer, escaped":   {"sip:%2A98@192.0.2.1:5080;transport=tcp", "*98"},
		"to a peer by IPv6":    {"sip:*98@[2001:DB8::1]", "*98"},
		"to a pattern's range": {"sip:4711;phone-context=x@192.0.2.1", "47xx"},
		"to a listener":        {"sip:*98@192.0.2.9", "*98"},
		"to the outer address": {"sip:*98@198.51.100.7", "*98"},
		"to a domain":          {"sip:*98@North.example.org", "*98"},
		"another number":       {"sip:*62@192.0.2.1", ""},
		"the mailbox's number": {"sip:{mailbox}@192.0.2.1", ""},
		"another host":         {"sip:*98@203.0.113.1", ""},
		"another name":         {"sip:*98@vm.example.org", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, found := Load(withPlan(t, sip, "routes: [{number: \"*98\", door: any}, {number: 47xx, door: any}]\ndomains: [{name: \"\", hosts: [north.example.org]}]\nlayouts: {default: {main: m, menus: {m: {keys: {\"2\": change, \"1\": messages, \"*\": goodbye}}}}}\ntargets: {messages: \""+row.uri+"\"}\n"))
			require.Empty(t, found)
			if row.number == "" {
				require.Empty(t, c.Warnings())
				return
			}
			require.Len(t, c.Warnings(), 1)
			require.Contains(t, c.Warnings()[0].Text, fmt.Sprintf(round, `The target "messages"`, row.uri, row.number))
		})
	}
	c, found := Load(withPlan(t, sip, "routes: [{number: \"*98\", redirect: \"sip:*98@192.0.2.1\"}]\n"))
	require.Empty(t, found)
	require.Len(t, c.Warnings(), 1)
	require.Contains(t, c.Warnings()[0].Text, fmt.Sprintf(round, `The route "*98"`, "sip:*98@192.0.2.1", "*98"))
}

func TestAWarningSaysWhereItIsAbout(t *testing.T) {
	file := withPlan(t, `sip:
  listen:
  - {network: udp, address: "127.0.0.1:5060"}
  peers:
  - {name: a, addresses: [192.0.2.1]}
  - name: wide
    addresses: [0.0.0.0/0]
    identity: pai
stores:
  idle: {}
media:
  port_max: 40098
http:
  listen: 0.0.0.0:9797
`, `routes:
- {number: "*97", door: any}
- number: "1"
  door: own
  mailbox_from: diversion
- {number: "2", redirect: "sip:*97@192.0.2.1"}
targets:
  nobody: sip:5@example.org
`)
	c, found := Load(file)
	require.Empty(t, found)
	var places []string
	for _, w := range c.Warnings() {
		place, _, _ := strings.Cut(strings.TrimPrefix(w.Error(), filepath.Dir(file)+"/"), ": ")
		places = append(places, place)
	}
	require.Equal(t, []string{"star97.yaml:11", "star97.yaml:13", "star97.yaml:7", "plan.yaml:5", "plan.yaml:6", "plan.yaml:5", "plan.yaml:8", "star97.yaml:15"}, places)
	then, _, _, err := Default().Takeover(c)
	require.NoError(t, err)
	require.Contains(t, then.Warnings()[0].File, "star97.yaml", "also after a reload")
	bare := Default()
	bare.HTTP.Listen = "0.0.0.0:1"
	require.True(t, strings.HasPrefix(bare.Warnings()[0].Error(), "http.listen is"), "without a file there is no place")
}

func TestTwoPeersOfOneAddressAreAProblemWithItsLine(t *testing.T) {
	found := problems(t, "sip:\n  peers:\n  - {name: a, addresses: [192.0.2.0/24]}\n  - name: b\n    addresses:\n    - 192.0.2.1\n    - 192.0.2.9/24\n")
	require.Len(t, found, 1)
	require.Contains(t, found[0], "star97.yaml:7: sip: peers[1].addresses[1] is 192.0.2.9/24, which peers[0] (a) lists already")
}
