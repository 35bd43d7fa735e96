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
