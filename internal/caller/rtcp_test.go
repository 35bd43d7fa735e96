package caller

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// exchange carries one report from a telephone to another one.
func exchange(t *testing.T, from *reports, sent sending, heard hearing, at time.Time, to *reports, ours uint32, trip time.Duration) *rtcp.SenderReport {
	raw, err := from.compose(at, sent, heard)
	require.NoError(t, err)
	packets, err := rtcp.Unmarshal(raw)
	require.NoError(t, err)
	require.IsType(t, &rtcp.SourceDescription{}, packets[1], "RFC 3550 section 6.1")
	for _, p := range packets {
		to.far.take(p, at.Add(trip), ours)
	}
	return packets[0].(*rtcp.SenderReport)
}

func TestReportsTellBothSidesWhatTheOtherHears(t *testing.T) {
	const ours, theirs = 7, 9
	const way = 30 * time.Millisecond
	for start := range 16 {
		var we, they reports
		now := time.Date(2036, 2, 7, 6, 28, start, 0, time.UTC) // the NTP era ends at 6:28:16
		highest := int64(1<<16 + 65528 + start)
		require.Empty(t, exchange(t, &we, sending{ssrc: ours, packets: 100, octets: 16000, timestamp: 800}, hearing{}, now, &they, theirs, way).Reports, "nothing was heard")
		require.False(t, they.far.told)
		now = now.Add(2 * time.Second)
		sr := exchange(t, &they, sending{ssrc: theirs}, hearing{ssrc: ours, highest: highest, lost: 5, jitter: 3 * time.Millisecond}, now, &we, ours, way)
		require.EqualValues(t, highest, sr.Reports[0].LastSequenceNumber)
		require.True(t, we.far.told)
		require.EqualValues(t, 5, we.far.lost)
		require.Equal(t, 3*time.Millisecond, we.far.jitter)
		require.InDelta(t, float64(2*way), float64(we.far.trip), float64(40*time.Microsecond), "from LSR and DLSR, in units of 15 us")
		require.Zero(t, sr.Reports[0].FractionLost, "nobody knows since when")
		sr = exchange(t, &they, sending{ssrc: theirs}, hearing{ssrc: ours, highest: highest + 100, lost: 30}, now.Add(5*time.Second), &we, ours, way)
		require.EqualValues(t, 64, sr.Reports[0].FractionLost, "25 of 100, in 256ths")
		sr = exchange(t, &they, sending{ssrc: theirs}, hearing{ssrc: ours + 1, highest: 70000, lost: 40}, now.Add(10*time.Second), &we, ours, way)
		require.Zero(t, sr.Reports[0].FractionLost, "another source")
		require.False(t, we.far.told, "and not about us")
		exchange(t, &they, sending{ssrc: theirs}, hearing{ssrc: ours, highest: 80000, lost: 40}, now.Add(15*time.Second), &we, ours, way)
		require.EqualValues(t, 40, we.far.lost)
		exchange(t, &they, sending{ssrc: theirs}, hearing{}, now.Add(20*time.Second), &we, ours, way)
		require.False(t, we.far.told, "what it does not read any more it cannot miss: unknown, not 40 and not 0")
	}
}

func TestWhatIsNotReportedIsUnknown(t *testing.T) {
	var q qualities
	q.reported(&farReports{})
	require.Equal(t, []int{0, 1}, []int{q.told, q.untold})
	f := farReports{}
	f.take(&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 1, TotalLost: 1<<24 - 2}}}, time.Now(), 1)
	require.Zero(t, f.lost, "duplicates make the count negative")
	require.Zero(t, f.trips, "no report of ours was answered")
	q.reported(&f)
	require.Equal(t, []int{1, 1}, []int{q.told, q.untold})
	require.Zero(t, q.trip.n)
}
