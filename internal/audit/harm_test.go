package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// varied is a sealed chain of n records that differ, of both forms.
func varied(n int) (chain []Record) {
	dice := rand.New(rand.NewPCG(1, uint64(n)))
	var last Head
	for i := range n {
		r := Record{
			Time: time.UnixMicro(1_770_116_400_000_000 + int64(i)*1003), Node: "node-1", Peer: "pbx", Source: fmt.Sprintf("192.0.2.%d <%d>", i%250, i),
			Mailbox: fmt.Sprint("a", dice.IntN(50)), Action: Action(1 + dice.IntN(len(Actions()))), Door: mailbox.Door(dice.IntN(3)),
			Result: mailbox.Code(dice.IntN(len(mailbox.Codes()))), Reason: "Jürgen & \u2028 \"co\"", Claim: mailbox.Claim(dice.IntN(3)),
		}
		if i%3 == 0 {
			r.Until, r.Target = r.Time.Add(time.Hour), "operator"
		}
		r = r.Clean().Seal(last)
		if i%4 == 1 { // of an older star97
			r.Form, r.Claim, r.Until, r.Target = formFirst, 0, time.Time{}, ""
			r.Hash = r.sum()
		}
		chain, last = append(chain, r), r.Head()
	}
	return chain
}

// harm is done to record i; j is another one behind it.
type harm struct {
	name string
	do   func(chain []Record, i, j int) []Record
	says func(i, j, n int) (seq int, words string)
}

var harms = []harm{
	{"edit", func(c []Record, i, _ int) []Record { c[i].Reason += "x"; return c },
		func(i, _, _ int) (int, string) { return i + 1, fmt.Sprintf("record %d was altered", i+1) }},
	{"edit with its own hash made anew", func(c []Record, i, _ int) []Record {
		c[i].Reason += "x"
		c[i].Hash = c[i].sum()
		return c
	}, func(i, _, n int) (int, string) {
		if i+1 == n {
			return n, fmt.Sprintf("record %d is not the one that was noted", n)
		}
		return i + 2, fmt.Sprintf("record %d does not follow record %d", i+2, i+1)
	}},
	{"removal", func(c []Record, i, _ int) []Record { return slices.Delete(c, i, i+1) },
		func(i, _, n int) (int, string) {
			if i+1 == n {
				return n, fmt.Sprintf("records %d to %d are missing", n, n)
			}
			return i + 1, fmt.Sprintf("record %d is missing", i+1)
		}},
	{"swap", func(c []Record, i, j int) []Record { c[i], c[j] = c[j], c[i]; return c },
		func(i, _, _ int) (int, string) { return i + 1, fmt.Sprintf("record %d is missing", i+1) }},
	{"swap with their numbers", func(c []Record, i, j int) []Record {
		c[i], c[j] = c[j], c[i]
		c[i].Seq, c[j].Seq = c[j].Seq, c[i].Seq
		return c
	}, func(i, _, _ int) (int, string) { return i + 1, fmt.Sprintf("record %d was altered", i+1) }},
	{"truncation", func(c []Record, i, _ int) []Record { return c[:i] },
		func(i, _, n int) (int, string) { return i + 1, fmt.Sprintf("records %d to %d are missing", i+1, n) }},
	{"truncation and other records instead", func(c []Record, i, _ int) []Record {
		var last Head
		if c = c[:i]; i > 0 {
			last = c[i-1].Head()
		}
		for range cap(c) - len(c) {
			r := Record{Action: Login}.Seal(last)
			c, last = append(c, r), r.Head()
		}
		return c
	}, func(_, _, n int) (int, string) { return n, fmt.Sprintf("record %d is not the one that was noted", n) }},
}

func (h harm) found(t *testing.T, whole []Record, i, j int) {
	t.Helper()
	n := len(whole)
	chain := h.do(append(make([]Record, 0, n), whole...), i, j)
	_, err := Verify(each(chain), whole[n-1].Head())
	var b *Break
	require.ErrorAs(t, err, &b, "%s at %d, %d", h.name, i, j)
	seq, words := h.says(i, j, n)
	require.EqualValues(t, seq, b.Seq, "%s at %d, %d: %s", h.name, i, j, b.What)
	require.Contains(t, b.What, words, "%s at %d, %d", h.name, i, j)
}

func (h harm) needsTwo() bool { return strings.HasPrefix(h.name, "swap") }

