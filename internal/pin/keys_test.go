package pin

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// A queue does what a slice does, whatever is pushed and taken in which order.
func TestKeysAreAQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 7))
	var k Keys
	var want []byte
	for range 5000 {
		if key := byte(r.IntN(keyCount + 2)); r.IntN(100) < 55 {
			ok := key < keyCount && len(want) < MaxKeys
			if require.Equal(t, ok, k.Push(key)); ok {
				want = append(want, key)
			}
		} else {
			got, ok := k.Take()
			if require.Equal(t, len(want) > 0, ok); ok {
				require.Equal(t, want[0], got)
				want = want[1:]
			}
		}
		require.Equal(t, len(want) == 0, k.Empty())
	}
	require.True(t, k.Push(1) || !k.Empty())
	k.Wipe()
	require.True(t, k.Empty())
	_, ok := k.Take()
	require.False(t, ok)
}

func TestKeysAllocateNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		var k Keys
		for key := range byte(MaxKeys) {
			k.Push(key % 12)
		}
		for !k.Empty() {
			k.Take()
		}
	}))
}

// Package fmt reads an unexported field past every method: the bytes must say
// neither which keys nor how many.
func TestKeysShowNothingOfThemselves(t *testing.T) {
	typed := func(keys string) (k Keys) {
		for _, c := range keys {
			require.True(t, k.Push(byte(c-'0')))
		}
		return k
	}
	digits := regexp.MustCompile(`\b7\D+3\D+9\D+1\D+6\b|739164|\b55\D+51\D+57\b|(?i)37\W*(0x)?93|73\W*(0x)?91`)
	numbers := regexp.MustCompile(`\d+`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%s", "%q"} {
		print := func() string { return fmt.Sprintf(verb, struct{ keys Keys }{typed("739164820517")}) }
		require.False(t, alwaysShows(digits, print), verb)
		if verb == "%d" {
			long := print()
			short := fmt.Sprintf(verb, struct{ keys Keys }{typed("59")})
			require.Len(t, numbers.FindAllString(short, -1), len(numbers.FindAllString(long, -1)))
		}
		require.Equal(t, "[keys]", fmt.Sprintf(verb, typed("739164820517")))
	}
	equal := typed("77777777777777777777777777777777")
	seen := map[byte]int{}
	for _, b := range equal.box {
		seen[b]++
	}
	require.Greater(t, len(seen), 20, "equal keys must not look equal")
}

// Codes and keys of the same block are sealed apart.
func TestAQueueIsNoCode(t *testing.T) {
	var block [blockSize]byte
	block[0] = '4'
	require.NotEqual(t, enclose(codeKind, &block), enclose(keysKind, &block))
}

func BenchmarkKeysPushTake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var k Keys
		k.Push(4)
		k.Take()
	}
}
