package dialplan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUserIsTheUserPartAsItIsCompared(t *testing.T) {
	for raw, want := range map[string]string{
		"*97": "*97", "%2A97": "*97", "%2a97": "*97", "*9%37": "*97", "%239": "#9", "": "", "%": "%", "%2": "%2", "%zz": "%zz", "100%": "100%",
		"*97;phone-context=example.org": "*97", "+12125554001;isub=1;user=phone": "+12125554001", "4001%3Bx": "4001;x", ";a=b": "",
		"+1-212-555-4001": "+12125554001", "(212)555.4001": "2125554001", "+1%2D212": "+1212", "*9-7": "*97",
		"max-pilot": "max-pilot", "max.pilot": "max.pilot", "Max-Pilot": "Max-Pilot", "4-x": "4-x", "40 01": "40 01", "%2541": "%41", "%00": "\x00",
	} {
		require.Equal(t, want, User(raw), raw)
	}
}

func TestHostIsAHostAsHostsAreCompared(t *testing.T) {
	for raw, want := range map[string]string{
		"pbx.example.org": "pbx.example.org", "PBX.Example.ORG": "pbx.example.org", "pbx.example.org.": "pbx.example.org",
		"pbx.example.org:5060": "pbx.example.org", "pbx.example.org.:5060": "pbx.example.org", "192.0.2.1": "192.0.2.1", "192.0.2.1:5061": "192.0.2.1", "192.0.2.1.": "192.0.2.1",
		"[2001:DB8:0:0::1]": "2001:db8::1", "[2001:db8::1]:5060": "2001:db8::1", "2001:db8::1": "2001:db8::1", "[::ffff:192.0.2.1]": "192.0.2.1",
		"fe80::1%eth0": "fe80::1", "": "", "[": "[", "[]": "[]", ":5060": "", "[pbx:5060]": "[pbx:5060]", "localhost": "localhost", "a:b:c": "a:b:c", "sip:a": "sip:a",
	} {
		require.Equal(t, want, hostOf(raw), raw)
	}
}

// FuzzUser: how often it is written in another way does not matter.
func FuzzUser(f *testing.F) {
	for _, s := range []string{"*97", "%2A97", "+1-212;user=phone", "max-pilot", "%", "%2541", "\xff%ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := User(s)
		require.Equal(t, got, User(s+";user=phone"), "a parameter more")
		var escaped strings.Builder
		for _, c := range []byte(got) {
			escaped.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789abcdef"[c&15]))
		}
		require.Equal(t, got, User(escaped.String()), "each sign escaped")
		if number := strings.Trim(got, digits+"*#+") == ""; number && got != "" {
			require.Equal(t, got, User("("+got[:1]+")-"+got[1:]+"."), "separators between")
		}
		require.LessOrEqual(t, len(got), len(s))
	})
}

// FuzzHost: each host has one form, which is its own.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"pbx.example.org.:5060", "[2001:DB8::1]:5060", "192.0.2.1", "a:b:c", "[::ffff:1.2.3.4]", "fe80::1%eth0", "::0."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host := hostOf(s)
		if !isHost(host) {
			return
		}
		require.Equal(t, host, hostOf(host))
		require.Equal(t, host, hostOf(strings.ToUpper(host)))
		if !strings.Contains(host, ":") {
			require.Equal(t, host, hostOf(host+":5060"))
		} else {
			require.Equal(t, host, hostOf("["+host+"]:5060"))
		}
	})
}
