package fake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// describe tells the rules.
func (f *Server) describe() string {
	truth := func(name string, b bool) string { return tag(name, strconv.FormatBool(b)) }
	number := func(name string, n, least int) string { return tag(name, strconv.Itoa(max(n, least))) }
	r := f.rules
	return data("UserPortalPasscodeRulesGetResponse",
		truth("disallowRepeatedDigits", r.Same > 0), number("numberOfRepeatedDigits", r.Same, 1), truth("disallowRepeatedPatterns", r.Patterns),
		truth("disallowContiguousSequences", r.Ascending+r.Descending > 0),
		number("numberOfAscendingDigits", r.Ascending, 2), number("numberOfDescendingDigits", r.Descending, 2),
		truth("disallowUserNumber", r.UserNumber), truth("disallowReversedUserNumber", r.ReversedNumber),
		truth("disallowOldPasscode", r.Old > 0), number("numberOfPreviousPasscodes", r.Old, 1), truth("disallowReversedOldPasscode", r.ReversedOld),
		number("minCodeLength", r.Min, 2), number("maxCodeLength", r.Max, 3),
		truth("disableLoginAfterMaxFailedLoginAttempts", r.MaxFailed > 0), number("maxFailedLoginAttempts", r.MaxFailed, 1),
		truth("expirePassword", r.ExpiresDays > 0), number("passcodeExpiresDays", r.ExpiresDays, 15), truth("sendLoginDisabledNotifyEmail", false))
}

// broken is the refusal of a new code. The numbers and words are invented.
func (f *Server) broken(r *record, next string) string {
	reversed := func(s string) string {
		b := []byte(s)
		slices.Reverse(b)
		return string(b)
	}
	up, down := runs(next, 1), runs(next, -1)
	old := append(slices.Clone(r.history), r.code.Last)
	old = old[max(0, len(old)-f.rules.Old):]
	for _, rule := range []struct {
		broken bool
		number int
		words  string
	}{
		{digits(next) != next, 8101, "The passcode must be numeric"},
		{len(next) < f.rules.Min, 8102, fmt.Sprintf("The passcode must have at least %d digits", f.rules.Min)},
		{len(next) > f.rules.Max, 8103, fmt.Sprintf("The passcode must have at most %d digits", f.rules.Max)},
		{f.rules.Same > 0 && runs(next, 0) > f.rules.Same, 8104, "The passcode has repeated digits"},
		{f.rules.Ascending > 0 && up > f.rules.Ascending, 8105, "The passcode has an ascending sequence"},
		{f.rules.Descending > 0 && down > f.rules.Descending, 8106, "The passcode has a descending sequence"},
		{f.rules.Patterns && patterned(next), 8107, "The passcode has a repeated pattern"},
		{f.rules.UserNumber && (next == r.extension || next == digits(r.dn)), 8108, "The passcode is the extension or phone number"},
		{f.rules.ReversedNumber && (reversed(next) == r.extension || reversed(next) == digits(r.dn)), 8109, "The passcode is the reversed extension or phone number"},
		{slices.Contains(old, next), 8110, "The passcode was one of the previous ones"},
		{f.rules.ReversedOld && reversed(next) == r.code.Last, 8111, "The passcode is the reversed old passcode"},
	} {
		if rule.broken {
			return f.refuse(rule.number, rule.words, "Der Code erfüllt eine Regel nicht")
		}
	}
	return ""
}

// runs is the longest block in which each next digit is step more.
func runs(code string, step int) int {
	longest, run := 0, 0
	for i := range len(code) {
		if run++; i > 0 && int(code[i])-int(code[i-1]) != step {
			run = 1
		}
		longest = max(longest, run)
	}
	return longest
}

func patterned(code string) bool {
	for n := 1; n <= len(code)/2; n++ {
		if len(code)%n == 0 && strings.Repeat(code[:n], len(code)/n) == code {
			return true
		}
	}
	return false
}
