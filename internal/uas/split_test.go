package uas

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeparatorsInQuotesAndBracketsSeparateNothing(t *testing.T) {
	for in, want := range map[string]string{
		"a,b":                   "a|b",
		"":                      "",
		",":                     "|",
		`"a,b",c`:               `"a,b"|c`,
		`"a\",b",c`:             `"a\",b"|c`,
		`"a\\",b`:               `"a\\"|b`,
		"<a,b>,c":               "<a,b>|c",
		`<a",>b",c>,d`:          `<a",>b",c>|d`,
		`"<",a`:                 `"<"|a`,
		"a>,b":                  "a>|b",
		`"open,`:                `"open,`,
		"<open,":                "<open,",
		`"x" <sip:a,b@c>;y, z`:  `"x" <sip:a,b@c>;y| z`,
		`a\,b`:                  `a\|b`,
		`<sip:a@b>;x="<,>",sip`: `<sip:a@b>;x="<,>"|sip`,
	} {
		require.Equal(t, want, strings.Join(split(in, ','), "|"), in)
	}
}

func TestParametersOfTheURIAreNotTheHeaders(t *testing.T) {
	for in, want := range map[string]string{
		"<sip:a@b>;tag=x":            "x",
		"<sip:a@b;tag=no>":           "",
		"<sip:a@b;tag=no>; TAG = x":  "x",
		"sip:a@b;tag=x":              "x",
		`"a;tag=no" <sip:b>`:         "",
		`"a\";tag=no" <sip:b>;tag=x`: "x",
		`"<" <sip:a@b>;tag=x`:        "x",
		"tag=no":                     "",
	} {
		value, ok := named(in, "tag")
		require.Equal(t, want, value, in)
		require.Equal(t, want != "", ok, in)
	}
}

func TestTheAddressStandsInItsBrackets(t *testing.T) {
	for in, want := range map[string]string{
		"<sip:a>":             "sip:a",
		`"x" <sip:a>;y="<z>"`: "sip:a",
		`"<no>" <sip:a>`:      "sip:a",
		"<>":                  "",
		"<sip:a":              "",
	} {
		inner, ok := bracketed(in)
		require.True(t, ok, in)
		require.Equal(t, want, inner, in)
	}
	for _, in := range []string{"sip:a", `"<sip:a>"`, "sip:a>", ""} {
		_, ok := bracketed(in)
		require.False(t, ok, in)
	}
}

func TestViaTellsTheSourceOnceWhateverItHeld(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.9:5070")
	for in, want := range map[string]string{
		"SIP/2.0/UDP h;branch=z":                       "SIP/2.0/UDP h;branch=z;received=192.0.2.9",
		"SIP/2.0/UDP h;rport;branch=z":                 "SIP/2.0/UDP h;rport=5070;branch=z;received=192.0.2.9",
		"SIP/2.0/UDP h;received=10.1.1.1;branch=z":     "SIP/2.0/UDP h;branch=z;received=192.0.2.9",
		"SIP/2.0/UDP h; Received = 1 ;rport = 4; x=y":  "SIP/2.0/UDP h;rport=5070;x=y;received=192.0.2.9",
		`SIP/2.0/UDP h;x="a,b;c", SIP/2.0/UDP g;rport`: `SIP/2.0/UDP h;x="a,b;c";received=192.0.2.9, SIP/2.0/UDP g;rport`,
	} {
		require.Equal(t, want, stampVia(in, from))
	}
}
