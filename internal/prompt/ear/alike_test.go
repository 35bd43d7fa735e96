package ear

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
)

// Many sentences begin with the same words, some of them sample by sample, others a
// little higher. Noise hides the keys of some: who is found first is not named while
// another may be meant. Without noise, a fifth of a second tells most.
func TestNoiseNamesNoneTooSoonOfThoseThatBeginAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lang, begin string
		noise       float64 // 164 is 26 dB under the speech, 328 is 20
	}{
		{"en-US", "^(That code|Many people)", 164},
		{"fr-FR", "^(Veuillez|Vous|Pour les|Malheureusement|Bienvenue)", 164},
		{"fr-FR", "^(Veuillez|Vous|Pour les|Malheureusement|Bienvenue)", 328},
		{"es-ES", "^Vuelva", 0},
	} {
		t.Run(c.lang, func(t *testing.T) {
			t.Parallel()
			e, alike := Of(catalogue(), c.lang), regexp.MustCompile(c.begin)
			rng := rand.New(rand.NewPCG(2, 6))
			heard := 0
			for _, id := range catalogue().IDs(c.lang) {
				a, _ := catalogue().Audio(c.lang, prompt.ID(c.lang)+"/"+id, prompt.Words{})
				if !alike.MatchString(a.Text()) {
					continue
				}
				heard++
				for range 2 {
					noisy := change(line(quiet(500), a.PCM8k()), func(v float64) float64 { return v + c.noise*rng.NormFloat64() })
					got := listen(e, through(noisy, codec.PCMA))
					for _, s := range got {
						if s.ID != "" { // else a part that several share
							require.Equal(t, id, s.ID, "%v", got)
							require.Equal(t, int64(500), s.Start)
						}
					}
					require.Equal(t, id, got[len(got)-1].ID)
				}
			}
			require.Greater(t, heard, 3)
		})
	}
}
