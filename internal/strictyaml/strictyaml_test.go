package strictyaml_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/strictyaml"
)

type colour string

func (c *colour) UnmarshalText(b []byte) error {
	if string(b) != "red" {
		return errors.New("this colour is not known: use red")
	}
	*c = colour(b)
	return nil
}

type inner struct {
	Port  int           `yaml:"port"`
	Names []string      `yaml:"names"`
	Wait  time.Duration `yaml:"wait"`
	On    bool          `yaml:"on"`
	Ratio float64       `yaml:"ratio"`
	Paint colour        `yaml:"paint"`
}

type common struct {
	Level string `yaml:"level"`
}

type options struct {
	common `yaml:"-"`
	Common common           `yaml:",inline"`
	SIP    inner            `yaml:"sip"`
	Peers  map[string]inner `yaml:"peers"`
	List   []inner          `yaml:"list"`
	Small  uint8            `yaml:"small"`
	Less   int8             `yaml:"less"`
	Maybe  *inner           `yaml:"maybe"`
	Unread string           `yaml:"-"`
	Bare   string
}

func decode(text string) (options, *strictyaml.File, *strictyaml.Problem) {
	o := options{SIP: inner{Port: 5060}, Small: 7}
	f, p := strictyaml.Decode("star97.yaml", []byte(text), &o)
	return o, f, p
}

