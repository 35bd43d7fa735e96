package ledger

import (
	"context"
	"testing"
	"time"

	"star97/internal/audit"
	"star97/internal/lockout"
)

func count(c []lockout.Counter) bool {
	for i := range c {
		c[i].Tries++
		c[i].Last = time.Unix(int64(c[i].Tries), 0)
	}
	return true
}

var tryKeys = []string{"source-any:pbx\n192.0.2.1 4001", "any:sqlite\na1", "own:sqlite\na1", "both:sqlite\na1"}

// One caller: each commit is paid alone.
func BenchmarkUpdate(b *testing.B) {
	l := open(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Update(context.Background(), tryKeys, count); err != nil {
			b.Fatal(err)
		}
	}
}

// Sixty-four callers share commits.
func BenchmarkUpdateShared(b *testing.B) {
	l := open(b)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Update(context.Background(), tryKeys, count); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l := open(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(context.Background(), audit.Record{Action: audit.Login}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendShared(b *testing.B) {
	l := open(b)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(context.Background(), audit.Record{Action: audit.Login}); err != nil {
				b.Error(err)
			}
		}
	})
}
