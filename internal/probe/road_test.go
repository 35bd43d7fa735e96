package probe

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/codec"
	"star97/internal/prompt"
	"star97/prompts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sentence is one of ours.
type sentence struct {
	pcm   []int16
	words []string
}

// spoken are our sentences by language.
var spoken = sync.OnceValue(func() map[string]map[prompt.ID]sentence {
	cat, _ := prompt.Load(prompts.FS)
	all := map[string]map[prompt.ID]sentence{}
	for _, lang := range cat.Languages() {
		all[lang] = map[prompt.ID]sentence{}
		for _, id := range cat.IDs(lang) {
			if a, ok := cat.Audio(lang, prompt.ID(lang)+"/"+id, prompt.Words{}); ok {
				all[lang][id] = sentence{a.PCM8k(), strings.Fields(a.Text())}
			}
		}
	}
	return all
})

// sharesWords tells whether two sentences have three words in a row in common, which
// is a second of the same sound.
func (s sentence) sharesWords(with sentence) bool {
	for i := 3; i <= len(s.words); i++ {
		for j := 3; j <= len(with.words); j++ {
			if slices.Equal(s.words[i-3:i], with.words[j-3:j]) {
				return true
			}
		}
	}
	return false
}

func said(t testing.TB, lang string, ids ...prompt.ID) (pcm []int16) {
	for _, id := range ids {
		one := spoken()[lang][id]
		require.NotEmpty(t, one.pcm, "%s/%s", lang, id)
		pcm = append(pcm, one.pcm...)
	}
	return pcm
}

func quiet(samples int) []int16 { return make([]int16, samples) }

// road is what happens to sound on its way.
type road struct {
	laws   []codec.ID
	gain   float64
	snr    float64 // dB of speech over white noise; 0: no noise
	loss   int     // packets of a hundred
	speed  float64 // of the far end's clock
	treble float64 // what is left of a sample in the next one
}

// plain is what a call over one codec does.
var plain = road{laws: []codec.ID{codec.PCMU}, gain: 1, speed: 1}

// rough is any road within what has to be borne.
func rough(rng *rand.Rand) road {
	laws := [][]codec.ID{{codec.PCMU}, {codec.PCMA}, {codec.PCMA, codec.PCMU}, {codec.PCMU, codec.PCMA}}
	return road{
		laws: laws[rng.IntN(len(laws))], gain: 0.3 + 1.2*rng.Float64(), snr: []float64{0, 25, 20, 15, 10}[rng.IntN(5)],
		loss: rng.IntN(6), speed: 1 + 0.001*(2*rng.Float64()-1), treble: 0.5 * rng.Float64(),
	}
}

func (r road) carry(pcm []int16, rng *rand.Rand) []int16 {
	noise := 0.0
	if r.snr > 0 {
		noise = r.gain * rms(pcm) * math.Pow(10, -r.snr/20)
	}
	out := make([]int16, 0, len(pcm))
	last := 0.0
	for i := 0; ; i++ {
		at := float64(i) * r.speed
		k := int(at)
		if k+1 >= len(pcm) {
			break
		}
		v := float64(pcm[k]) + (float64(pcm[k+1])-float64(pcm[k]))*(at-float64(k))
		last = (1-r.treble)*v + r.treble*last
		out = append(out, int16(min(max(r.gain*last+noise*rng.NormFloat64(), math.MinInt16), math.MaxInt16)))
	}
	for _, law := range r.laws {
		out = through(out, law)
	}
	for i := 0; i+160 <= len(out); i += 160 {
		if rng.IntN(100) < r.loss {
			clear(out[i : i+160])
		}
	}
	return out
}

func through(pcm []int16, law codec.ID) []int16 {
	f, _ := codec.ByID(law)
	payload, back := make([]byte, len(pcm)), make([]int16, len(pcm))
	f.Encode(payload, pcm)
	f.Decode(back, payload)
	return back
}

// rms is the level of what sounds.
func rms(pcm []int16) float64 {
	sum, n := 0.0, 1
	for piece := range slices.Chunk(pcm, 160) {
		energy := 0.0
		for _, v := range piece {
			energy += float64(v) * float64(v)
		}
		if energy >= sound*float64(len(piece)) {
			sum += energy
			n += len(piece)
		}
	}
	return math.Sqrt(sum / float64(n))
}
