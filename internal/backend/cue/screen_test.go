package cue

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func show(t testing.TB, in string) *screen {
	t.Helper()
	s := &screen{most: 1000}
	require.NoError(t, s.feed([]byte(in)))
	return s
}

func TestTheScreenShowsWhatATerminalWould(t *testing.T) {
	for name, c := range map[string]struct{ in, above, last string }{
		"lines and a prompt":              {"one\r\ntwo\r\nse-1#", "one\ntwo\n", "se-1#"},
		"a pager that wipes with \\r":     {"--More--\r        \rtwo\r\nse-1#", "two     \n", "se-1#"},
		"a pager that wipes with \\b":     {"--More--" + strings.Repeat("\b", 8) + strings.Repeat(" ", 8) + strings.Repeat("\b", 8) + "se-1#", "", "se-1#"},
		"a pager that wipes by ESC [K":    {"--More--\r\x1b[Kok\r\n", "ok\n", ""},
		"a line that is wiped by ESC [2K": {"--More--\x1b[2K\rok", "", "ok"},
		"colours":                         {"\x1b[1;31mred\x1b[0m#", "", "red#"},
		"other sequences":                 {"\x1b7a\x1b8b", "", "ab"},
		"bells and fill":                  {"a\a\x00b", "", "ab"},
		"two returns":                     {"a\r\r\nb", "a\n", "b"},
		"a backspace at the start":        {"\b\bab\bc", "", "ac"},
		"a newline behind a return":       {"abc\rx\n", "xbc\n", ""},
		"spaces behind a prompt":          {"se-1#  ", "", "se-1#"},
		"a name in UTF-8":                 {"Zoë\n", "Zoë\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := show(t, c.in)
			require.Equal(t, c.above, string(s.above()))
			require.Equal(t, c.last, string(s.last()))
		})
	}
}

func TestTheScreenRefuses(t *testing.T) {
	s := screen{most: 10}
	require.ErrorIs(t, s.feed([]byte("more than ten")), errTooLong)
	for _, b := range []byte{1, 3, 4, 0x7f, 0x0c} {
		s := screen{most: 10}
		require.ErrorIs(t, s.feed([]byte{'a', b}), errGarbled, "%x", b)
	}
}

// What stood on a screen stands nowhere when it was wiped, wherever it grew.
func TestAWipedScreenLeavesNothing(t *testing.T) {
	s := show(t, "username ada pin 482915\r\nPIN 482915 is trivial\r\nse-1#")
	whole := s.text[:cap(s.text)]
	require.Contains(t, string(whole), "482915")
	small := whole
	require.NoError(t, (&screen{}).feed(nil))
	for len(s.text) < 600 {
		require.NoError(t, s.feed([]byte("x")))
	}
	require.NotContains(t, string(small), "482915", "it has grown, and left a copy behind")
	whole = s.text[:cap(s.text)]
	s.wipe()
	require.Equal(t, make([]byte, len(whole)), whole)
	require.Equal(t, screen{most: 1000}, *s)
}

func FuzzScreen(f *testing.F) {
	f.Add([]byte("--More--\r        \rtwo\r\nse-1#"), 3)
	f.Add([]byte("a\x1b[2Kb\bc\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole, parts := screen{most: 4096}, screen{most: 4096}
		first := whole.feed(in)
		cut = max(0, min(cut, len(in)))
		second := parts.feed(in[:cut])
		if second == nil {
			second = parts.feed(in[cut:])
		}
		require.Equal(t, first, second)
		require.Equal(t, string(whole.text), string(parts.text), "in how many pieces it comes makes no difference")
		require.LessOrEqual(t, len(whole.text), 4096)
		require.False(t, bytes.ContainsAny(whole.last(), "\n\r\b\x1b"))
		require.False(t, bytes.ContainsAny(whole.above(), "\r\b\x1b"))
	})
}

func TestTheEchoIsCutAway(t *testing.T) {
	const line = "username ada pin 482915"
	open := strings.Index(line, "482915")
	for name, c := range map[string]struct {
		text, want string
		ok         bool
	}{
		"alone":                           {line + "\n", "", true},
		"before an answer":                {line + "\nPIN is trivial\n", "PIN is trivial\n", true},
		"broken by a terminal":            {"username ada pin 48\n2915\nno\n", "no\n", true},
		"with stars":                      {"username ada pin ******\nno\n", "no\n", true},
		"with nothing":                    {"username ada pin \nno\n", "no\n", true},
		"with another code":               {"username ada pin 482916\nno\n", "", false},
		"with more behind":                {line + "7\nno\n", "", false},
		"of another command":              {"show users\nada\n", "", false},
		"missing":                         {"no\n", "", false},
		"missing, and there is no answer": {"\n", "", false},
		"without its end":                 {line, "", false},
		"half":                            {"username ad", "", false},
		"behind what an earlier one left": {"se-1#" + line + "\n", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			rest, ok := withoutEcho([]byte(c.text), []byte(line), open)
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.want, string(rest))
		})
	}
	rest, ok := withoutEcho([]byte("show users\nada\n"), []byte("show users"), len("show users"))
	require.True(t, ok)
	require.Equal(t, "ada\n", string(rest))
	_, ok = withoutEcho([]byte("show user\nada\n"), []byte("show users"), len("show users"))
	require.False(t, ok)
}

// Behind the echo of a code there is never a part of it.
func FuzzNoCodeIsLeftOfAnEcho(f *testing.F) {
	f.Add("482915", 3, byte(0))
	f.Add("007294", 6, byte(1))
	f.Add("1", 0, byte(2))
	f.Fuzz(func(t *testing.T, digits string, at int, kind byte) {
		line, open, ok := pinLine("ada", []byte(digits))
		if !ok {
			return
		}
		text := string(line)
		switch kind % 3 {
		case 0:
			i := 1 + max(0, min(at, len(text)-2))
			text = text[:i] + "\n" + text[i:]
		case 1:
			text = text[:open] + strings.Repeat("*", len(digits))
		}
		rest, ok := withoutEcho([]byte(text+"\nthe answer\n"), line, open)
		require.True(t, ok)
		require.Equal(t, "the answer\n", string(rest))
	})
}
