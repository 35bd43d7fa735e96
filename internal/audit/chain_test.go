package audit

import (
	"encoding/json"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// chainOf makes a sealed chain of n records.
func chainOf(n int) (chain []Record) {
	var last Head
	for i := range n {
		r := Record{Time: time.Unix(int64(i+1), 0), Action: Login, Mailbox: "a1", Node: "n", CallID: "c"}
		r = r.Clean().Seal(last)
		chain, last = append(chain, r), r.Head()
	}
	return chain
}

func each(chain []Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range chain {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// reseal makes everything from i on right again, as somebody would who can write
// to the ledger and knows the form.
func reseal(chain []Record, i int) {
	last := chain[i-1].Head()
	for ; i < len(chain); i++ {
		chain[i] = chain[i].Seal(last)
		last = chain[i].Head()
	}
}

func TestAWholeChainHolds(t *testing.T) {
	chain := chainOf(10)
	head, err := Verify(each(chain), Head{})
	require.NoError(t, err)
	require.Equal(t, chain[9].Head(), head)
	_, err = Verify(each(chain), chain[4].Head())
	require.NoError(t, err, "against a head that was noted earlier")
	head, err = Verify(each(nil), Head{})
	require.NoError(t, err)
	require.Zero(t, head)
}

// A backup of 8 records is restored, which writes two; heads of later ones were noted.
func TestARestorationExplainsWhatIsMissing(t *testing.T) {
	before := chainOf(12)
	after := slices.Concat(before[:8], chainOf(6))
	after[8].Action, after[8].Stage = Restore, Intended
	after[9].Action, after[9].Stage = Restore, Ended
	reseal(after, 8)
	const restored = "; record 9 tells that a backup was restored"
	for name, c := range map[string]struct {
		chain []Record
		wants []Head
		says  string
	}{
		"the chain is shorter": {
			after[:10], []Head{before[3].Head(), before[11].Head()},
			"records 11 to 12 are missing: the chain was cut off after record 10, or before it and written on since" + restored,
		},
		"its own end is wanted too": {
			after[:10], []Head{after[9].Head(), before[11].Head()},
			"records 11 to 12 are missing: the chain was cut off after record 10, or before it and written on since" + restored,
		},
		"it was written on": {after, []Head{before[11].Head()}, "record 12 is not the one that was noted: the chain was rewritten at or before it" + restored},
		"cut off later": {
			after[:13], []Head{after[11].Head(), after[13].Head()},
			"records 14 to 14 are missing: the chain was cut off after record 13, or before it and written on since",
		},
		"no restoration": {
			before[:10], []Head{before[11].Head()},
			"records 11 to 12 are missing: the chain was cut off after record 10, or before it and written on since",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(each(c.chain), c.wants...)
			require.EqualError(t, err, c.says)
		})
	}
}

func TestABrokenChainNamesItsFirstBadRecord(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(chain []Record) []Record
		seq  uint64
		says string
	}{
		"edit":             {func(c []Record) []Record { c[3].Mailbox = "b2"; return c }, 4, "record 4 was altered"},
		"edit of the last": {func(c []Record) []Record { c[9].Result = 3; return c }, 10, "record 10 was altered"},
		"edit with a new hash": {func(c []Record) []Record {
			c[3].Mailbox = "b2"
			c[3] = c[3].Seal(c[2].Head())
			return c
		}, 5, "record 5 does not follow record 4"},
		"removal":           {func(c []Record) []Record { return slices.Delete(c, 3, 4) }, 4, "record 4 is missing: record 3 is followed by record 5"},
		"removal of many":   {func(c []Record) []Record { return slices.Delete(c, 3, 8) }, 4, "record 3 is followed by record 9"},
		"removal of first":  {func(c []Record) []Record { return c[1:] }, 1, "record 1 is missing"},
		"removal, numbered": {func(c []Record) []Record { c = slices.Delete(c, 3, 4); c[3].Seq = 4; return c }, 4, "record 4 was altered"},
		"doubled":           {func(c []Record) []Record { return slices.Insert(c, 3, c[2]) }, 3, "record 3 stands where record 4 belongs"},
		"swapped":           {func(c []Record) []Record { c[3], c[4] = c[4], c[3]; return c }, 4, "record 4 is missing"},
		"cut off":           {func(c []Record) []Record { return c[:7] }, 8, "records 8 to 10 are missing"},
		"emptied":           {func([]Record) []Record { return nil }, 1, "records 1 to 10 are missing"},
		"rewritten whole": {func(c []Record) []Record {
			c[3].Mailbox = "b2"
			reseal(c, 3)
			return c
		}, 10, "the chain was rewritten at or before it"},
	} {
		t.Run(name, func(t *testing.T) {
			chain := chainOf(10)
			want := chain[9].Head()
			_, err := Verify(each(c.harm(chain)), want)
			var b *Break
			require.ErrorAs(t, err, &b)
			require.Equal(t, c.seq, b.Seq, b.What)
			require.Contains(t, b.What, c.says)
		})
	}
}

func TestAnUnreadableRecordIsNoBreak(t *testing.T) {
	broken := errors.New("disk error")
	_, err := Verify(func(yield func(Record, error) bool) { yield(Record{}, broken) }, Head{})
	require.ErrorIs(t, err, broken)
}

// Every field but Hash is under the hash: a new field that is forgotten in sum
// fails here.
func TestEveryFieldIsUnderTheHash(t *testing.T) {
	for i := range reflect.TypeFor[Record]().NumField() {
		name := reflect.TypeFor[Record]().Field(i).Name
		if name == "Hash" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := chainOf(1)[0]
			before := r.sum()
			switch f := reflect.ValueOf(&r).Elem().Field(i); f.Kind() {
			case reflect.String:
				f.SetString(f.String() + "x")
			case reflect.Uint8, reflect.Uint64:
				f.SetUint(f.Uint() + 1)
			case reflect.Array:
				f.Index(31).SetUint(1)
			default:
				f.Set(reflect.ValueOf(r.Time.Add(time.Microsecond)))
			}
			require.NotEqual(t, before, r.sum())
		})
	}
}

