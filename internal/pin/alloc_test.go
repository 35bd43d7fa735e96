package pin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func fullContext(t testing.TB) Context {
	return Context{Extension: "4350", Numbers: []string{"12015550143", "4915112345678"}, Current: parse(t, "606172")}
}

func TestTheEntryPathAllocatesNothing(t *testing.T) {
	p, c, code := DefaultPolicy(), fullContext(t), parse(t, "482915")
	require.Equal(t, Pass, p.Check(code, c), "the longest way through the rules")
	for name, f := range map[string]func(){
		"Check": func() { p.Check(code, c) },
		"Push, Len, Empty, Wipe": func() {
			var entry PIN
			for _, d := range []byte("482915") {
				_ = entry.Push(d)
			}
			if entry.Len() != 6 || entry.Empty() {
				panic("entry lost")
			}
			entry.Wipe()
		},
		"Equal":    func() { code.Equal(&c.Current) },
		"Stricter": func() { Stricter(p, Policy{MinLen: 8, OwnNumber: NotEqual}) },
		"Parse":    func() { _, _ = Parse("482915") },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

func BenchmarkCheck(b *testing.B) {
	p, c, code := DefaultPolicy(), fullContext(b), parse(b, "482915")
	b.ReportAllocs()
	for b.Loop() {
		p.Check(code, c)
	}
}

func BenchmarkPush(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var entry PIN
		_ = entry.Push('4')
	}
}

func BenchmarkLen(b *testing.B) {
	code := parse(b, "482915")
	b.ReportAllocs()
	for b.Loop() {
		code.Len()
	}
}
