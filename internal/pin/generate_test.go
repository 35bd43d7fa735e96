package pin

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestGeneratedCodesPass(t *testing.T) {
	c := Context{Extension: "435", Current: parse(t, "606172")}
	for _, name := range Presets() {
		p := preset(t, name)
		for range 500 {
			code, err := Generate(p, c, rand.Reader)
			require.NoError(t, err)
			require.Equal(t, Pass, p.Check(code, c))
			require.Equal(t, max(6, p.MinLen), code.Len())
		}
	}
}

func TestGenerateKeepsThePresetsRulesAtEveryLength(t *testing.T) {
	c := Context{Extension: "435", Numbers: []string{"12015550143"}, Names: []string{"Ann Example"}, Current: parse(t, "606172")}
	for _, name := range Presets() {
		for size := 4; size <= MaxDigits; size++ {
			p := preset(t, name)
			p.MinLen, p.MaxLen = size, size
			code, err := Generate(p, c, rand.Reader)
			require.NoError(t, err, "%s, %d digits", name, size)
			require.Equal(t, size, code.Len())
			require.Empty(t, p.Broken(code, c))
		}
	}
}

func TestGenerateTakesTheNearestLegalLength(t *testing.T) {
	for want, p := range map[int]Policy{6: {}, 8: {MinLen: 8}, 4: {MaxLen: 4}, 30: {MinLen: 30}} {
		code, err := Generate(p, Context{}, rand.Reader)
		require.NoError(t, err)
		require.Equal(t, want, code.Len())
	}
}

// Where no code of a length passes, one of the next length does.
func TestGenerateGoesToTheNextLength(t *testing.T) {
	var every strings.Builder
	for n := range 1_000_000 {
		fmt.Fprintf(&every, "%06d\n", n)
	}
	list, err := ReadList(strings.NewReader(every.String()))
	require.NoError(t, err)
	for name, row := range map[string]struct {
		policy Policy
		want   int // 0: there is none
	}{
		"as many different digits":      {Policy{MinDistinct: 7, MaxLen: 10}, 7},
		"all ten digits":                {Policy{MinDistinct: 10}, 10},
		"six digits are listed":         {Policy{Listed: list, MinLen: 4, MaxLen: 10}, 7},
		"six are the most":              {Policy{Listed: list, MinLen: 4, MaxLen: 6}, 5},
		"six alone":                     {Policy{Listed: list, MinLen: 6, MaxLen: 6}, 0},
		"the least is more than a code": {Policy{MinLen: MaxDigits + 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			code, err := Generate(row.policy, Context{}, rand.Reader)
			if row.want == 0 {
				require.ErrorIs(t, err, ErrNoCode)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, code.Len())
			require.Equal(t, Pass, row.policy.Check(code, Context{}))
		})
	}
}

// Two-digit codes without doubles or neighbours: 72 remain, each equally likely.
// 2000 draws a code make a deviation of 7 standard deviations impossible in practice.
func TestGenerateIsUniform(t *testing.T) {
	p := Policy{MinLen: 2, MaxLen: 2, MaxSameRun: 1, MaxSequence: 1}
	var seed [32]byte
	copy(seed[:], "uniform")
	source := mrand.NewChaCha8(seed)
	const codes, each = 72, 2000
	seen := map[string]int{}
	for range codes * each {
		code, err := Generate(p, Context{}, source)
		require.NoError(t, err)
		seen[reveal(code)]++
	}
	require.Len(t, seen, codes)
	for code, n := range seen {
		require.InDelta(t, each, n, 315, code)
	}
}

func TestGenerateThrowsAwayBytesThatWouldFavourLowDigits(t *testing.T) {
	in := append(bytes.Repeat([]byte{250, 255, 253}, 21), 0)
	in = append(in, 1, 12, 23, 234, 245)
	in = append(in, bytes.Repeat([]byte{9}, 58+64)...)
	code, err := Generate(Policy{}, Context{}, bytes.NewReader(in))
	require.NoError(t, err)
	require.Equal(t, "012345", reveal(code))
}

func TestGenerateFails(t *testing.T) {
	_, err := Generate(Policy{MinLen: 8, MaxLen: 6}, Context{}, rand.Reader)
	require.ErrorIs(t, err, ErrNoCode, "contradicting lengths")

	_, err = Generate(Policy{MinLen: 11, MaxSequence: 1, MaxSameRun: 1, Current: true}, Context{}, zeros{})
	require.ErrorIs(t, err, ErrNoCode, "a source that never yields a legal code must not hang the call")

	broken := errors.New("no entropy")
	_, err = Generate(Policy{}, Context{}, iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)

	_, err = Generate(Policy{}, Context{}, bytes.NewReader([]byte{1, 2, 3}))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