func TestHarmAtEveryPlaceOfASmallChainIsNamed(t *testing.T) {
	whole := varied(12)
	for _, h := range harms {
		for i := range whole {
			for j := i + 1; j < len(whole) || !h.needsTwo() && j == len(whole); j++ {
				h.found(t, whole, i, j)
			}
		}
	}
}

func TestHarmAtRandomPlacesOfALargeChainIsNamed(t *testing.T) {
	whole := varied(2000)
	dice := rand.New(rand.NewPCG(5, 7))
	for _, h := range harms {
		for range 6 {
			i := dice.IntN(len(whole) - 1)
			h.found(t, whole, i, i+1+dice.IntN(len(whole)-1-i))
		}
	}
}

// Every field of every record counts, whatever is written into it.
func TestAnEditOfAnyFieldIsNamed(t *testing.T) {
	whole := varied(8)
	for i := range whole {
		for f := range reflect.TypeFor[Record]().NumField() {
			chain := slices.Clone(whole)
			switch v := reflect.ValueOf(&chain[i]).Elem().Field(f); v.Kind() {
			case reflect.String:
				v.SetString(v.String() + "x")
			case reflect.Uint8, reflect.Uint64:
				v.SetUint(v.Uint() ^ 1)
			case reflect.Array:
				v.Index(7).SetUint(v.Index(7).Uint() ^ 1)
			default:
				v.Set(reflect.ValueOf(chain[i].Time.Add(time.Microsecond)))
			}
			_, err := Verify(each(chain), whole[7].Head())
			var b *Break
			require.ErrorAs(t, err, &b)
			require.Contains(t, []uint64{uint64(i), uint64(i + 1)}, b.Seq, reflect.TypeFor[Record]().Field(f).Name)
		}
	}
}

func TestHeadsThatWereKept(t *testing.T) {
	whole := varied(30)
	heads := func(chain []Record, at ...int) (all []Head) {
		for _, i := range at {
			all = append(all, chain[i].Head())
		}
		return all
	}
	_, err := Verify(each(whole), append(heads(whole, 29, 3, 3, 12), Head{})...)
	require.NoError(t, err, "in any order, doubled, and that of the empty chain")
	rewritten := slices.Clone(whole)
	rewritten[10].Mailbox = "b2"
	reseal(rewritten, 10)
	_, err = Verify(each(rewritten), heads(whole, 3, 29, 20, 9)...)
	require.ErrorContains(t, err, "record 21 is not the one that was noted", "the first of them that differs")
	_, err = Verify(each(whole[:15]), heads(whole, 3, 20, 29)...)
	require.ErrorContains(t, err, "records 16 to 30 are missing: the chain was cut off after record 15")

	from := whole[14].Head()
	last, err := VerifyAfter(from, each(whole[15:]), heads(whole, 14, 20)...)
	require.NoError(t, err)
	require.Equal(t, whole[29].Head(), last)
	_, err = VerifyAfter(Head{15, Hash{1}}, each(whole[15:]))
	require.ErrorContains(t, err, "record 16 does not follow record 15")
	_, err = VerifyAfter(from, each(whole[15:]), Head{15, Hash{1}})
	require.ErrorContains(t, err, "record 15 is not the one that was noted")
	_, err = VerifyAfter(from, each(whole[16:]))
	require.ErrorContains(t, err, "record 16 is missing")
}

func export(t testing.TB, chain []Record) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, r := range chain {
		require.NoError(t, r.WriteLine(&out))
	}
	return out.Bytes()
}

func read(text []byte) (chain []Record, err error) {
	for r, err := range ReadLines(bytes.NewReader(text)) {
		if err != nil {
			return chain, err
		}
		chain = append(chain, r)
	}
	return chain, nil
}

func TestAnExportComesBackAsItWas(t *testing.T) {
	whole := varied(200)
	back, err := read(export(t, whole))
	require.NoError(t, err)
	require.Equal(t, whole, back)
	_, err = Verify(each(back), whole[199].Head())
	require.NoError(t, err)
}

