package pin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestASitesOwnList(t *testing.T) {
	l, err := ReadList(strings.NewReader("\ufeff# ours\r\n482915\r\n\n  7391 \n4829150\n482915"))
	require.NoError(t, err)
	require.Equal(t, 4, l.Len())
	p := Policy{Listed: l}
	for code, want := range map[string]Rule{
		"482915": Blocklisted, "7391": Blocklisted, "4829150": Blocklisted, "482916": Pass, "739": Pass, "": Pass, "48291500": Pass,
	} {
		require.Equal(t, want, p.Check(parse(t, code), Context{}), code)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Check(parse(t, "482916"), Context{}) }))

	again, err := ReadList(strings.NewReader("7391"))
	require.NoError(t, err)
	require.Regexp(t, `^4 codes, sha256 [0-9a-f]{8}$`, l.String())
	require.NotEqual(t, l.String(), again.String())
	require.Contains(t, fmt.Sprintf("%+v", p), l.String(), "a policy names its list")
	require.NotContains(t, fmt.Sprintf("%+v", p), "482915")
}

func TestBrokenListsAreToldByTheirLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a letter":       {"482915\n48291a\n", "line 2 holds something else than digits"},
		"two in a line":  {"482915 739164\n", "line 1 holds something else"},
		"a comma":        {"\n\n482915,3\n", "line 3 holds"},
		"too long":       {strings.Repeat("7", 31), "line 1 has more than 30 digits"},
		"a long line":    {"1234\n" + strings.Repeat("7", 300), "line 2 has more than 256 bytes"},
		"no text at all": {"482915\n\x00\n", "line 2 holds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadList(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.want)
			require.NotRegexp(t, "48291|739164|7777", err.Error())
		})
	}
	broken := errors.New("disk")
	_, err := ReadList(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)

	_, err = ReadList(strings.NewReader(strings.Repeat("4829\n", maxListed+1)))
	require.ErrorContains(t, err, fmt.Sprintf("at most %d codes", maxListed))
}

// A list that is read refuses each of its lines and no other code; one that is not
// read is told by a line that it has.
func FuzzReadList(f *testing.F) {
	for _, s := range []string{"", "482915\n", "# a\n\n1\r\n22 \n", "48a\n", strings.Repeat("7", 31), "\ufeff4829", "4829\n# 606172\n\x00"} {
		f.Add(s, "606172")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		lines := strings.Split(text, "\n")
		l, err := ReadList(strings.NewReader(text))
		if err != nil {
			var at int
			_, scanned := fmt.Sscanf(err.Error(), "line %d ", &at)
			require.NoError(t, scanned, err)
			require.LessOrEqual(t, at, len(lines))
			return
		}
		listed := map[string]bool{}
		for _, line := range lines {
			line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
			if line != "" && line[0] != '#' {
				listed[line] = true
				require.Equal(t, Blocklisted, Policy{Listed: l}.Check(parse(t, line), Context{}))
			}
		}
		if code, err := Parse(other); err == nil {
			require.Equal(t, listed[other] && other != "", Policy{Listed: l}.Check(code, Context{}) == Blocklisted)
		}
	})
}
