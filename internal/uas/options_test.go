package uas

import (
	"net/netip"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestOptionsNameWhatIsWrongAndTheRemedy(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	for _, row := range []struct {
		rule string
		spil func(*Options)
		says []string
	}{
		{"no address", func(o *Options) { o.Listen = nil }, []string{"listen is empty", "name at least one"}},
		{"unknown network", func(o *Options) { o.Listen[0].Network = "sctp" }, []string{`listen[0].network is "sctp"`, "udp, tcp or tls"}},
		{"TLS without a certificate", func(o *Options) { o.Listen[0].Network = "tls" }, []string{"listen[0].certificate or key is empty", "PEM"}},
		{"a certificate without TLS", func(o *Options) { o.Listen[0].Key = "x" }, []string{"listen[0].certificate, key or client_ca is for tls", "network: tls"}},
		{"srtp", func(o *Options) { o.Peers[0].SRTP = "on" }, []string{`peers[0].srtp is "on"`, `"offered"`}},
		{"srtp without TLS", func(o *Options) { o.Peers[0].SRTP = "required" }, []string{"peers[0].srtp is required", "transports: [tls]"}},
		{"no such certificate", func(o *Options) {
			o.Listen[0] = Listen{Network: "tls", Address: "127.0.0.1:0", Certificate: "a.pem", Key: "a.key"}
		}, []string{"listen[0].certificate: there is no file a.pem; check the name"}},
		{"no such authorities", func(o *Options) { o.CAFile = "nowhere.pem" }, []string{"ca_file: there is no file nowhere.pem; check the name"}},
		{"address without port", func(o *Options) { o.Listen[1].Address = "127.0.0.1" }, []string{"listen[1].address", "IP:port"}},
		{"advertised name", func(o *Options) { o.Listen[0].Advertise = "pbx.example.org" }, []string{"listen[0].advertise", "outer IP"}},
		{"local network", func(o *Options) { o.LocalNetworks = []string{"10/8"} }, []string{"local_networks[0]", "10.0.0.0/8"}},
		{"dscp", func(o *Options) { o.DSCP = 64 }, []string{"dscp is 64", "between 0 and 63"}},
		{"strangers", func(o *Options) { o.Strangers = "" }, []string{"strangers", `"refuse" or "ignore"`}},
		{"no peer", func(o *Options) { o.Peers = nil }, []string{"peers is empty"}},
		{"peer without name", func(o *Options) { o.Peers[0].Name = "" }, []string{"peers[0].name"}},
		{"two of a name", func(o *Options) { o.Peers = append(o.Peers, o.Peers[0]) }, []string{"peers[1].name", "used twice"}},
		{"two of an address", func(o *Options) {
			o.Peers = append(o.Peers, Peer{Name: "pbx", Addresses: []string{"192.0.2.1", "127.9.9.9/8"}})
		}, []string{"peers[1].addresses[1] is 127.9.9.9/8, which peers[0] (this-machine) lists already, so pbx would never be taken", "at one of the two"}},
		{"peer without address", func(o *Options) { o.Peers[0].Addresses = nil }, []string{"peers[0].addresses is empty"}},
		{"peer by name", func(o *Options) { o.Peers[0].Addresses = []string{"pbx"} }, []string{`"pbx"`, "192.0.2.0/24"}},
		{"peer transport", func(o *Options) { o.Peers[0].Transports = []string{"ws"} }, []string{`transports has "ws"`}},
		{"digest without realm and users", func(o *Options) { o.Peers[0].Identity = "digest" }, []string{"digest.realm is empty, but peers[0] (this-machine)", "digest.users_file is empty"}},
		{"certificate without TLS", func(o *Options) { o.Peers[0].Identity = "certificate" }, []string{"peers[0].identity is certificate, which only TLS shows"}},
		{"digest realm", func(o *Options) { o.Digest.Realm = "a:b" }, []string{`digest.realm "a:b" is none`}},
		{"digest algorithms", func(o *Options) { o.Digest.Algorithms = []string{"MD5", "SHA-256"} }, []string{"digest.algorithms has SHA-256 behind"}},
		{"digest users", func(o *Options) {
			o.Peers[0].Identity, o.Digest.Realm, o.Digest.UsersFile = "digest", realm, "/"
		}, []string{"digest.users_file: /: This is no file"}},
		{"identity", func(o *Options) { o.Peers[0].Identity = "rpid" }, []string{`is "rpid"`, "header NAME"}},
		{"header without name", func(o *Options) { o.Peers[0].Identity = "header " }, []string{"header NAME"}},
		{"rtp source", func(o *Options) { o.Peers[0].RTPSource = "all" }, []string{"peers[0].rtp_source is \"all\"", `"any"`}},
		{"rtp", func(o *Options) { o.Peers[0].RTP = "rare" }, []string{"peers[0].rtp", `"sparse"`}},
		{"codecs", func(o *Options) { o.Peers[0].Codecs = []string{"PCMA", "opus"} }, []string{"peers[0].codecs", "\"opus\"", "g722, pcmu and pcma"}},
		{"a codec twice", func(o *Options) { o.Peers[0].Codecs = []string{"PCMA", "pcma"} }, []string{"peers[0].codecs", "at most once"}},
		{"inband", func(o *Options) { o.Peers[0].Inband = "sometimes" }, []string{"peers[0].inband", "auto, never or always"}},
		{"lead", func(o *Options) { o.Lead = 3 * time.Second }, []string{"lead is 3s"}},
		{"lead of a peer", func(o *Options) { o.Peers[0].Lead = time.Millisecond }, []string{"peers[0].lead is 1ms"}},
		{"max calls", func(o *Options) { o.Peers[0].MaxCalls = -1 }, []string{"peers[0].max_calls is -1"}},
		{"T2 under T1", func(o *Options) { o.T2 = time.Millisecond }, []string{"t2 is 1ms; set it between 500ms and 30s"}},
		{"session expires", func(o *Options) { o.SessionExpires = time.Minute }, []string{"session_expires is 1m0s; set it between 1m30s and 24h"}},
		{"options after", func(o *Options) { o.OptionsAfter = 0 }, []string{"options_after is 0s; set it between 1s and 1h"}},
		{"calls", func(o *Options) { o.Limits.Calls = 0 }, []string{"limits.calls is 0"}},
		{"wait", func(o *Options) { o.Limits.Wait = time.Millisecond }, []string{"limits.wait is 1ms; set it between 5ms and 1s, or to 0s"}},
		{"unacknowledged", func(o *Options) { o.Limits.Unacknowledged = 0 }, []string{"limits.unacknowledged is 0; set it between 1 and 100000"}},
		{"symmetric", func(o *Options) { o.Peers[0].Symmetric = "yes" }, []string{"peers[0].symmetric is \"yes\"", `"never"`}},
		{"message size", func(o *Options) { o.Limits.MessageSize = 65536 }, []string{"limits.message_size is 65536"}},
		{"everything at once", func(o *Options) { o.DSCP, o.Lead = -1, 0 }, []string{"dscp is -1", "lead is 0s"}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			o := DefaultOptions()
			row.spil(&o)
			err := o.Validate()
			require.Error(t, err)
			for _, s := range row.says {
				require.ErrorContains(t, err, s)
			}
			_, err = New(o, Deps{})
			require.Error(t, err)
		})
	}
}