// No byte of an export can be another one.
func TestEveryByteOfAnExportCounts(t *testing.T) {
	t.Parallel()
	whole := varied(2)
	text := export(t, whole)
	for i := range text {
		for _, bit := range []byte{1, 32} { // upper and lower case too
			harmed := bytes.Clone(text)
			harmed[i] ^= bit
			_, err := Verify(ReadLines(bytes.NewReader(harmed)), whole[1].Head())
			require.Error(t, err, "%q is now %q", text[max(0, i-20):i+1], harmed[i])
		}
	}
	for i := range text {
		_, err := Verify(ReadLines(bytes.NewReader(text[:i])), whole[1].Head())
		require.Error(t, err, "cut off at byte %d", i)
	}
}

func TestALineThatIsNoneOfOursIsNamed(t *testing.T) {
	whole := varied(3)
	lines := bytes.SplitAfter(export(t, whole), []byte("\n"))[:3]
	var fields map[string]any
	require.NoError(t, json.Unmarshal(lines[1], &fields))
	sorted, err := json.Marshal(fields)
	require.NoError(t, err)
	for name, c := range map[string]struct{ line, says string }{
		"no JSON":             {"record 2\n", "line 2 of the export, where record 2 belongs, is no record"},
		"an empty line":       {"\n", "is no record"},
		"other order":         {string(sorted) + "\n", "is not as star97 writes it"},
		"a space more":        {strings.Replace(string(lines[1]), ",", ", ", 1), "is not as star97 writes it"},
		"a field more":        {strings.Replace(string(lines[1]), "{", `{"x":1,`, 1), "is not as star97 writes it"},
		"a field twice":       {strings.Replace(string(lines[1]), "{", `{"seq":9,`, 1), "is not as star97 writes it"},
		"a newline of DOS":    {strings.Replace(string(lines[1]), "\n", "\r\n", 1), "is not as star97 writes it"},
		"another time zone":   {strings.Replace(string(lines[1]), `Z","node`, `+00:00","node`, 1), "is not as star97 writes it"},
		"finer time":          {strings.Replace(string(lines[1]), `Z","node`, `9Z","node`, 1), "is not as star97 writes it"},
		"an unknown word":     {strings.Replace(string(lines[1]), `"stage":"whole"`, `"stage":"part"`, 1), "is no record"},
		"a number for a word": {strings.Replace(string(lines[1]), `"stage":"whole"`, `"stage":0`, 1), "is no record"},
		"endless":             {strings.Repeat("x", 2*maxLine) + "\n", "is longer than any record"},
		"half":                {string(lines[1][:50]), ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := slices.Concat(lines[0], []byte(c.line), lines[2])
			_, err := read(text)
			var b *Break
			require.ErrorAs(t, err, &b)
			require.EqualValues(t, 2, b.Seq)
			require.Contains(t, b.What, c.says)
		})
	}
	_, err = read(slices.Concat(lines[0], lines[1][:50]))
	require.ErrorContains(t, err, "line 2 of the export, where record 2 belongs, is cut off: the file ends within it")
}

func TestAnExportThatCannotBeReadIsNotBroken(t *testing.T) {
	in := io.MultiReader(bytes.NewReader(export(t, varied(1))), unreadable{})
	_, err := Verify(ReadLines(in))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	var b *Break
	require.NotErrorAs(t, err, &b)
}

type unreadable struct{}

func (unreadable) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Whatever is read and holds is, byte for byte, what star97 would write of it.
func FuzzLines(f *testing.F) {
	whole := export(f, varied(3))
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.Replace(whole, []byte(`"door"`), []byte(`"DOOR"`), 1))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var back []Record
		taken := func(yield func(Record, error) bool) {
			for r, err := range ReadLines(bytes.NewReader(text)) {
				back = append(back, r)
				if !yield(r, err) {
					return
				}
			}
		}
		if _, err := Verify(taken); err == nil {
			require.Equal(t, string(text), string(export(t, back)))
		}
	})
}

func TestHeadText(t *testing.T) {
	h := varied(3)[2].Head()
	var back Head
	require.NoError(t, back.UnmarshalText([]byte(h.String())))
	require.Equal(t, h, back)
	for _, bad := range []string{"", "3", ":" + h.Hash.String(), "-1:" + h.Hash.String(), "03:" + h.Hash.String(), "+3:" + h.Hash.String(), "3:ab",
		"9223372036854775808:" + h.Hash.String(), h.String() + " "} {
		require.Error(t, back.UnmarshalText([]byte(bad)), bad)
	}
}

func BenchmarkVerify(b *testing.B) {
	chain := varied(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(each(chain)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}

func BenchmarkReadLines(b *testing.B) {
	text := export(b, varied(1000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
