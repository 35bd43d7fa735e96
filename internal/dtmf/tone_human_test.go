package dtmf

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
)

// voices are folders of what people said, with the Debian package that has it. The copyright
// file of each says who speaks; nothing of them is kept here.
var voices = []struct{ folder, pack string }{
	{"en_US_f_Allison", "asterisk-core-sounds-en-wav"},
	{"es_MX_f_Allison", "asterisk-core-sounds-es-wav"},
	{"fr_CA_f_June", "asterisk-core-sounds-fr-wav"},
	{"it_IT_m_Carlo", "asterisk-core-sounds-it-wav"},
	{"it_IT_f_Menardi", "asterisk-prompt-it-menardi-wav"},
	{"ru_RU_f_IvrvoiceRU", "asterisk-core-sounds-ru-wav"},
}

// recorded is all that a person said, at 8000 Hz; empty if its package is missing.
func recorded(t *testing.T, folder string) (out []int16) {
	root := filepath.Join("/usr/share/asterisk/sounds", folder)
	if _, err := os.Stat(root); err != nil {
		return nil
	}
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wav" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rate, pcm, err := prompt.ReadWAV(data, nil)
		if err != nil {
			return err
		}
		require.Equal(t, toneRate, rate, path)
		out = append(out, pcm...)
		return nil
	}))
	return out
}

// What people say is no key: six recordings of five speakers, as they are, in mu-law, in
// A-law, and slower and faster.
func TestHumanVoicesAreNoKeys(t *testing.T) {
	if !long() {
		t.Skip("STAR97_LONG=1 plays hours of recorded speech")
	}
	var missing []string
	var plain, other float64 // hours
	hits, anchors := 0, 0
	for _, v := range voices {
		said := recorded(t, v.folder)
		if len(said) == 0 {
			missing = append(missing, v.pack)
			continue
		}
		takes := [][]int16{said, coded(codec.PCMU, said), coded(codec.PCMA, said)}
		for _, speed := range []float64{0.7, 0.8, 0.9, 1.1, 1.25, 1.4} {
			takes = append(takes, faster(said, speed))
		}
		plain += hours(said)
		mine := 0
		for n, pcm := range takes {
			got := len(downsOf(listen(new(ours), pcm, nil)))
			t.Logf("%-20s take %d: %.2f hours, %d hits", v.folder, n, hours(pcm), got)
			mine += got
			if n > 0 {
				other += hours(pcm)
			}
			anchors += len(downsOf(listen(new(anchored), pcm, nil)))
		}
		hits += mine
	}
	if plain == 0 {
		t.Skipf("no recordings of people are here: apt-get install %s", strings.Join(missing, " "))
	}
	t.Logf("%.2f hours of people's speech, and %.2f hours of it in G.711 and at other speeds: %d hits, the anchor has %d; missing: %v", plain, other, hits, anchors, missing)
	require.Zero(t, hits)
}

func hours(pcm []int16) float64 { return float64(len(pcm)) / toneRate / 3600 }
