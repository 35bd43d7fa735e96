package pin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPresetsAreValid(t *testing.T) {
	require.Contains(t, Presets(), DefaultPreset)
	for _, name := range Presets() {
		require.NoError(t, preset(t, name).Validate(), name)
	}
	_, ok := Preset("no-such-preset")
	require.False(t, ok)
}

// The codes and answers that the presets of the published rules must give: broadworks-6-10,
// carrier-4-8, webex-6-30, cisco-trivial.
func TestPublishedVectors(t *testing.T) {
	names := []string{"broadworks-6-10", "carrier-4-8", "webex-6-30", "cisco-trivial"}
	for code, want := range map[string][4]Rule{
		"482915":  {},
		"111112":  {Pass, Pass, SameRun, SameRun},
		"111111":  {SameRun, SameRun, SameRun, SameRun},
		"123497":  {Pass, Sequence, Sequence, Pass},
		"912345":  {Sequence, Sequence, Sequence, Pass},
		"121212":  {Pass, RepeatBlock, RepeatBlock, RepeatBlock},
		"408408":  {Pass, RepeatBlock, RepeatBlock, RepeatBlock},
		"1235123": {Pass, Sequence, Pass, ReturningGroup},
		"228883":  {Pass, Pass, Pass, SameRun},
		"567890":  {Sequence, Sequence, Sequence, Pass},
	} {
		for i, name := range names {
			require.Equal(t, want[i], preset(t, name).Check(parse(t, code), Context{}), "%s under %s", code, name)
		}
	}
}

// What each preset says about the owner's own numbers and codes, and at the ends of its lengths.
func TestPresetsInTheirContext(t *testing.T) {
	who := Context{Extension: "435", Numbers: []string{"7005551", "12015550143"}, Names: []string{"Ann Example"}, Current: parse(t, "606172")}
	owner := Context{Extension: "482915", Numbers: []string{"7005551"}, Current: parse(t, "606172")}
	for name, cases := range map[string][]struct {
		about Context
		codes map[string]Rule
	}{
		"strong": {{who, map[string]Rule{
			"482915": Pass, "112233": Blocklisted, "111223": SameRun, "123497": Sequence, "123597": Pass, "987624": Sequence, "987524": Pass,
			"890183": Wraps, "901275": Wraps, "121212": RepeatBlock, "408408": RepeatBlock, "112211": MinDistinct, "147258": KeypadLine,
			"143500": HasOwnNumber, "905340": HasOwnNumber, "550143": HasOwnNumber, "341055": HasOwnNumber,
			"606172": IsCurrent, "271606": IsCurrent, "606173": NearCurrent, "606171": NearCurrent, "6061729": NearCurrent, "8606172": NearCurrent,
			"241285": Blocklisted, "4829": TooShort, "": TooShort, "48291537064": TooLong, "4829153706": Pass,
		}}},
		"broadworks-6-10": {
			{who, map[string]Rule{
				"432198": Pass, "098765": Sequence, "123210": Pass, "143500": Pass, "606173": Pass,
				"48291": TooShort, "48291537064": TooLong,
			}},
			{owner, map[string]Rule{
				"482915": HasOwnNumber, "519284": HasOwnNumber, "4829157": Pass, "7005551": HasOwnNumber, "005551": Pass,
				"606172": IsCurrent, "271606": IsCurrent, "271607": Pass,
			}},
		},
		"carrier-4-8": {{who, map[string]Rule{
			"1111": SameRun, "1112": Pass, "0000000": SameRun, "4825": Pass, "143500": HasOwnNumber, "271606": IsCurrent, "482": TooShort, "482915370": TooLong,
		}}},
		"webex-6-30": {{who, map[string]Rule{
			"111222": Pass, "143500": HasOwnNumber, "606172": IsCurrent, "606173": Pass, "48291": TooShort,
		}}},
		"cisco-trivial": {{who, map[string]Rule{
			"123456": Sequence, "876543": Sequence, "408510408": ReturningGroup, "112211": MinDistinct, "159753": KeypadLine,
			"143500": HasOwnNumber, "606173": NearCurrent, "606172": IsCurrent, "3926753": HasName, "266392": HasName,
		}}},
		"netsapiens-default": {{who, map[string]Rule{
			"1111": Pass, "606172": Pass, "4350": Pass, "123": TooShort, "12345678901": TooLong,
		}}},
		"nist-aligned": {{who, map[string]Rule{
			"11111111": Blocklisted, "12345678": Blocklisted, "24121985": Blocklisted, "4829153": TooShort, "48291537": Pass, "40854085": Pass, "19851985": Blocklisted,
		}}},
	} {
		for _, one := range cases {
			for code, want := range one.codes {
				require.Equal(t, want, preset(t, name).Check(parse(t, code), one.about), "%s under %s", code, name)
			}
		}
	}
}
