package notify

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// The page shows all that is sent, and names every kind.
func TestThePageTellsWhatIsSent(t *testing.T) {
	data, err := os.ReadFile("README.md")
	require.NoError(t, err)
	page := string(data)
	for kind := range uses {
		if kind != digest && kind != oneTime {
			require.Contains(t, page, "| `"+string(kind)+"` |")
		}
	}
	for _, claim := range []mailbox.Claim{mailbox.ByCode, mailbox.ByOneTime, mailbox.ByFirstUse} {
		require.Contains(t, page, "`"+claim.String()+"`")
	}
	var shown []map[string]any
	for _, example := range regexp.MustCompile(`(?m)^    \{(?:.|\n     )*\}$`).FindAllString(page, -1) {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(example, "\n", "")), &e), example)
		shown = append(shown, e)
	}
	require.Len(t, shown, 2)
	at := time.Now()
	full, err := json.Marshal(event{Until: &at, Claim: new(mailbox.Claim), Peer: "x", Source: "x", Actor: "x"})
	require.NoError(t, err)
	var sent map[string]any
	require.NoError(t, json.Unmarshal(full, &sent))
	for name := range sent {
		_, there := shown[0][name]
		require.True(t, there || strings.Contains(page, "`"+name+"`"), name)
	}
	for name := range shown[0] {
		require.Contains(t, sent, name)
	}
	full, err = json.Marshal(errand{Name: "x", Language: "x", Mail: "x", Numbers: []string{"1"}})
	require.NoError(t, err)
	sent = map[string]any{"code": true}
	require.NoError(t, json.Unmarshal(full, &sent))
	require.Len(t, shown[1], len(sent))
	for name := range sent {
		require.Contains(t, shown[1], name)
	}
}
