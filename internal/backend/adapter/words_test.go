package adapter

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

func TestTheFirstRowThatFitsSaysWhatARefusalMeans(t *testing.T) {
	table := []Refusal{{"zu kurz", "too-short"}, {"KURZ", "policy-other"}, {"odd", "sorry"}, {"odd", "locked"}}
	for text, want := range map[string]mailbox.Code{
		"Die PIN ist zu kurz.": mailbox.TooShort, "Kurz": mailbox.PolicyOther, "odd": mailbox.Locked,
	} {
		got, ok := Refused(table, text)
		require.True(t, ok)
		require.Equal(t, want, got, text)
	}
	got, ok := Refused(table, "anything else")
	require.False(t, ok)
	require.Equal(t, mailbox.PolicyOther, got)
}

func TestRefusalsAreValidated(t *testing.T) {
	require.NoError(t, ValidateRefusals(DefaultRefusals()))
	err := ValidateRefusals([]Refusal{{" ", "trivial"}, {"x", "sorry"}})
	require.ErrorContains(t, err, "refusals[0].words are empty: ")
	require.ErrorContains(t, err, `refusals[1].means is "sorry": use too-short, too-long, `)
}

func TestSettingsAreToldByTheirKey(t *testing.T) {
	require.NoError(t, OneOf("find", "sql", "sql", "uds"))
	require.EqualError(t, OneOf("find", "guess", "sql", "uds"), `find is "guess": use sql, uds`)
	require.NoError(t, Between("lag", time.Minute, 0, time.Minute))
	require.EqualError(t, Between("lag", -time.Second, 0, time.Minute), "lag is -1s: use 0s to 1m0s")
	require.EqualError(t, Between("users", 5, 1, 4), "users is 5: use 1 to 4")
	c, err := Meaning("session", []mailbox.Code{mailbox.Locked}, "session")
	require.NoError(t, err)
	require.Equal(t, mailbox.PolicyOther, c)
}

func TestNumbersAreDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"4001": true, "12015550143": true, "": false, "+4001": false, "40 01": false, "4001x": false, "٤٠٠١": false,
		"12345678901234567890123456789012": true, "123456789012345678901234567890123": false,
	} {
		require.Equal(t, want, IsNumber(text), text)
	}
}

func TestTags(t *testing.T) {
	for locale, want := range map[string]string{
		"en_us": "en-US", "EN": "en", "de-DE": "de-DE", "zh_hans_cn": "zh-Hans-CN", "": "", "x": "", "en us": "", "system default": "",
	} {
		require.Equal(t, want, Tag(locale), locale)
	}
}

func TestMail(t *testing.T) {
	for text, want := range map[string]string{
		"ada@mail.example": "ada@mail.example", " ada@mail.example ": "ada@mail.example", "ada@mail.example;bea@mail.example": "ada@mail.example",
		"": "", ",": "", "ada": "", "Ada <ada@mail.example>": "", "<ada@mail.example>": "", "ada@mail.example\r\nBcc: x@y.example": "",
		strings.Repeat("a", 250) + "@mail.example": "",
	} {
		require.Equal(t, want, Mail(text), text)
	}
}

func FuzzShown(f *testing.F) {
	f.Add("Ada\x00 Example\u2028", 5)
	f.Add("\xff\xfeÄ", 3)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = min(max(most, 0), 1000)
		got := Shown(text, most)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, utf8.RuneCountInString(got), most)
		require.Equal(t, got, Shown(got, most), "once is enough")
		require.NotContains(t, got, "\n")
	})
}
