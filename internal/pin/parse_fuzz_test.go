package pin

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Parse accepts exactly 0 to 30 ASCII digits, gives them back unchanged, says the
// same of a string and of bytes and of digits pushed one by one, and no error quotes the input.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "0", "482915", "00000", strings.Repeat("9", 30), strings.Repeat("9", 31), "48 29", "４８", "4829#", "\x00", "12345a"} {
		f.Add(s)
	}
	digits := regexp.MustCompile(`\A[0-9]{0,30}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		q, err2 := Parse([]byte(s))
		require.Equal(t, err, err2)
		require.True(t, p.Equal(&q))
		if !digits.MatchString(s) {
			require.Error(t, err)
			require.True(t, p.Empty())
			if len(s) > 3 {
				require.NotContains(t, err.Error(), s)
			}
			return
		}
		require.NoError(t, err)
		require.Equal(t, s, reveal(p))
		require.Equal(t, len(s), p.Len())
		require.Equal(t, s == "", p.Empty())

		var pushed PIN
		for i := range len(s) {
			require.NoError(t, pushed.Push(s[i]))
		}
		require.Equal(t, p, pushed)
	})
}
