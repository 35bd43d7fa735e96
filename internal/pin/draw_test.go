package pin

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

func randomDigits(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789"[r.IntN(1+r.IntN(10))])
	}
	return b.String()
}

// someone has numbers of all lengths, and a name of two words.
func someone(r *rand.Rand) about {
	return about{
		ext: randomDigits(r, r.IntN(6)), numbers: []string{randomDigits(r, r.IntN(16)), randomDigits(r, r.IntN(6))},
		names: []string{"Bo Fisher"}, current: randomDigits(r, r.IntN(12)),
	}
}

// drawn makes codes of every kind that a rule looks for, and any others; most have size digits.
func drawn(r *rand.Rand, size int, a about) string {
	some := func(most int) string { return randomDigits(r, r.IntN(most+1)) }
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var s string
	switch r.IntN(12) {
	case 0:
		s = strings.Repeat(randomDigits(r, 1+r.IntN(4)), 30)
	case 1:
		s = naiveRun(r.IntN(10), r.IntN(10), size)
	case 2:
		s = some(3) + naiveRun(r.IntN(10), []int{1, 9}[r.IntN(2)], 2+r.IntN(5))
	case 3:
		group := randomDigits(r, 3)
		s = some(2) + group + some(2) + group
	case 4:
		for len(s) < size {
			s += pick("7", "2", "2", "9"[:r.IntN(2)])
		}
	case 5:
		for len(s) < size {
			s += pick("123", "654", "789", "147", "0852", "369", "753", "159", "580")
		}
	case 6:
		s = some(2) + pick(a.ext, backwards(a.ext), a.numbers[0], a.numbers[1])
		size = min(size, len(s))
	case 7:
		if s = pick(a.current, backwards(a.current), "4"+a.current, a.current+"4"); a.current != "" {
			s = pick(s, s, plusOne(a.current))
		}
		return s[:min(len(s), MaxDigits)]
	case 8:
		year := 1895 + r.IntN(210)
		day, month, yy := fmt.Sprintf("%02d", r.IntN(34)), fmt.Sprintf("%02d", r.IntN(15)), fmt.Sprintf("%02d", year%100)
		return pick(day+month+yy, month+day+yy, yy+month+day, fmt.Sprint(year)+month, day+month, month+day, fmt.Sprint(year))
	case 9:
		return pick(some(3)+"347437"+some(3), "26347437"[:4+r.IntN(5)], "3474")
	case 10:
		if list := listOf(4 + r.IntN(7)); r.IntN(4) > 0 {
			return list[r.IntN(len(list))]
		}
	}
	for len(s) < size {
		s += randomDigits(r, 1)
	}
	return s[:size]
}

func randomPolicy(r *rand.Rand) Policy {
	sometimes := func(n int) int { return n * r.IntN(2) }
	yes := func() bool { return r.IntN(3) == 0 }
	lo := r.IntN(7)
	return Policy{
		MinLen: sometimes(lo), MaxLen: []int{0, 0, lo + r.IntN(20), 10}[r.IntN(4)], MaxSameRun: sometimes(r.IntN(5)), WholeSameRun: yes(),
		MaxSequence: sometimes(r.IntN(6)), WholeSequence: yes(), Wrap: yes(), ConstantStep: yes(), RepeatBlock: yes(), ReturningGroup: yes(),
		MinDistinct: sometimes(r.IntN(5)), KeypadLine: yes(), OwnNumber: ownNumberModes[r.IntN(len(ownNumberModes))], Current: yes(),
		NearCurrent: yes(), DateLike: yes(), Name: yes(), Blocklist: sometimes(r.IntN(50000)), History: r.IntN(3),
	}
}
