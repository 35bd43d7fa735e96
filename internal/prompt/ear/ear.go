// Package ear tells which sentence is being heard, from received telephone audio
// alone. It knows recordings, not words: what it hears must be the master itself
// through a telephone codec, at any level, with packets missing, from any point on.
// It does not resample, does not line up packets and judges no quality.
//
// The race detector leaves the innermost loops out: an Ear is read-only, a Listener is
// for one goroutine, and they would take ten times as long.
//
// A codec keeps the sign of every sample that is not close to zero. So the signs of
// the 64 samples after an upward zero crossing are a key: each Ear has a table of
// them, and a key found there proposes a sentence and its start. A proposal is then
// followed frame by frame by correlation, sample by sample, until it alone is left.
package ear

import (
	"cmp"
	"slices"

	"star97/internal/prompt"
)

const (
	keyLen   = 64               // samples in a key: 8 ms
	frameLen = prompt.Rate / 50 // samples judged at a time: 20 ms
	loudMean = 100              // mean magnitude of a key that is worth looking up
	headBits = 16               // of a key, that find looks up at once
	maxSame  = 32               // masters that one key can propose
	loudRMS  = 150.0            // of a frame that can match or miss: -47 dBov
	loud     = frameLen * loudRMS * loudRMS
)

// Ear holds the keys of a set of masters. It is read-only: any number of Listeners
// may use it at once.
type Ear struct {
	masters []master
	keys    []place                // sorted by key
	first   [1<<headBits + 1]int32 // where keys with these top bits begin
}

type master struct {
	id   prompt.ID
	pcm  []int16
	end  int // sample after the last loud frame
	twin int // the first master with the same samples, itself if there is none
}

// place is where a key stands in a master.
type place struct {
	key    uint64
	master int32
	at     int32
}

// New makes an Ear for masters of 16-bit PCM at prompt.Rate, as Audio.PCM8k gives
// them. The samples are kept, not copied.
func New(masters map[prompt.ID][]int16) *Ear {
	e := &Ear{}
	ids := make([]prompt.ID, 0, len(masters))
	for id := range masters {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for i, id := range ids {
		pcm := masters[id]
		m := master{id: id, pcm: pcm, end: lastLoud(pcm), twin: i}
		m.twin = slices.IndexFunc(ids, func(other prompt.ID) bool { return slices.Equal(masters[other], pcm) })
		e.masters = append(e.masters, m)
		scan(pcm, 1, m.end-keyLen, func(at int, key uint64) {
			e.keys = append(e.keys, place{key: key, master: int32(i), at: int32(at)})
		})
	}
	slices.SortFunc(e.keys, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.master, b.master), cmp.Compare(a.at, b.at))
	})
	head := 0
	for i, p := range e.keys {
		for ; head <= int(p.key>>(keyLen-headBits)); head++ {
			e.first[head] = int32(i)
		}
	}
	for ; head < len(e.first); head++ {
		e.first[head] = int32(len(e.keys))
	}
	return e
}

// Of makes an Ear for every sentence of a language, and of others: theirs are named
// by qualified ids, TAG/id.
func Of(c *prompt.Catalogue, language string, others ...string) *Ear {
	masters := map[prompt.ID][]int16{}
	for _, id := range c.IDs(language) {
		if a, ok := c.Audio(language, id, prompt.Words{}); ok {
			masters[id] = a.PCM8k()
		}
	}
	for _, tag := range others {
		for _, id := range c.IDs(tag) {
			qualified := prompt.ID(tag) + "/" + id
			if a, ok := c.Audio(language, qualified, prompt.Words{}); ok {
				masters[qualified] = a.PCM8k()
			}
		}
	}
	return New(masters)
}

// find returns the places of a key, at most maxSame.
//
//go:norace
func (e *Ear) find(key uint64) []place {
	head := key >> (keyLen - headBits)
	keys := e.keys[e.first[head]:e.first[head+1]]
	i, found := slices.BinarySearchFunc(keys, key, func(p place, k uint64) int { return cmp.Compare(p.key, k) })
	if !found {
		return nil
	}
	n := i
	for n < len(keys) && n-i < maxSame && keys[n].key == key {
		n++
	}
	return keys[i:n]
}

// scan calls use for every upward zero crossing of pcm in [from, to] whose key is
// loud enough. from is at least 1.
//
//go:norace
func scan(pcm []int16, from, to int, use func(at int, key uint64)) {
	for i := from; i <= to; i++ {
		if pcm[i-1] >= 0 || pcm[i] < 0 {
			continue
		}
		var key uint64
		sum := 0
		for k, v := range pcm[i : i+keyLen] {
			if v >= 0 {
				key |= 1 << k
				sum += int(v)
			} else {
				sum -= int(v)
			}
		}
		if sum >= keyLen*loudMean {
			use(i, key)
		}
	}
}

// lastLoud is the sample after the last sound that can match: twice as loud as it has
// to be, since a Listener's frames may cut it in two.
func lastLoud(pcm []int16) int {
	for end := len(pcm); end >= frameLen; end -= frameLen / 4 {
		if energy(pcm[end-frameLen:end]) >= 2*loud {
			return end
		}
	}
	return len(pcm)
}

// energy is the sum of the squares.
//
//go:norace
func energy(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum
}
