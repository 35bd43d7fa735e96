package ear

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
)

func TestEverySentenceIsNamedOnceThroughEveryCodec(t *testing.T) {
	t.Parallel()
	h := house()
	rng := rand.New(rand.NewPCG(1, 1))
	roads := [][]codec.ID{{codec.PCMU}, {codec.PCMA}, {codec.PCMU, codec.PCMA}, {codec.PCMA, codec.PCMU}}
	var late time.Duration
	for n, id := range h.ids {
		lead := 1 + rng.IntN(2000)
		got := listen(h.Ear, through(line(quiet(lead), h.pcm[id]), roads[n%len(roads)]...))
		requireWhole(t, id, lead, got)
		late += duration(got[0].told - int64(lead))
	}
	mean := late / time.Duration(len(h.ids))
	t.Logf("named after %v on average", mean)
	require.Less(t, mean, 800*time.Millisecond)
}

// Within 600 ms a sentence is named, or it shares its first words with all that it may
// be: those that begin alike, or have "a new code" a word later.
func TestOnlyEqualBeginningsAreNamedLate(t *testing.T) {
	t.Parallel()
	h := house()
	alike := func(a, b prompt.ID) bool {
		early := strings.Fields(h.text[a])
		return slices.ContainsFunc(strings.Fields(h.text[b]), func(word string) bool { return slices.Contains(early[:min(4, len(early))], word) })
	}
	undecided := 0
	for _, id := range h.ids {
		l := h.Listen()
		begin := line(h.pcm[id])[:6*prompt.Rate/10]
		if told := l.Feed(begin); len(told) > 0 {
			require.Equal(t, id, told[0].ID)
			continue
		}
		undecided++
		require.Contains(t, l.Candidates(), id)
		for _, c := range l.Candidates() {
			require.True(t, alike(id, c), "%s taken for %s", id, c)
		}
	}
	t.Logf("%d of %d sentences undecided after 600 ms", undecided, len(h.ids))
}

func TestLevelDoesNotMatter(t *testing.T) {
	t.Parallel()
	h := house()
	for n, id := range h.ids {
		gain := []float64{0.4, 0.7, 1.4}[n%3]
		louder := change(line(quiet(777), h.pcm[id]), func(v float64) float64 { return gain * v })
		requireWhole(t, id, 777, listen(h.Ear, through(louder, codec.PCMU)))
	}
}

func TestLostPacketsHideNothing(t *testing.T) {
	t.Parallel()
	h := house()
	rng := rand.New(rand.NewPCG(1, 5))
	for _, id := range h.ids {
		lead := 160 + rng.IntN(160)
		got := listen(h.Ear, lose(through(line(quiet(lead), h.pcm[id]), codec.PCMU), 5, rng))
		require.NotEmpty(t, got)
		for _, s := range got {
			require.Equal(t, id, s.ID, "%v", got)
			require.Equal(t, int64(lead), s.Start)
		}
		require.True(t, got[len(got)-1].Complete, "%s: %v", id, got)
	}
}

// White noise 20 dB under the speech hides the very last sound of some sentences
// (the k of "work"), never which sentence it is.
func TestNoiseHidesNoName(t *testing.T) {
	t.Parallel()
	h := house()
	rng := rand.New(rand.NewPCG(2, 5))
	incomplete := 0
	for _, id := range h.ids {
		noisy := change(line(quiet(500), h.pcm[id]), func(v float64) float64 { return v + 328*rng.NormFloat64() })
		got := listen(h.Ear, through(noisy, codec.PCMA))
		require.Len(t, got, 2, "%s: %v", id, got)
		require.Equal(t, id, got[0].ID)
		require.Equal(t, int64(500), got[1].Start)
		if !got[1].Complete {
			incomplete++
		}
	}
	require.LessOrEqual(t, incomplete, len(h.ids)/10)
}

// In a call that speaks all languages, and in one that speaks its own.
func TestEverySentenceOfEveryLanguageIsNamed(t *testing.T) {
	t.Parallel()
	cat := catalogue()
	languages := cat.Languages()
	all := Of(cat, languages[0], languages[1:]...)
	for i, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			alone := Of(cat, lang)
			for n, id := range cat.IDs(lang) {
				a, _ := cat.Audio(lang, prompt.ID(lang)+"/"+id, prompt.Words{})
				pcm := line(quiet(333), a.PCM8k())
				if n%4 == i%4 { // who is told among all is told among fewer
					requireNamed(t, id, listen(alone, pcm))
				}
				if i > 0 {
					id = prompt.ID(lang) + "/" + id
				}
				requireNamed(t, id, listen(all, through(pcm, codec.PCMA)))
			}
		})
	}
}

