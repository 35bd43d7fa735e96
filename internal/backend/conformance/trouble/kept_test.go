package trouble

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsKeptShowsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := Kept[string]{Last: "a"}
		require.Equal(t, "a", *k.Shown())
		k.Set("b", time.Second)
		require.Equal(t, "a", *k.Shown())
		require.Equal(t, "b", k.Last)
		k.Set("c", time.Second)
		require.Equal(t, "a", *k.Shown(), "b never showed")
		time.Sleep(time.Second)
		require.Equal(t, "c", *k.Shown())
		var o Orders
		o.Give("write", Order{Kind: Late, Delay: time.Minute})
		o.Take("write")
		require.Equal(t, time.Minute, o.Lateness("write"))
		require.Zero(t, o.Lateness("write"), "once")
	})
}

func TestTrivial(t *testing.T) {
	numbers, names := []string{"4350", "8712", ""}, []string{"Mary-Ann", "Poe", ""}
	for _, c := range []string{"482915", "739164", "60617238", "123497", "912345", "1235123", "567890", "112233", "48291537"} {
		require.False(t, Trivial([]byte(c), numbers, names), c)
	}
	for why, codes := range map[string][]string{
		"a digit three times in a row": {"111112", "111111", "228883"},
		"a repeated group":             {"121212", "408408", "13571357"},
		"two different digits":         {"121221", "558855"},
		"a run":                        {"123456", "987654", "0123456789"},
		"lines of keys":                {"147258", "159753", "258369", "789456", "2580852"},
		"an own number":                {"143509", "905349", "871234", "921780"},
		"a name":                       {"6279266"},
	} {
		for _, c := range codes {
			require.True(t, Trivial([]byte(c), numbers, names), "%s: %s", why, c)
		}
	}
}
