package dtmf

import (
	"io/fs"
	"math"
	"sync"

	"star97/internal/prompt"
	"star97/prompts"
)

// english are our prompts in English: 7 minutes of speech.
var english = sync.OnceValues(func() ([]int16, error) { return speech("en-US") })

// speech is all that is said in a language, at 8000 Hz.
func speech(language string) (out []int16, err error) {
	files, err := fs.Glob(prompts.FS, language+"/*.wav")
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		data, err := fs.ReadFile(prompts.FS, path)
		if err != nil {
			return nil, err
		}
		rate, pcm, err := prompt.ReadWAV(data, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, faster(pcm, float64(rate)/toneRate)...)
	}
	return out, nil
}

// faster resamples by a step of input samples for each of the output: the pitch rises
// with the speed.
func faster(pcm []int16, step float64) []int16 {
	const reach = 12
	cut := min(1, 1/step)
	const phases = 64
	var table [phases + 1][2 * reach]float64
	for p := range table {
		var sum float64
		for k := range table[p] {
			x := float64(k-reach+1) - float64(p)/phases
			w := cut
			if x != 0 {
				w = math.Sin(math.Pi*cut*x) / (math.Pi * x)
			}
			table[p][k] = w * (0.5 + 0.5*math.Cos(math.Pi*x/(reach+1)))
			sum += table[p][k]
		}
		for k := range table[p] {
			table[p][k] /= sum
		}
	}
	out := make([]int16, 0, int(float64(len(pcm))/step))
	for at := float64(reach); at < float64(len(pcm)-reach-1); at += step {
		i := int(at)
		taps := &table[int((at-float64(i))*phases+0.5)]
		var v float64
		for k, w := range taps {
			v += w * float64(pcm[i-reach+1+k])
		}
		out = append(out, int16(max(-32768, min(32767, v))))
	}
	return out
}
