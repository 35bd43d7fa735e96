package dtmf

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// endless feeds one decoder a code over and over, with rising times.
type endless struct {
	packets []tx
	reports []Report
	decoder EventDecoder
	merge   Merge
	i       int
	round   time.Duration
}

func newEndless() *endless {
	return &endless{packets: joined(new(phone).presses("1122334455667788")...), reports: make([]Report, 0, MaxReports)}
}

// step decodes and merges the next packet; it returns the number of digits.
func (e *endless) step() int {
	p := &e.packets[e.i]
	if e.i++; e.i == len(e.packets) {
		e.i = 0
		e.round += 10 * time.Second
	}
	q := p.Packet
	q.TS += ticks(e.round, 8000)
	q.Seq += uint16(slot(e.round))
	e.reports = e.decoder.Decode(q, e.round+p.at, e.reports[:0])
	digits := 0
	for _, r := range e.reports {
		if _, ok := e.merge.Accept(r); ok {
			digits++
		}
	}
	return digits
}

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	e := newEndless()
	digits := 0
	const runs = 10000
	require.Zero(t, testing.AllocsPerRun(runs, func() { digits += e.step() }))
	// AllocsPerRun calls once more to warm up.
	require.InDelta(t, float64(runs+1)/8, digits, 2, "all of it was decoded")

	red := packRED(redBlock{101, 1600, payload('1', true, 800)}, redBlock{101, 0, payload('2', false, 160)})
	reports := make([]Report, 0, MaxReports)
	var d EventDecoder
	var seq uint16
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		seq += 10
		reports = d.DecodeRED(Packet{Seq: seq, TS: uint32(seq) * 160, Payload: red}, 101, 0, time.Duration(seq)*20*ms, reports[:0])
	}))
	require.NotZero(t, d.Stats().Events)
}

func TestInfoIsReadWithoutAllocation(t *testing.T) {
	body := []byte("Signal=5\r\nDuration=160\r\n")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, _, err := ParseInfo(InfoRelay, body); err != nil {
			panic(err)
		}
	}))
}

// No packet makes more reports than MaxReports.
func TestReportsOfOnePacketAreBounded(t *testing.T) {
	var d EventDecoder
	d.Decode(Packet{Payload: payload('9', false, 160)}, 0, nil)
	var packed []byte
	for i := range 300 {
		packed = append(packed, payload(keys[i%10], true, 800)...)
	}
	got := d.Decode(Packet{Seq: 1, TS: 800, Payload: packed}, time.Second, nil)
	require.Len(t, got, 1+2*maxPacked)
	require.LessOrEqual(t, len(got), MaxReports)
	require.EqualValues(t, 1, d.Stats().Bad)
}

func BenchmarkEventDecoder(b *testing.B) {
	b.Run("packet", func(b *testing.B) {
		e := newEndless()
		b.ReportAllocs()
		for b.Loop() {
			e.step()
		}
	})
	for _, c := range []struct {
		name   string
		packet Packet
	}{
		{"update", Packet{Payload: payload('5', false, 160)}},
		{"unknown key each time", Packet{Payload: payload('5', true, 160)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var d EventDecoder
			reports := make([]Report, 0, MaxReports)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := c.packet
				p.Seq = uint16(i)
				if c.name != "update" {
					p.TS = uint32(i) * 8000
				}
				reports = d.Decode(p, time.Duration(i)*ms, reports[:0])
			}
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	for _, source := range []Source{FromEvent, FromTone} {
		b.Run(fmt.Sprint(source), func(b *testing.B) {
			var m Merge
			m.Accept(report(Down, FromEvent, '1', 0))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := time.Duration(i) * time.Second
				m.Accept(Report{Kind: Down, Source: source, Digit: Digit(i % 10), At: at})
				m.Accept(Report{Kind: Up, Source: source, Digit: Digit(i % 10), At: at + 100*ms})
			}
		})
	}
}
