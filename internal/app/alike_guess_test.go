package app

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is what an outsider measured of one call, and which of the states it was.
type sample struct {
	label    int
	features []float64
}

// split deals the samples of each label in two halves of one size each.
func split(all []sample, random *rand.Rand) (train, test []sample) {
	all = slices.Clone(all)
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b sample) int { return cmp.Compare(a.label, b.label) })
	for i, s := range all {
		if i%2 == 0 {
			train = append(train, s)
		} else {
			test = append(test, s)
		}
	}
	return train, test
}

// normalized scales every feature by its spread in train; one that never differs is dropped.
func normalized(train, test []sample) (a, b []sample) {
	width := len(train[0].features)
	mean, spread := make([]float64, width), make([]float64, width)
	for f := range width {
		for _, s := range train {
			mean[f] += s.features[f] / float64(len(train))
		}
		for _, s := range train {
			spread[f] += (s.features[f] - mean[f]) * (s.features[f] - mean[f]) / float64(len(train))
		}
		spread[f] = math.Sqrt(spread[f])
	}
	scale := func(from []sample) (to []sample) {
		for _, s := range from {
			n := sample{label: s.label}
			for f := range width {
				if spread[f] > 0 {
					n.features = append(n.features, (s.features[f]-mean[f])/spread[f])
				}
			}
			to = append(to, n)
		}
		return to
	}
	return scale(train), scale(test)
}

// ratios tell of each feature how much it differs between the labels: its variance between
// them over that within, about 1 where it says nothing.
func ratios(all []sample) []float64 {
	found := make([]float64, len(all[0].features))
	for f := range found {
		mean, by, n := 0.0, map[int]float64{}, map[int]float64{}
		for _, s := range all {
			mean += s.features[f] / float64(len(all))
			by[s.label] += s.features[f]
			n[s.label]++
		}
		between, within := 0.0, 0.0
		for l := range by {
			d := by[l]/n[l] - mean
			between += n[l] * d * d / float64(len(by)-1)
		}
		for _, s := range all {
			d := s.features[f] - by[s.label]/n[s.label]
			within += d * d / float64(len(all)-len(by))
		}
		if found[f] = between; within > 0 {
			found[f] = between / within
		}
	}
	return found
}

// telling are the features that differ most between the labels, that one first.
func telling(all []sample, most int) []int {
	found := ratios(all)
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(found[b], found[a]) })
	return order[:min(most, len(order))]
}

// only keeps some features of a sample.
func only(features []int, s sample) sample {
	kept := sample{label: s.label}
	for _, f := range features {
		kept.features = append(kept.features, s.features[f])
	}
	return kept
}

