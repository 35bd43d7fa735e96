package probe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func options() Options {
	o := DefaultOptions()
	o.URI, o.Fingerprints = "sip:*98@192.0.2.10:5060", "pilot.json"
	return o
}

func TestOptionsOutOfRangeAreNamed(t *testing.T) {
	t.Parallel()
	require.NoError(t, options().Validate())
	for says, alter := range map[string]func(*Options){
		"key is 39ms":                    func(o *Options) { o.Key = 39 * time.Millisecond },
		"gap is 1.001s":                  func(o *Options) { o.Gap = 1001 * time.Millisecond },
		"quiet is 99ms":                  func(o *Options) { o.Quiet = 99 * time.Millisecond },
		"answer is 999ms":                func(o *Options) { o.Answer = 999 * time.Millisecond },
		"listen is 30.001s":              func(o *Options) { o.Listen = 30001 * time.Millisecond },
		"within is 1.999s":               func(o *Options) { o.Within = 1999 * time.Millisecond },
		"remembers is -1ms":              func(o *Options) { o.Remembers = -time.Millisecond },
		"calls is 65":                    func(o *Options) { o.Calls = 65 },
		"likeness is 69":                 func(o *Options) { o.Likeness = 69 },
		"locks_after is 101":             func(o *Options) { o.LocksAfter = 101 },
		"fingerprints is empty":          func(o *Options) { o.Fingerprints = "" },
		"uri, transport, from or pai: ":  func(o *Options) { o.URI = "*98" },
		`local is "192.0.2.1:5060"`:      func(o *Options) { o.Local = "192.0.2.1:5060" },
		"script has 0 steps":             func(o *Options) { o.Script = nil },
		"script[1].press must hold":      func(o *Options) { o.Script[1].Press = "{extension}#" },
		"script[0].press holds {code}":   func(o *Options) { o.Script[0].Press = "{code}#" },
		"script[0].press holds what is ": func(o *Options) { o.Script[0].Press = "{pin}" },
		`script[0].until is "right"`:     func(o *Options) { o.Script[0].Until = Right },
		"script[0].at_most is 0s":        func(o *Options) { o.Script[0].AtMost = 0 },
		"script[1].wait is 11s":          func(o *Options) { o.Script[1].Wait = 11 * time.Second },
	} {
		o := options()
		alter(&o)
		require.ErrorContains(t, o.Validate(), says)
	}
}

func TestTheMailboxIsFilledIn(t *testing.T) {
	t.Parallel()
	o := options()
	o.URI, o.From, o.PAI = "sip:*98{extension}@{domain}", "{extension}", "sip:{extension}@{domain}"
	require.NoError(t, o.Validate())
	c := o.call("4001", "north.example")
	require.Equal(t, "sip:*984001@north.example", c.URI)
	require.Equal(t, "4001", c.From)
	require.Equal(t, "sip:4001@north.example", c.PAI)
}