func TestWhatIsWrongIsSaidWithItsLine(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		line int
		says string
	}{
		"unknown key":                  {"sip:\n  port: 5\n  prot: 6\n", 3, `The key "prot" is not known here. Known keys here are: names, on, paint, port, ratio, wait.`},
		"unknown key, other case":      {"sip:\n  Port: 5\n", 2, `The key "Port" is not known here. Known keys here are: names, on, paint, port,`},
		"unknown key at the top":       {"# x\n\nspi:\n  port: 5\n", 3, `The key "spi" is not known here. Known keys here are: bare, less, level, list, maybe, peers, sip, small.`},
		"unknown key in a list":        {"list:\n- port: 1\n- prt: 2\n", 3, `The key "prt" is not known here. Known keys here are: names`},
		"unknown key in a map":         {"peers:\n  a:\n    port: 1\n  b:\n    x: 1\n", 5, `The key "x" is not known here. Known keys here are: names`},
		"unknown key below a pointer":  {"maybe:\n  x: 1\n", 2, `The key "x" is not known here. Known keys here are: names`},
		"key of a hidden field":        {"Unread: x\n", 1, `The key "Unread" is not known`},
		"unknown key, CR LF":           {"sip:\r\n  port: 1\r\n  prt: 3\r\n", 3, `"prt" is not known`},
		"double key":                   {"sip:\n  port: 5\n  port: 6\n", 3, `The key "port" stands here a second time; the first is in line 2. Remove one of the two.`},
		"double key at the top":        {"sip:\n  port: 1\n\nsip:\n  on: true\n", 4, `The key "sip" stands here a second time; the first is in line 1.`},
		"double key in braces":         {"sip: {port: 1, port: 2}\n", 1, `The key "port" stands here a second time`},
		"double key in a map":          {"peers:\n  a: {port: 1}\n  a: {port: 2}\n", 3, `The key "a" stands here a second time`},
		"text for a number":            {"sip:\n  port: five\n", 2, "This must be a whole number."},
		"fraction for a whole number":  {"sip:\n  port: 1.5\n", 2, "This must be a whole number. Write it without a decimal point."},
		"fraction in a list":           {"list:\n- port: 1\n- port: 1.0\n", 3, "This must be a whole number."},
		"plus sign of a number":        {"sip:\n  names:\n  - a\n  - +12125550100\n", 4, `Without quotation marks this is the number 12125550100. Write "+12125550100".`},
		"zero after a point":           {"sip:\n  port: 1\nlevel: 9.70\n", 3, `Without quotation marks this is the number 9.7. Write "9.70".`},
		"hexadecimal for a text":       {"level: 0x12\n", 1, `Without quotation marks this is the number 18. Write "0x12".`},
		"text for true":                {"sip:\n  on: maybe\n", 2, "This must be true or false."},
		"text for a fraction":          {"sip:\n  ratio: half\n", 2, "This must be a number."},
		"text for a list":              {"sip:\n  names: a\n", 2, "This must be a list, not a text."},
		"keys for a list":              {"list:\n  port: 1\n", 2, "This must be a list, not a group of keys."},
		"list for keys":                {"sip: [1]\n", 1, "This must be a group of keys, not a list. Write each key as `key: value`"},
		"list for the whole":           {"- a\n- b\n", 1, "This must be a group of keys, not a list."},
		"text for the whole":           {"just text\n", 1, "This must be a group of keys, not a text."},
		"number without unit":          {"sip:\n  wait: 5\n", 2, "This must be a length of time. Write a number with its unit, such as 30s, 5m or 1h."},
		"text for a length of time":    {"sip:\n  port: 1\n  wait: fast\n", 3, "This must be a length of time. Write a number with its unit"},
		"value that its type refuses":  {"sip:\n  port: 1\n  paint: blue\n", 3, "This colour is not known: use red. Correct the value."},
		"number too large":             {"sip:\n  on: true\nsmall: 300\n", 3, "The number is out of range: use 0 to 255."},
		"number below zero":            {"small: -1\n", 1, "The number is out of range: use 0 to 255."},
		"number too small":             {"less: -129\n", 1, "The number is out of range: use -128 to 127."},
		"number beyond all":            {"sip:\n  port: 99999999999999999999\n", 2, "The number is out of range."},
		"less indented":                {"sip:\n  port: 5\n on: true\n", 3, "This does not fit the indentation of the lines above. Give keys of one level the same number of spaces."},
		"more indented":                {"sip:\n  port: 5\n    on: true\n", 2, "A colon stands where none can be"},
		"tab":                          {"sip:\n  port: 1\n\ton: true\n", 3, "A tab stands in the indentation. Indent with spaces."},
		"no colon":                     {"sip:\n  port 5\n", 2, "This must be a group of keys, not a text."},
		"no colon after others":        {"sip:\n  port: 5\n  names:\n  - a\n  b\n", 5, "This is no `key: value`"},
		"two colons":                   {"level: a: b\n", 1, "A colon stands where none can be."},
		"list not closed":              {"sip:\n  names: [a, b\n", 2, "A list that begins with [ is not closed. Add the ]."},
		"quotation mark not closed":    {"sip:\n  port: 5\nlevel: \"x\n", 3, "A quotation mark is not closed."},
		"alias of nothing":             {"peers:\n  b: *zz\n", 2, `A text that begins with * must stand in quotation marks. Write "*zz".`},
		"star without quotation marks": {"level: x\nlist:\n- names: [*97]\n", 3, `quotation marks. Write "*97".`},
		"star as a key":                {"level: x\npeers:\n  a: {port: 1}\n  *: {port: 2}\n", 4, `A key that begins with * must stand in quotation marks. Write "*".`},
		"star as the first key":        {"peers:\n  *97: {port: 2}\n", 2, `A key that begins with * must stand in quotation marks. Write "*97".`},
		"star as a key in braces":      {"peers: {\"a\": {port: 1}, *: {port: 2}}\n", 1, `Write "*".`},
		"number sign in braces":        {"peers: {\"a\": {port: 1}, #: {port: 2}}\n", 1, `A key that begins with # must stand in quotation marks. Write "#".`},
		"after a byte order mark":      {"\uFEFFsmall: 1\nspi: 2\n", 2, `The key "spi" is not known`},
		"second document":              {"small: 1\n---\nsmall: 2\n", 3, "A second document begins here, after `---`. Keep one document in a file."},
		"not UTF-8":                    {"small: 1\nlevel: \xff\n", 2, "This is not UTF-8 text."},
		"zero byte":                    {"small: 1\n\nlevel: a\x00b\n", 3, "This is not UTF-8 text."},
	} {
		t.Run(name, func(t *testing.T) {
			_, f, p := decode(c.file)
			require.NotNil(t, p)
			require.Nil(t, f)
			require.Equal(t, c.line, p.Line, p.Text)
			require.Contains(t, p.Text+" "+p.Remedy, c.says)
			require.NotEmpty(t, p.Remedy)
			for _, foreign := range []string{"unmarshal", "Go ", "uint", "sequence", "mapping", "\n"} {
				require.NotContains(t, p.Text, foreign, "the words of the library")
			}
		})
	}
}

