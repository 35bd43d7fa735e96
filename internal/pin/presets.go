package pin

// DefaultPreset is the name of the preset that holds where nothing else is said.
const DefaultPreset = "strong"

// DefaultPolicy is the preset named DefaultPreset.
func DefaultPolicy() Policy {
	p, _ := Preset(DefaultPreset)
	return p
}

// likelyCodes is how long the blocklist of a preset is. With the other rules of strong
// it refuses 7.3 of 100 random codes of six digits.
const likelyCodes = 33600

// presets are named policies. Those of foreign systems follow what their makers
// published; a system's own history and trivial-code check still have the last word.
var presets = []struct {
	name   string
	policy Policy
}{
	{"strong", Policy{
		MinLen: 6, MaxLen: 10, MaxSameRun: 2, MaxSequence: 3, Wrap: true, RepeatBlock: true, MinDistinct: 3, KeypadLine: true,
		OwnNumber: NotContained, Current: true, NearCurrent: true, Blocklist: likelyCodes, History: 5,
	}},
	{"broadworks-6-10", Policy{
		MinLen: 6, MaxLen: 10, MaxSameRun: 5, MaxSequence: 4, OwnNumber: NotEqual, Current: true,
	}},
	{"carrier-4-8", Policy{
		MinLen: 4, MaxLen: 8, WholeSameRun: true, MaxSequence: 2, RepeatBlock: true, OwnNumber: NotContained, Current: true,
	}},
	{"webex-6-30", Policy{
		MinLen: 6, MaxLen: 30, MaxSameRun: 3, MaxSequence: 3, RepeatBlock: true, OwnNumber: NotContained, Current: true, History: 10,
	}},
	{"cisco-trivial", Policy{
		MinLen: 6, MaxLen: 30, MaxSameRun: 2, WholeSequence: true, RepeatBlock: true, ReturningGroup: true, MinDistinct: 3, KeypadLine: true,
		OwnNumber: NotContained, Current: true, NearCurrent: true, Name: true, History: 5,
	}},
	{"netsapiens-default", Policy{MinLen: 4, MaxLen: 10}},
	{"nist-aligned", Policy{MinLen: 8, MaxLen: 10, Blocklist: likelyCodes}},
}

// Preset returns a named policy.
func Preset(name string) (Policy, bool) {
	for _, p := range presets {
		if p.name == name {
			return p.policy, true
		}
	}
	return Policy{}, false
}

// Presets lists the names that Preset knows.
func Presets() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.name
	}
	return names
}
