package config

import (
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
		"an address that is none": {"sip: {listen: [{network: udp, address: here}, {network: udp, address: here}]}\n",
			[]string{"sip: listen[0].address", "sip: listen[1].address"}},

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
		"a network is believed":         {"sip: {peers: [{name: lan, addresses: [10.0.0.0/8], identity: from}]}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, found := Load(written(t, row.text))
			require.Empty(t, found)
			require.Len(t, c.Warnings(), len(row.want))
			for i, want := range row.want {
				require.Contains(t, c.Warnings()[i], want)
			}
		})
	}
}
