package strictyaml_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/strictyaml"
)

func TestEveryProblemIsToldAndTheRestIsRead(t *testing.T) {
	o := options{SIP: inner{Port: 5060, Ratio: 1}, Small: 7}
	f, problems := strictyaml.DecodeAll("star97.yaml", []byte(`sip:
  port: five
  prot: 6
  names: [a, b]
  ratio: half
peers:
  a: {port: 1, wait: soon, on: true}
  b: [1]
list:
- port: 1
- {port: 2, names: {x: y}}
- 3
small: 300
level: 0x12
level2: x
bare: "well"
`), &o)
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	require.Equal(t, []int{2, 3, 5, 7, 8, 11, 12, 13, 14, 15}, lines, "%v", problems)
	require.Equal(t, 5060, o.SIP.Port)
	require.Equal(t, []string{"a", "b"}, o.SIP.Names)
	require.EqualValues(t, 1, o.SIP.Ratio)
	require.Equal(t, inner{Port: 1, On: true}, o.Peers["a"])
	require.EqualValues(t, 7, o.Small)
	require.Equal(t, "well", o.Bare)

	told := func(path string) int {
		return len(strictyaml.Sound([]strictyaml.Problem{f.Problem(path, "It is wrong.", "")}))
	}
	for path, want := range map[string]int{
		"$.sip.names": 1, "$.sip.names[1]": 1, "$.bare": 1, "$.peers.a.port": 1, "$.maybe": 1,
		"$.sip.port": 0, "$.sip": 0, "$.peers.a.wait": 0, "$.peers.'b'": 0, "$.peers.b[0]": 0, "$.list[1].names": 0, "$.list[2]": 0,
		"$.small": 0, "$.sip.paint": 0, // it may be what prot was meant for
	} {
		require.Equal(t, want, told(path), path)
	}
	require.Equal(t, 4, f.Line("$.sip.names"), "where it stands, whatever was left out")
}

func TestWhatCannotBeReadAtAllIsOneProblem(t *testing.T) {
	for _, text := range []string{"sip: [1\n", "- a\n", "a: b: c\n", "\xff", "small: 1\n---\nsmall: 2\n"} {
		_, problems := strictyaml.DecodeAll("star97.yaml", []byte(text), new(options))
		require.Len(t, problems, 1, text)
	}
	many := "sip:\n"
	for i := range 1000 {
		many += fmt.Sprintf("  key%d: 1\n", i)
	}
	_, problems := strictyaml.DecodeAll("star97.yaml", []byte(many), new(options))
	require.Len(t, problems, 50, "more are of no use to anybody")
}
