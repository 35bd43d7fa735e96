package prompt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
	"star97/prompts"
)

func TestALanguageThatNobodySpeaksIsTheDefaultOne(t *testing.T) {
	c, problems := prompt.Open(prompt.DefaultOptions(), prompts.FS)
	require.Empty(t, problems)
	for asked, spoken := range map[string]string{"": "en-US", "en-US": "en-US", "EN-us": "en-US", "en-ZA": "en-US", "tlh": "en-US", "\x00": "en-US"} {
		require.Equal(t, spoken, c.Spoken(asked), asked)
	}
	for tag, speaks := range map[string]bool{"en-US": true, "EN-ZA": true, "es-MX": true, "tlh": false, "": false, "\x00": false} {
		require.Equal(t, speaks, c.Speaks(tag), tag)
	}
	for _, tag := range c.Languages() {
		require.Equal(t, tag, c.Spoken(tag))
	}
}
