package pin

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// shows are the general ways by which a value gets into an output.
var shows = map[string]func(v any) string{
	"json": func(v any) string { b, err := json.Marshal(v); return fmt.Sprint(string(b), err) },
	"xml":  func(v any) string { b, err := xml.Marshal(v); return fmt.Sprint(string(b), err) },
	"yaml": func(v any) string { b, err := yaml.Marshal(v); return fmt.Sprint(string(b), err) },
	"gob": func(v any) string {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return fmt.Sprint(b.String(), err)
	},
	"slog text": func(v any) string {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		return b.String()[strings.Index(b.String(), "msg="):]
	},
	"slog json": func(v any) string {
		var b bytes.Buffer
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		return b.String()[strings.Index(b.String(), `"msg"`):]
	},
	"errorf": func(v any) string { return fmt.Errorf("code %v: %w", v, ErrTooLong).Error() },
}

func init() {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%c", "%U", "%o", "%b", "%08d", "%t", "%T", "%!"} {
		shows[verb] = func(v any) string { return fmt.Sprintf(verb, v) }
	}
}

// What the methods of PIN cover: the output is the same whatever the code.
func TestEveryCodePrintsTheSame(t *testing.T) {
	type record struct {
		Code PIN
		Next PIN `json:"next" yaml:"next"`
	}
	for name, show := range shows {
		t.Run(name, func(t *testing.T) {
			for kind, wrap := range map[string]func(PIN) any{
				"value":       func(p PIN) any { return p },
				"slice":       func(p PIN) any { return []PIN{p, p} },
				"map":         func(p PIN) any { return map[string]PIN{"code": p} },
				"interface":   func(p PIN) any { return []any{p} },
				"open fields": func(p PIN) any { return record{p, p} },
			} {
				want := show(wrap(parse(t, "739164820517")))
				require.NotContains(t, want, "739164820517")
				if strings.Contains(want, "0x") {
					continue // an address or %#v's byte array: covered by the next test
				}
				require.Equal(t, want, show(wrap(parse(t, "59"))), kind)
			}
		})
	}
}

// hiding holds codes where package fmt reads their bytes by reflection.
type hiding struct {
	code PIN
	next *PIN
	all  []PIN
}

// What no method covers: the bytes themselves must say nothing. The forms below
// are those in which printing bytes could show a digit.
func TestReflectionShowsNeitherDigitsNorLength(t *testing.T) {
	const long, short = "739164820517", "59"
	forms := map[string]*regexp.Regexp{
		"text":               regexp.MustCompile(`739164|715028`),
		"ASCII in decimal":   regexp.MustCompile(`55\D+51\D+57\D+49|49\D+53\D+48\D+50`),
		"ASCII in hex":       regexp.MustCompile(`(?i)37\W*(0x)?33\W*(0x)?39`),
		"values in decimal":  regexp.MustCompile(`\b7\D+3\D+9\D+1\D+6\b`),
		"values in hex":      regexp.MustCompile(`07\W*(0x)?03\W*(0x)?09`),
		"reversed, in ASCII": regexp.MustCompile(`55\D+49\D+53\D+48`),
	}
	numbers := regexp.MustCompile(`\d+`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%s", "%q", "%c", "%p"} {
		t.Run(verb, func(t *testing.T) {
			print := func(s string) string {
				p := parse(t, s)
				return fmt.Sprintf(verb, hiding{code: p, next: &p, all: []PIN{p}})
			}
			for form, pattern := range forms {
				require.False(t, alwaysShows(pattern, func() string { return print(long) }), form)
			}
			if verb == "%d" {
				require.Len(t, numbers.FindAllString(print(short), -1), len(numbers.FindAllString(print(long), -1)))
			}
		})
	}
}

// alwaysShows tells whether a pattern is in what is printed under each of some keys: under one
// it may be there by chance.
func alwaysShows(pattern *regexp.Regexp, print func() string) bool {
	defer func(k [keySize]byte) { key = k }(key)
	for range 8 {
		key = newKey()
		if !pattern.MatchString(print()) {
			return false
		}
	}
	return true
}

func differing(a, b PIN) (n int) {
	x, y := append(a.tag[:], a.box[:]...), append(b.tag[:], b.box[:]...)
	for i := range x {
		if x[i] != y[i] {
			n++
		}
	}
	return n
}

// Two sealed codes have nothing in common: of 48 bytes, chance makes under one equal.
func TestSealedCodesHaveNothingInCommon(t *testing.T) {
	const nearlyAll = tagSize + boxSize - 8
	entry := PIN{}
	require.NoError(t, entry.Push('4'))
	for range 20 {
		before := entry
		require.NoError(t, entry.Push('4'))
		require.Greater(t, differing(before, entry), nearlyAll, "an entry before and after a key")
	}
	require.Greater(t, differing(parse(t, "482915"), parse(t, "482916")), nearlyAll, "one digit differs")
	require.Zero(t, differing(parse(t, "482915"), parse(t, "482915")), "sealing is a function of the digits")

	repeated := parse(t, strings.Repeat("1", MaxDigits))
	seen := map[byte]int{}
	for _, b := range repeated.box {
		seen[b]++
	}
	require.Greater(t, len(seen), 20, "equal digits must not look equal")
}