// A sentence that is cut is never taken for another one: what is told is its name,
// or that it is among those that begin alike.
func TestEveryCutFromHalfASecond(t *testing.T) {
	t.Parallel()
	h := house()
	other := h.pcm[prompt.Welcome]
	for n, id := range h.ids {
		pcm := h.pcm[id]
		for cut := prompt.Rate/2 + n; cut < lastLoud(pcm)-endSlack-frameLen; cut += 2*prompt.Rate + 7 {
			t.Run(fmt.Sprintf("%s at %v", id, duration(int64(cut))), func(t *testing.T) {
				requireCut(t, id, cut, listen(h.Ear, through(line(quiet(300), pcm[:cut]), codec.PCMA)))
				if id == prompt.Welcome {
					return
				}
				got := listen(h.Ear, through(line(quiet(300), pcm[:cut], other), codec.PCMA))
				requireCut(t, id, cut, got[:len(got)-2])
				requireWhole(t, prompt.Welcome, 300+cut, got[len(got)-2:])
			})
		}
	}
}

func TestEarlyBeginningsAreAmbiguousUntilTheyDiffer(t *testing.T) {
	t.Parallel()
	h := house()
	const id, twin = "enter-new-code-6-10", "enter-new-code-6-8"
	l := h.Listen()
	pcm := h.pcm[id]
	require.Empty(t, l.Candidates())
	require.Empty(t, l.Feed(pcm[:prompt.Rate]))
	require.Subset(t, l.Candidates(), []prompt.ID{id, twin})
	told := l.Feed(pcm[prompt.Rate:])
	require.Equal(t, prompt.ID(id), told[0].ID)
	require.Empty(t, l.Candidates())
}

func TestPhraseIsHeardSentenceBySentence(t *testing.T) {
	t.Parallel()
	h := house()
	a, b, c := h.pcm[prompt.Failed], h.pcm[prompt.OldCodeWorks], h.pcm[prompt.MainMenu]
	got := listen(h.Ear, line(a, b, c))
	require.Len(t, got, 6)
	requireWhole(t, prompt.Failed, 0, got[:2])
	requireWhole(t, prompt.OldCodeWorks, len(a), got[2:4])
	requireWhole(t, prompt.MainMenu, len(a)+len(b), got[4:])
}

func TestSentenceBegunAgainIsHeardTwice(t *testing.T) {
	t.Parallel()
	h := house()
	pcm := h.pcm[prompt.Unconfirmed]
	got := listen(h.Ear, line(pcm[:19000], pcm))
	require.Len(t, got, 4)
	requireCut(t, prompt.Unconfirmed, 19000-300, shift(got[:2], 300))
	requireWhole(t, prompt.Unconfirmed, 19000, got[2:])
}

// The listener may join late, or a hold may have cut the beginning off.
func TestSentenceIsNamedFromItsMiddle(t *testing.T) {
	t.Parallel()
	h := house()
	for _, id := range h.ids {
		pcm := h.pcm[id]
		if len(pcm) < 3*prompt.Rate {
			continue
		}
		from := len(pcm) / 3
		got := listen(h.Ear, line(quiet(5000), pcm[from:]))
		for _, s := range got {
			if s.ID == "" {
				require.Contains(t, s.Among, id)
				continue
			}
			require.Equal(t, id, s.ID, "%v", got)
			require.Equal(t, int64(5000-from), s.Start)
		}
		require.NotEmpty(t, got)
	}
}

func TestWhatIsNotOursIsStrange(t *testing.T) {
	t.Parallel()
	h := house()
	rng := rand.New(rand.NewPCG(3, 3))
	tone := func(hz ...float64) []int16 {
		pcm := make([]int16, 3*prompt.Rate)
		for i := range pcm {
			var v float64
			for _, f := range hz {
				v += 4000 * math.Sin(2*math.Pi*f*float64(i)/prompt.Rate)
			}
			pcm[i] = int16(v)
		}
		return pcm
	}
	noise := make([]int16, 3*prompt.Rate)
	for i := range noise {
		noise[i] = int16(3000 * rng.NormFloat64())
	}
	strangers := map[string][]int16{
		"440 Hz": tone(440), "dial tone": tone(350, 440), "DTMF 5": tone(770, 1336), "ringing": tone(440, 480), "noise": noise,
	}
	for _, id := range h.ids {
		backwards := slices.Clone(h.pcm[id])
		slices.Reverse(backwards)
		strangers["backwards "+string(id)] = backwards
		opposed := change(h.pcm[id], func(v float64) float64 { return -v })
		strangers["opposed "+string(id)] = opposed
	}
	told := 0
	for name, pcm := range strangers {
		for _, s := range listen(h.Ear, through(line(quiet(400), pcm), codec.PCMU)) {
			require.Empty(t, s.ID, name)
			require.Empty(t, s.Among, name)
			told++
		}
	}
	require.GreaterOrEqual(t, told, len(strangers), "most are long enough to be told")
}

func TestStrangeSoundIsToldWithItsSpan(t *testing.T) {
	t.Parallel()
	h := house()
	hum := make([]int16, 2*prompt.Rate)
	for i := range hum {
		hum[i] = int16(5000 * math.Sin(2*math.Pi*300*float64(i)/prompt.Rate))
	}
	got := listen(h.Ear, line(quiet(1600), hum, h.pcm[prompt.Goodbye]))
	require.Len(t, got, 4)
	require.Equal(t, Sound{Start: 1600}, got[0].Sound)
	require.Equal(t, int64(1600+strangeFor*frameLen), got[0].told)
	require.Equal(t, int64(1600), got[1].Start)
	require.True(t, got[1].Ended)
	require.InDelta(t, 2, got[1].Heard.Seconds(), 0.2)
	requireWhole(t, prompt.Goodbye, 1600+len(hum), got[2:])
}

