package sqldb

import (
	"testing"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
)

// What the database adds to a hash that costs next to nothing.

func BenchmarkVerify(b *testing.B) {
	s := openStore(b, cheapOptions(b.TempDir()))
	code := conformance.Code(b, "482915")
	a := add(b, s, mailbox.Account{Extension: "4001"}, code)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Verify(b.Context(), a, code, at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChange(b *testing.B) {
	s := openStore(b, cheapOptions(b.TempDir()))
	codes := [2]string{"482915", "739164"}
	a := add(b, s, mailbox.Account{Extension: "4001"}, conformance.Code(b, codes[0]))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if r := s.Change(b.Context(), a, conformance.Code(b, codes[n%2]), conformance.Code(b, codes[(n+1)%2]), at); r.Outcome != mailbox.Done {
			b.Fatal(r.Err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s := openStore(b, cheapOptions(b.TempDir()))
	add(b, s, mailbox.Account{Extension: "4001"}, conformance.Code(b, "482915"))
	b.ReportAllocs()
	for b.Loop() {
		if found, err := s.Lookup(b.Context(), mailbox.Query{Number: "4001"}); err != nil || len(found) != 1 {
			b.Fatal(found, err)
		}
	}
}
