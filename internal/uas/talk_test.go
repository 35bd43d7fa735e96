package uas

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The media engine believes the host that SIP comes from, and any other one only
// where the peer says so.
func TestTheStreamNamesWhoSignalsIt(t *testing.T) {
	for _, row := range []struct {
		source string
		any    bool
	}{{"", false}, {"signalled", false}, {"any", true}} {
		t.Run(row.source, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].RTPSource = row.source }})
			h.udp(t).dial()
			stream := h.calls.next(t).session.(*spy).last()
			require.Equal(t, mustAddr("127.0.0.1"), stream.Signaller)
			require.Equal(t, row.any, stream.AnyHost)
		})
	}
}
