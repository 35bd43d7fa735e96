package audit

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// The trail has who called, also where the caller withholds it; the owner is not told.
func TestTheOwnerIsNotToldACallerWhoWithholdsTheNumber(t *testing.T) {
	for rule, row := range map[string]struct {
		at          mailbox.Attempt
		kept, shown string
	}{
		"shown":                {mailbox.Attempt{Source: "192.0.2.7", Caller: "4001"}, "192.0.2.7 4001", "192.0.2.7 4001"},
		"withheld":             {mailbox.Attempt{Source: "192.0.2.7", Caller: "4001", Withheld: true}, "192.0.2.7 4001 (withheld)", "192.0.2.7"},
		"withheld from nobody": {mailbox.Attempt{Source: "192.0.2.7", Withheld: true}, "192.0.2.7", "192.0.2.7"},
		"a long one":           {mailbox.Attempt{Source: "2001:db8:1234:5678:9abc:def0:255.255.255.255", Caller: strings.Repeat("9", 64), Withheld: true}, "2001:db8:1234:5678:9abc:def0:255.255.255.255 " + strings.Repeat("9", 64) + " (withheld)", "2001:db8:1234:5678:9abc:def0:255.255.255.255"},
	} {
		t.Run(rule, func(t *testing.T) {
			r := about(Change, mailbox.Account{}, row.at).Clean()
			require.Equal(t, row.kept, r.Source)
			require.Equal(t, row.shown, r.SourceForOwner())
		})
	}
}