// neighbours guesses the label that most of the k nearest samples have.
func neighbours(train []sample, k int) func(sample) int {
	return func(s sample) int {
		type near struct {
			distance float64
			label    int
		}
		all := make([]near, len(train))
		for i, t := range train {
			for f := range t.features {
				d := t.features[f] - s.features[f]
				all[i].distance += d * d
			}
			all[i].label = t.label
		}
		slices.SortFunc(all, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
		votes := map[int]int{}
		for _, n := range all[:min(k, len(all))] {
			votes[n.label]++
		}
		return mostOf(votes)
	}
}

func mostOf(votes map[int]int) (label int) {
	best := -1
	for _, l := range slices.Sorted(func(yield func(int) bool) {
		for l := range votes {
			if !yield(l) {
				return
			}
		}
	}) {
		if votes[l] > best {
			best, label = votes[l], l
		}
	}
	return label
}

// tree asks one feature after the other, at the threshold that parts the labels best.
type tree struct {
	feature   int
	threshold float64
	low, high *tree
	label     int // of a leaf
}

func grow(train []sample, depth int) *tree {
	votes := map[int]int{}
	for _, s := range train {
		votes[s.label]++
	}
	leaf := &tree{label: mostOf(votes)}
	if depth == 0 || len(votes) < 2 {
		return leaf
	}
	best := impurity(votes, len(train))
	var found *tree
	for f := range train[0].features {
		slices.SortFunc(train, func(a, b sample) int { return cmp.Compare(a.features[f], b.features[f]) })
		low, high := map[int]int{}, map[int]int{}
		for l, n := range votes {
			high[l] = n
		}
		for i := range train[:len(train)-1] {
			low[train[i].label]++
			high[train[i].label]--
			a, b := train[i].features[f], train[i+1].features[f]
			if a == b {
				continue
			}
			if rest := impurity(low, i+1) + impurity(high, len(train)-i-1); rest < best-1e-9 {
				best, found = rest, &tree{feature: f, threshold: (a + b) / 2}
			}
		}
	}
	if found == nil {
		return leaf
	}
	var low, high []sample
	for _, s := range train {
		if s.features[found.feature] < found.threshold {
			low = append(low, s)
		} else {
			high = append(high, s)
		}
	}
	found.low, found.high = grow(low, depth-1), grow(high, depth-1)
	return found
}

// impurity is Gini's, times the number of samples.
func impurity(votes map[int]int, n int) float64 {
	same := 0.0
	for _, v := range votes {
		same += float64(v) * float64(v) / float64(n)
	}
	return float64(n) - same
}

func (t *tree) guess(s sample) int {
	switch {
	case t.low == nil:
		return t.label
	case s.features[t.feature] < t.threshold:
		return t.low.guess(s)
	}
	return t.high.guess(s)
}

// classifiers learn from one half of the samples.
var classifiers = map[string]func(train []sample) func(sample) int{
	"five nearest neighbours": func(train []sample) func(sample) int { return neighbours(train, 5) },
	"five nearest by what tells most": func(train []sample) func(sample) int {
		features := telling(train, 3)
		var kept []sample
		for _, s := range train {
			kept = append(kept, only(features, s))
		}
		guess := neighbours(kept, 5)
		return func(s sample) int { return guess(only(features, s)) }
	},
	"decision tree": func(train []sample) func(sample) int { return grow(slices.Clone(train), 4).guess },
}

// right is how often each classifier names the state of the other half's calls.
func right(all []sample, random *rand.Rand) (hits map[string]int, of int) {
	train, test := normalized(split(all, random))
	hits = map[string]int{}
	for name, learn := range classifiers {
		guess := learn(train)
		for _, s := range test {
			if guess(s) == s.label {
				hits[name]++
			}
		}
	}
	return hits, len(test)
}

// chanceAtLeast is the chance of at least k hits in n, each with chance p.
func chanceAtLeast(k, n int, p float64) (sum float64) {
	for i := k; i <= n; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// The classifiers are worth something: they find a state that shows in one feature among
// many that say nothing, and nothing where there is nothing.
func TestClassifiersFindWhatShows(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const labels, each = 7, 100
	make := func(shows func(label int) float64) (all []sample) {
		for i := range labels * each {
			s := sample{label: i % labels}
			for range 20 {
				s.features = append(s.features, random.NormFloat64())
			}
			s.features[3] = shows(s.label) + random.NormFloat64()
			all = append(all, s)
		}
		return all
	}
	nothing, n := right(make(func(int) float64 { return 0 }), random)
	one, _ := right(make(func(l int) float64 { return map[bool]float64{true: 30}[l == 4] }), random)
	every, _ := right(make(func(l int) float64 { return 12 * float64(l) }), random)
	bound := func(hits int) bool { return chanceAtLeast(hits, n, 1.0/labels+0.03) < 1e-3 }
	for name := range classifiers {
		require.False(t, bound(nothing[name]), "%s: %d of %d", name, nothing[name], n)
		require.True(t, bound(every[name]), "%s: %d of %d", name, every[name], n)
	}
	for _, name := range []string{"decision tree", "five nearest by what tells most"} {
		require.True(t, bound(one[name]), "%s: %d of %d", name, one[name], n)
	}
	require.InDelta(t, 1, chanceAtLeast(0, 30, 0.2), 1e-9)
	require.InDelta(t, 0.2*0.2, chanceAtLeast(2, 2, 0.2), 1e-9)
}
