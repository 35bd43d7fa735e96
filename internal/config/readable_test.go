package config

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a configuration names and turns out to be wrong when it is used is told with its
// line, as far as the file has one.
func TestAnErrorIsToldWithTheLineOfWhatItIsAbout(t *testing.T) {
	wrong := errors.New("nobody has it")
	require.Equal(t, wrong, Default().At("sip.listen[0]", wrong))
	name := written(t, "drain: 1s\nsip:\n  listen:\n    - {network: udp, address: \"127.0.0.1:0\"}\n    - {network: tcp, address: \"127.0.0.1:0\"}\n")
	c, problems := Load(name)
	require.Empty(t, problems)
	err := c.At("sip.listen[1]", wrong)
	require.EqualError(t, err, name+":5: nobody has it")
	require.ErrorIs(t, err, wrong)
	require.Equal(t, wrong, c.At("http.listen", wrong), "the default one, which no line names")
	require.Equal(t, wrong, c.At("sip.listen[2]", wrong))
}