func TestOptionsAreYAML(t *testing.T) {
	o := DefaultOptions()
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(`
listen: [{network: udp, address: "0.0.0.0:5060", advertise: 203.0.113.5}]
local_networks: [10.0.0.0/8]
peers:
  - {name: pbx, addresses: [10.0.0.5], transports: [tcp], identity: header X-Ext, lead: 400ms, max_calls: 30, rtp_source: any, symmetric: always, rtp: steady, inband: auto}
t1: 250ms
limits: {calls: 50, message_size: 8192, rate: 100, burst: 200, connections: 8, unacknowledged: 9, wait: 50ms}
`), &o, yaml.Strict()))
	require.NoError(t, o.Validate())
	require.Equal(t, 250*time.Millisecond, o.T1)
	require.Equal(t, 24, o.DSCP, "what is left out keeps its default")
	p, err := newPeers(o, nil)
	require.NoError(t, err)
	require.Equal(t, 400*time.Millisecond, p.all[0].lead)
}

func TestABucketHoldsABurstAndRefills(t *testing.T) {
	b := newBuckets(10, 3)
	at, a := time.Unix(0, 0), mustAddr("192.0.2.1")
	for range 3 {
		require.True(t, b.take(a, 1, at))
	}
	require.False(t, b.take(a, 1, at))
	require.False(t, b.take(a, 1, at.Add(90*time.Millisecond)))
	require.True(t, b.take(a, 1, at.Add(200*time.Millisecond)))
	require.True(t, b.take(a, 1, at.Add(200*time.Millisecond)))
	require.False(t, b.take(a, 1, at.Add(200*time.Millisecond)))
	require.True(t, b.take(a, 1, at.Add(time.Hour)))
	require.True(t, b.take(a, 1, at.Add(time.Hour)))
	require.True(t, b.take(a, 1, at.Add(time.Hour)))
	require.False(t, b.take(a, 1, at.Add(time.Hour)), "never more than the burst")
}

func TestABucketThatNobodyTookFromHoldsNothing(t *testing.T) {
	b := newBuckets(10, 3)
	key := b.keyOf(mustAddr("192.0.2.1"))
	b.give(key)
	require.Empty(t, b.slots)
	require.True(t, b.takeKey(key, 3, time.Now()))
	require.Len(t, b.slots, bucketSlots)
}
