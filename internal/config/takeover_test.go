package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/uas"
)

func TestATakeoverNamesWhatIsTakenAndWhatWaits(t *testing.T) {
	for name, c := range map[string]struct {
		alter          func(*Config)
		taken, waiting []string
	}{
		"nothing": {func(*Config) {}, nil, nil},
		"peers": {func(c *Config) {
			c.SIP.Peers = []uas.Peer{{Name: "pbx", Addresses: []string{"192.0.2.1"}}}
			c.SIP.Lead = time.Second
		}, []string{"sip.peers", "sip.lead"}, nil},
		"what callers prove themselves by": {func(c *Config) { c.SIP.Digest.Realm, c.SIP.Digest.Algorithms = "r", []string{"MD5"} }, []string{"sip.digest.realm", "sip.digest.algorithms"}, nil},
		"rules":                            {func(c *Config) { c.Policy.MinLen, c.Policy.Preset = 8, "x" }, []string{"policy.preset", "policy.min_length"}, nil},
		"prompts":                          {func(c *Config) { c.Prompts.Folder = "own" }, []string{"prompts.folder"}, nil},
		"the same file of another text": {func(c *Config) {
			c.Plan = dialplan.Default()
			c.Plan.Limits.SilentRounds = 7
		}, []string{"dialplan"}, nil},
		"log":   {func(c *Config) { c.Log = Log{Level: "debug", Format: "json"} }, []string{"log.level"}, []string{"log.format"}},
		"drain": {func(c *Config) { c.Drain = 0 }, []string{"drain"}, nil},
		"all that is bound at the start": {func(c *Config) {
			c.SIP.Listen, c.SIP.Limits.Calls, c.Media.PortMin = nil, 7, 30000
			c.Store.SQLite.Cost.Memory, c.HTTP.Listen, c.Call.PlayOut = 20000, "", 0
			c.Lockout.WaitMax, c.Ledger.MaxSources, c.Audit.Node = time.Minute, 1000, "x"
		}, nil, []string{
			"sip.listen", "sip.limits.calls", "media.port_min", "call.play_out", "store.sqlite.cost.memory",
			"lockout.wait_max", "ledger.max_sources", "audit.node", "http.listen",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before, next := Default(), Default()
			c.alter(&next)
			then, taken, waiting, err := before.Takeover(next)
			require.NoError(t, err)
			require.Equal(t, c.taken, taken)
			require.Equal(t, c.waiting, waiting)
			_, again, still, err := then.Takeover(next)
			require.NoError(t, err)
			require.Empty(t, again, "what is taken is in force")
			require.Equal(t, c.waiting, still, "and nothing else is")
		})
	}
}

// What is bound at the start may not contradict what is taken over later.
func TestATakeoverThatNeedsBothWaitsForARestart(t *testing.T) {
	before, next := Default(), Default()
	next.Plan = dialplan.Default()
	next.Plan.Limits.WrongCodes, next.Lockout.CallTries = 5, 5
	then, _, _, err := before.Takeover(next)
	require.EqualError(t, err, "the dialplan gives a call 5 tries, but the lockout.call_tries in force is 3: restart star97 to take over both")
	require.Equal(t, 3, then.Plan.Limits.WrongCodes)
}