func TestSilenceIsNothing(t *testing.T) {
	t.Parallel()
	for _, law := range []codec.ID{codec.PCMU, codec.PCMA} {
		require.Empty(t, listen(house().Ear, through(quiet(10*prompt.Rate), law)))
	}
}

func TestSizeOfPacketsDoesNotMatter(t *testing.T) {
	t.Parallel()
	h := house()
	pcm := line(quiet(123), h.pcm[prompt.Changed], h.pcm[prompt.Goodbye])
	want := listen(h.Ear, pcm)
	rng := rand.New(rand.NewPCG(4, 4))
	for _, packet := range []func() int{
		func() int { return 1 }, func() int { return 80 }, func() int { return 480 },
		func() int { return 1 + rng.IntN(700) }, func() int { return len(pcm) },
	} {
		got := listenIn(h.Ear, pcm, packet)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i].Sound, got[i].Sound)
		}
	}
}

func TestEqualMastersAreNamedByTheFirst(t *testing.T) {
	t.Parallel()
	pcm := house().pcm[prompt.Busy]
	e := New(map[prompt.ID][]int16{"b": pcm, "a": pcm, "c": house().pcm[prompt.Locked]})
	got := listen(e, line(quiet(200), pcm))
	require.Len(t, got, 2)
	require.Equal(t, prompt.ID("a"), got[0].ID)
	require.Equal(t, prompt.ID("a"), got[1].ID)
	require.True(t, got[1].Complete)
}

func TestEmptyEarHearsOnlyStrangers(t *testing.T) {
	t.Parallel()
	for _, e := range []*Ear{New(nil), New(map[prompt.ID][]int16{"x": {}, "y": {1, 2, 3}})} {
		got := listen(e, line(house().pcm[prompt.MainMenu]))
		require.NotEmpty(t, got)
		for _, s := range got {
			require.Empty(t, s.ID)
			require.Empty(t, s.Among)
		}
	}
}

func TestListeningAllocatesNothing(t *testing.T) {
	h := house()
	pcm := line(h.pcm[prompt.MainMenu])
	l := h.Listen()
	l.Feed(pcm)
	at := 0
	require.Zero(t, testing.AllocsPerRun(2*len(pcm)/160, func() {
		if at+160 > len(pcm) {
			at = 0
		}
		l.Feed(pcm[at : at+160])
		at += 160
	}))
}

// Any audio in any pieces: sounds come in pairs, in order, within what was fed.
func FuzzSoundsAreWellFormed(f *testing.F) {
	h := house()
	f.Add([]byte{0, 10, 1, 200, 2, 90, 3, 40}, uint16(160))
	f.Add([]byte{40, 255, 40, 255, 7, 1, 0, 90, 41, 255}, uint16(37))
	f.Fuzz(func(t *testing.T, plan []byte, packet uint16) {
		var pcm []int16
		for i := 0; i+1 < min(len(plan), 16); i += 2 {
			src := h.pcm[h.ids[int(plan[i])%len(h.ids)]]
			n := min(len(src), 40*int(plan[i+1]))
			if plan[i]%5 == 0 {
				src = quiet(n)
			}
			pcm = append(pcm, src[:n]...)
		}
		open := map[int64]prompt.ID{}
		for _, s := range listenIn(h.Ear, line(pcm), func() int { return 1 + int(packet)%2000 }) {
			require.LessOrEqual(t, s.Start, s.told)
			require.LessOrEqual(t, s.Heard, duration(s.told-s.Start))
			require.False(t, s.Complete && !s.Ended)
			id, begun := open[s.Start]
			switch {
			case !s.Ended:
				require.False(t, begun, "one beginning, one end")
				require.Empty(t, open, "one sound at a time")
				open[s.Start] = s.ID
			case s.Among == nil:
				require.True(t, begun)
				require.Equal(t, id, s.ID)
				delete(open, s.Start)
			default:
				require.Empty(t, open)
			}
		}
		require.Empty(t, open, "silence ends everything")
	})
}

// One real-time second per op divided by the time of an op is the number of calls
// one core can hear.
func BenchmarkListenOneSecond(b *testing.B) {
	h := house()
	speech := h.pcm[prompt.MainMenu]
	backwards := slices.Clone(speech)
	slices.Reverse(backwards)
	for name, pcm := range map[string][]int16{"ours": speech, "strange": backwards, "silence": quiet(len(speech))} {
		b.Run(name, func(b *testing.B) {
			l := h.Listen()
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				if at+prompt.Rate > len(pcm) {
					at = 0
				}
				l.Feed(pcm[at : at+prompt.Rate])
				at += prompt.Rate
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	h := house()
	for b.Loop() {
		New(h.pcm)
	}
}
