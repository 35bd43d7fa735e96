package adapter

import "star97/internal/pin"

// Trivial is p with the rule by that name of Cisco's systems: no digit more than twice in
// a row, three different ones at least, no group that comes again, no run and no lines of
// keys from end to end, none of the owner's numbers and no name. Minimum and maximum,
// history and the current code are other rules there.
func Trivial(p pin.Policy) pin.Policy {
	list, _ := pin.Preset("cisco-trivial")
	list.MinLen, list.MaxLen, list.Current, list.NearCurrent, list.History = 0, 0, false, false, 0
	return pin.Stricter(p, list)
}

// MaxHistory is the largest history that a policy can name.
const MaxHistory = 24

// Old is p with what a system says of earlier codes: it remembers so many, and so many
// digits of a new one must differ from the current.
func Old(p pin.Policy, remembered, differ int) pin.Policy {
	p.History = min(max(remembered, 0), MaxHistory)
	p.Current = remembered > 0 || differ > 0
	p.NearCurrent = differ > 1
	return p
}

// Lower is the lower of two limits of which 0 means none.
func Lower(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
