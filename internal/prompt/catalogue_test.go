package prompt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/prompts"
)

func TestShippedPromptsLoad(t *testing.T) {
	cat, problems := Load(prompts.FS)
	require.Empty(t, problems)
	require.Equal(t, []string{"en-US"}, cat.Languages())
	a, ok := cat.Audio("en-US", MainMenu)
	require.True(t, ok)
	require.Len(t, a.Payload(codec.PCMA), len(a.Payload(codec.PCMU)))
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Load(prompts.FS)
	}
}
