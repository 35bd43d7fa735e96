package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Where hardly a code is left that the mailbox has not had, none is made rather than one
// that the rules refuse.
func TestACodeThatTheRulesRefuseIsNotGenerated(t *testing.T) {
	c := config.Default()
	c.Store = rehearsed()
	s, err := OpenWith(t.Context(), c, t.TempDir(), Seams{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	s.remember(10)
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "0"), "test")
	require.NoError(t, err)
	rules := pin.Policy{MinLen: 1, MaxLen: 1, Current: true, History: 10}
	code, err := s.Generate(t.Context(), a, rules)
	require.NoError(t, err)
	broken, err := s.Judge(t.Context(), a, code, rules)
	require.NoError(t, err)
	require.Equal(t, pin.Pass, broken)
	for _, had := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		require.NoError(t, s.SetCode(t.Context(), a, digits(t, had), false, "test", ""))
	}
	code, err = s.Generate(t.Context(), a, rules)
	require.ErrorIs(t, err, pin.ErrNoCode)
	require.True(t, code.Empty())
}