// Moving text from one field to the next is another record.
func TestFieldsDoNotRunTogether(t *testing.T) {
	a, b := Record{Form: formFirst, Peer: "ab", Transport: "c"}, Record{Form: formFirst, Peer: "a", Transport: "bc"}
	require.NotEqual(t, a.sum(), b.sum())
}

// The forms under the hash are fixed: chains on disk are checked by later versions.
func TestTheSealIsKept(t *testing.T) {
	r := Record{
		Time: time.Date(2026, 2, 3, 11, 0, 0, 123456000, time.UTC), Node: "node-1", Peer: "pbx", Transport: "udp",
		Source: "192.0.2.1 +15550100", CallID: "a84b4c76e66710", Door: 2, Backend: "sqlite", Domain: "example.org",
		Mailbox: "a1", Extension: "4001", Action: Change, Stage: Ended, Outcome: 2, Result: 11, Rule: "same-run",
		Actor: "root", Reason: "because", Policy: "strong/1", Intent: "i",
	}.Seal(Head{Seq: 41, Hash: Hash{1}})
	r.Form = formFirst
	require.Equal(t, "506abbaca14f4cfae8bd445c6d4629d255398f7f061dcd9740d8c00433a4bd85", r.sum().String())
	r.Form, r.Claim, r.Until, r.Target = formClaims, 1, time.UnixMicro(1_800_000_000_000_001), "operator"
	require.Equal(t, "9c9dd916e4163acabc9fccd02b87a520b82bfe7b65ef2744129f4e9b4407185b", r.sum().String())
}

// Whoever writes into the columns that an old record's hash knows nothing of has
// altered it, and so has who calls a record one of another form.
func TestAFormCoversItsFieldsAndNoOthers(t *testing.T) {
	old := chainOf(3)
	old[1].Form = formFirst
	old[1].Hash = old[1].sum()
	old[2].Prev = old[1].Hash
	old[2].Hash = old[2].sum()
	_, err := Verify(each(old), Head{})
	require.NoError(t, err, "records of all forms stand in one chain")
	for name, c := range map[string]struct {
		at   int
		harm func(*Record)
	}{
		"claim":      {1, func(r *Record) { r.Claim = 1 }},
		"until":      {1, func(r *Record) { r.Until = time.Unix(1, 0) }},
		"target":     {1, func(r *Record) { r.Target = "x" }},
		"older form": {2, func(r *Record) { r.Form = formFirst }},
		"newer form": {1, func(r *Record) { r.Form = formClaims }},
		"next form":  {2, func(r *Record) { r.Form = formNow + 1 }},
		"no form":    {2, func(r *Record) { r.Form = 0 }},
		"no form, and a hash for it": {2, func(r *Record) {
			r.Form = 0
			r.Hash = r.sum()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			chain := slices.Clone(old)
			c.harm(&chain[c.at])
			_, err := Verify(each(chain), Head{})
			var b *Break
			require.ErrorAs(t, err, &b)
			require.EqualValues(t, c.at+1, b.Seq)
			require.Contains(t, b.What, "was altered")
		})
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		"a\r\nb\tc\x00d\x7fe":          "abcde",
		"esc\x1b[31mred":               "esc[31mred",
		"right\u202eto left\u2028next": "rightto leftnext",
		"zero\u200bwidth":              "zerowidth",
		"bad \xff utf":                 "bad \uFFFD utf",
		"Jürgen Müller 佐藤":             "Jürgen Müller 佐藤",
		"1234567890123456789012345":    "1234567890123456789…",
	} {
		require.Equal(t, want, clean(in, 20))
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x00b\u202e", 5)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 1 + most&127
		got := clean(s, most)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, utf8.RuneCountInString(got), most)
		require.Equal(t, -1, strings.IndexFunc(got, unicode.IsControl))
		require.Equal(t, got, clean(got, most), "what is clean stays as it is")
	})
}

func TestTextsFromOutsideAreBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	r := Record{}
	for _, s := range r.texts() {
		*s.text = long
	}
	r = r.Clean()
	told, err := json.Marshal(r)
	require.NoError(t, err)
	require.Less(t, len(told), 2500)
	require.Len(t, r.texts(), textFields(), "each text field is cleaned and hashed")
}

func textFields() (n int) {
	for i := range reflect.TypeFor[Record]().NumField() {
		if reflect.TypeFor[Record]().Field(i).Type.Kind() == reflect.String {
			n++
		}
	}
	return n
}

func TestHashText(t *testing.T) {
	h := chainOf(1)[0].Hash
	var back Hash
	require.NoError(t, back.UnmarshalText([]byte(h.String())))
	require.Equal(t, h, back)
	require.ErrorContains(t, back.UnmarshalText([]byte("ab")), "64 hexadecimal digits, not 2")
	require.Error(t, back.UnmarshalText([]byte(strings.Repeat("z", 64))))
}

func TestNodeName(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	for _, bad := range []string{"", "a\nb", strings.Repeat("x", 65)} {
		require.ErrorContains(t, Options{Node: bad}.Validate(), "use a name of 1 to 64 characters")
	}
}
