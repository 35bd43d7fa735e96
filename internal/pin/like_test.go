package pin

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Neighbours are those, and only those, beside which the rule refuses a code.
func TestNeighboursAreWhatTheRuleMeans(t *testing.T) {
	var texts [][]byte
	var codes []PIN
	for size := 1; size <= 3; size++ {
		for n := range []int{0, 10, 100, 1000}[size] {
			texts = append(texts, fmt.Appendf(nil, "%0*d", size, n))
			code, err := Parse(texts[len(texts)-1])
			require.NoError(t, err)
			codes = append(codes, code)
		}
	}
	for i := range codes {
		near := map[PIN]bool{}
		for _, n := range codes[i].Neighbours() {
			near[n] = true
		}
		for j := range codes {
			if isNear(texts[i], texts[j]) != near[codes[j]] {
				require.Failf(t, "neighbours", "%s beside %s", texts[i], texts[j])
			}
		}
	}
	require.Empty(t, new(PIN).Neighbours())
}

func TestReversed(t *testing.T) {
	for code, back := range map[string]string{"": "", "7": "7", "0482915": "5192840"} {
		p, err := Parse(code)
		require.NoError(t, err)
		want, err := Parse(back)
		require.NoError(t, err)
		got := p.Reversed()
		require.True(t, got.Equal(&want), code)
	}
}
