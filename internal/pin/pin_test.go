package pin

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, s string) PIN {
	t.Helper()
	p, err := Parse(s)
	require.NoError(t, err)
	return p
}

func reveal(p PIN) (s string) {
	p.Reveal(func(d []byte) { s = string(d) })
	return s
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"a letter":        {"48a915", ErrNotDigits},
		"a star":          {"4829*5", ErrNotDigits},
		"a space":         {"482 915", ErrNotDigits},
		"a line end":      {"482915\n", ErrNotDigits},
		"a foreign digit": {"48٢", ErrNotDigits},
		"31 digits":       {strings.Repeat("7", 31), ErrTooLong},
		"before the 0":    {"/", ErrNotDigits},
		"after the 9":     {":", ErrNotDigits},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(c.in)
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), c.in)
			require.True(t, p.Empty())
		})
	}
}

func TestPushLeavesTheEntryAloneWhenItFails(t *testing.T) {
	p := parse(t, "4829")
	require.ErrorIs(t, p.Push('*'), ErrNotDigits)
	require.Equal(t, "4829", reveal(p))
	full := parse(t, strings.Repeat("5", MaxDigits))
	require.ErrorIs(t, full.Push('1'), ErrTooLong)
	require.Equal(t, strings.Repeat("5", MaxDigits), reveal(full))
}

func TestEqual(t *testing.T) {
	a, b, c, d, zero := parse(t, "482915"), parse(t, "482915"), parse(t, "482916"), parse(t, "4829150"), PIN{}
	require.True(t, a.Equal(&b))
	require.False(t, a.Equal(&c), "last digit differs")
	require.False(t, a.Equal(&d), "one digit longer")
	require.False(t, a.Equal(&zero))
	require.True(t, zero.Equal(&PIN{}))
}

func TestWipeLeavesTheZeroValue(t *testing.T) {
	p := parse(t, "482915")
	p.Wipe()
	require.True(t, p.Empty())
	require.Equal(t, 0, p.Len())
	require.Equal(t, PIN{}, p)
}

func TestRevealWipesItsCopy(t *testing.T) {
	p := parse(t, "482915")
	var kept []byte
	p.Reveal(func(d []byte) { kept = d })
	require.Equal(t, make([]byte, 6), kept)

	require.Panics(t, func() { p.Reveal(func(d []byte) { kept = d; panic("in use") }) })
	require.Equal(t, make([]byte, 6), kept, "after a panic too")
	require.Equal(t, "482915", reveal(p), "the code itself stays")
}
