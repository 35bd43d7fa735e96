package ear

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
)

// A wideband call hears the same recordings, down-sampled: a spread of those, and all that
// go on in the same breath.
func TestSentencesAreNamedInAWidebandCall(t *testing.T) {
	t.Parallel()
	h := house()
	f, _ := codec.ByID(codec.G722)
	for n, id := range h.ids {
		if n%32 != 0 && !strings.Contains(string(id), "-long") {
			continue
		}
		a, _ := catalogue().Audio("en-US", id, prompt.Words{})
		payload := a.Payload(codec.G722)
		pcm := make([]int16, 2*len(payload))
		f.Decode(pcm, payload)
		got := listen(h.Ear, line(quiet(333), prompt.Narrow(pcm, prompt.WideRate)))
		require.Len(t, got, 2, "%s: %v", id, got)
		require.Equal(t, id, got[0].ID)
		require.True(t, got[1].Complete, "%s: %v", id, got)
	}
}
