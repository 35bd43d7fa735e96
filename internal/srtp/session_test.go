package srtp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASessionWithoutKeysPassesPacketsOn(t *testing.T) {
	var s Session
	require.Equal(t, packet(1), s.Seal(packet(1)))
	require.Equal(t, packet(1), s.Open(packet(1)))
	require.False(t, s.Proves())
}

// What cannot be protected is not sent in clear.
func TestAKeyThatCannotBeUsedSilencesTheSession(t *testing.T) {
	var s Session
	unusable := Key{suite: numSuites}
	s.Rekey(unusable, unusable)
	require.Nil(t, s.Seal(packet(1)))
	require.Nil(t, s.SealControl(packet(1)))
	require.Nil(t, s.Open(packet(1)))
	require.Nil(t, s.OpenControl(packet(1)))
}

// What the far end has sent before it knew of its new key opens, until that is forgotten.
func TestASessionKnowsTheKeyBefore(t *testing.T) {
	for _, suite := range Suites() {
		ours, first, second := NewKey(suite), NewKey(suite), NewKey(suite)
		under := map[*Key]*Context{}
		for _, k := range []*Key{&first, &second} {
			c, err := NewContext(k)
			require.NoError(t, err)
			under[k] = c
		}
		seq := uint16(0)
		opens := func(s *Session, k *Key) bool {
			seq++
			data, err := under[k].Protect(nil, packet(seq))
			require.NoError(t, err)
			opened := s.Open(data)
			if opened != nil {
				require.Equal(t, packet(seq), opened)
			}
			return opened != nil && s.Open(data) == nil // but once
		}
		var s Session
		s.Rekey(ours, first)
		require.True(t, opens(&s, &first))
		require.False(t, opens(&s, &second))
		s.Rekey(ours, second)
		require.True(t, opens(&s, &second))
		require.True(t, opens(&s, &first))
		require.True(t, opens(&s, &second))
		s.Forget()
		require.False(t, opens(&s, &first))
		require.True(t, opens(&s, &second))

		s.Rekey(ours, Key{}) // plain from now on
		data, err := under[&second].Protect(nil, packet(99))
		require.NoError(t, err)
		require.Equal(t, packet(99), s.Open(data), "not taken for a plain one")
		require.Equal(t, packet(100), s.Open(packet(100)))
	}
}