func TestAnEmptyFileLeavesTheDefaults(t *testing.T) {
	for _, file := range []string{"", "\n\n", "# only a comment\n", "---\n", "---\n# x\n", "sip:\n", "sip:\n  port:\n"} {
		o, f, p := decode(file)
		require.Nil(t, p, "%q", file)
		require.Equal(t, 5060, o.SIP.Port, "%q", file)
		require.EqualValues(t, 7, o.Small, "%q", file)
		require.Zero(t, f.Line("$.nothing"))
	}
}

func TestAGoodFileIsRead(t *testing.T) {
	o, _, p := decode("\uFEFF" + `---
level: debug
sip: &base
  port: 5070
  names: [a, "b"]
  wait: 1m30s
  on: true
  ratio: 2
  paint: red
peers:
  a: *base
  b: {ratio: 0.5}
list:
- port: 1
maybe: {port: 9}
bare: x
`)
	require.Nil(t, p)
	base := inner{Port: 5070, Names: []string{"a", "b"}, Wait: 90 * time.Second, On: true, Ratio: 2, Paint: "red"}
	require.Equal(t, options{
		Common: common{Level: "debug"}, SIP: base, Peers: map[string]inner{"a": base, "b": {Ratio: 0.5}},
		List: []inner{{Port: 1}}, Small: 7, Maybe: &inner{Port: 9}, Bare: "x",
	}, o)
}

func TestOwnersFindTheirLines(t *testing.T) {
	_, f, p := decode("# top\nsip:\n  port: 5\n  names:\n  - a\n  - b\nlist:\n- wait: 1s\n- wait: 2s\n")
	require.Nil(t, p)
	for path, line := range map[string]int{
		"$.sip.port": 3, "$.sip.names[1]": 6, "$.list[1].wait": 9, "$.sip.nothing": 0, "$.list[7]": 0, "not a path": 0,
	} {
		require.Equal(t, line, f.Line(path), path)
	}
	got := f.Problem("$.sip.port", "The port is taken.", "Choose another one.")
	require.Equal(t, "star97.yaml:3: The port is taken. Choose another one.", got.Error())
	require.Equal(t, 8, f.Problem("$.list[0].paint.tone", "", "").Line, "the nearest key above")
	require.Equal(t, "star97.yaml: The port is taken.", f.Problem("$.x", "The port is taken.", "").Error())
}

// The problems of a file on disk carry the name that they were given.
func TestTheFileIsNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(name, []byte("x: 1\n"), 0o600))
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	_, p := strictyaml.Decode(name, data, new(options))
	require.True(t, strings.HasPrefix(p.Error(), name+":1: "), p.Error())
}

// Whatever the file: either it is read or there is a problem with a sentence and
// a line that the file has.
func FuzzDecode(f *testing.F) {
	f.Add("sip:\n  port: 5\n")
	f.Add("sip:\n  wait: x\n  paint: y\nlist: [{port: 1.5}]\n")
	f.Add("a: &a [*a]\n---\nb")
	f.Fuzz(func(t *testing.T, text string) {
		var o options
		file, p := strictyaml.Decode("f", []byte(text), &o)
		if (file == nil) == (p == nil) {
			t.Fatalf("neither or both: %v %v", file, p)
		}
		if p == nil {
			return
		}
		if p.Text == "" || p.Remedy == "" || strings.ContainsAny(p.Text, "\n\r") {
			t.Fatalf("no sentence: %q %q", p.Text, p.Remedy)
		}
		if lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1; p.Line < 0 || p.Line > lines {
			t.Fatalf("line %d of %d: %s", p.Line, lines, p.Text)
		}
	})
}

func TestEachComplaintOfASectionIsUnderItsKey(t *testing.T) {
	require.NoError(t, strictyaml.Under("sip", nil))
	require.EqualError(t, strictyaml.Under("sip", errors.New("port is 0")), "sip.port is 0")
	two := errors.Join(errors.New("port is 0"), strictyaml.Under("tls", errors.Join(errors.New("file is empty"), errors.New("name is empty"))))
	require.EqualError(t, strictyaml.Under("sip", two), "sip.port is 0\nsip.tls.file is empty\nsip.tls.name is empty")
}
