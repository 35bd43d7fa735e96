package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	signalled = netip.MustParseAddrPort("192.0.2.1:4000")
	mapped    = netip.MustParseAddrPort("198.51.100.1:61000") // the caller behind a NAT
	rebound   = netip.MustParseAddrPort("198.51.100.1:61001")
	sibling   = netip.MustParseAddrPort("192.0.2.1:4900") // on the signalled host
	stranger  = netip.MustParseAddrPort("203.0.113.66:9")
	moved     = netip.MustParseAddrPort("192.0.2.2:4002")
)

// step is one packet, or with a new signalled address a re-negotiation.
type step struct {
	after  time.Duration
	from   netip.AddrPort
	ssrc   uint32
	signal netip.AddrPort
	want   bool // admitted
	to     netip.AddrPort
}

const ms = time.Millisecond

var latchTests = []struct {
	name    string
	anyHost bool
	steps   []step
}{
	{"the signalled address is believed at once", false, []step{
		{from: signalled, ssrc: 1, want: true, to: signalled}}},
	{"another source has to come three times in a row", false, []step{
		{from: mapped, ssrc: 1, to: signalled},
		{after: 20 * ms, from: mapped, ssrc: 1, to: signalled},
		{after: 20 * ms, from: mapped, ssrc: 1, want: true, to: mapped}}},
	{"a source that changes its SSRC each time proves nothing", false, []step{
		{from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 2, to: signalled},
		{from: mapped, ssrc: 3, to: signalled},
		{from: mapped, ssrc: 4, to: signalled}}},
	{"two sources at the same time do not keep each other from proving themselves", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: sibling, ssrc: 2, to: signalled},
		{from: mapped, ssrc: 1, to: signalled}, {from: sibling, ssrc: 2, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped}, {from: sibling, ssrc: 2, to: mapped}}},
	{"a stranger gets nothing while the caller is heard", false, []step{
		{from: signalled, ssrc: 1, want: true, to: signalled},
		{from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled},
		{from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled},
		{after: 5 * time.Second, from: stranger, ssrc: 9, to: signalled},
		{from: signalled, ssrc: 1, want: true, to: signalled}}},
	{"a stranger that knows the SSRC gets nothing while the caller is heard", false, []step{
		{from: signalled, ssrc: 1, want: true, to: signalled},
		{from: stranger, ssrc: 1, to: signalled}, {from: stranger, ssrc: 1, to: signalled},
		{from: stranger, ssrc: 1, to: signalled}, {from: stranger, ssrc: 1, to: signalled}}},
	{"the signalled address wins over one that was believed", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{from: signalled, ssrc: 2, want: true, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped}}},
	{"the same SSRC goes on from another address after a NAT forgot it", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{after: 600 * ms, from: rebound, ssrc: 1, to: mapped},
		{after: 20 * ms, from: rebound, ssrc: 1, to: mapped},
		{after: 20 * ms, from: rebound, ssrc: 1, want: true, to: rebound}}},
	{"what waited while nothing was read for a while proves nothing: the caller's packets are behind it", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{after: 11 * time.Second, from: rebound, ssrc: 1, to: mapped}, {from: rebound, ssrc: 1, to: mapped},
		{from: rebound, ssrc: 1, to: mapped}, {after: 29 * ms, from: rebound, ssrc: 1, to: mapped},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{after: ms, from: rebound, ssrc: 1, to: mapped},
		{after: 600 * ms, from: rebound, ssrc: 1, to: mapped}, // after the next pause nothing of this counts
		{after: 15 * ms, from: rebound, ssrc: 1, to: mapped},
		{after: 15 * ms, from: rebound, ssrc: 1, want: true, to: rebound}}},
	{"after ten quiet seconds another source on the host may follow, and the caller takes it back", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{after: 9 * time.Second, from: rebound, ssrc: 9, to: mapped}, {from: rebound, ssrc: 9, to: mapped},
		{from: rebound, ssrc: 9, to: mapped}, {from: rebound, ssrc: 9, to: mapped},
		{after: 2 * time.Second, from: rebound, ssrc: 10, to: mapped},
		{after: 20 * ms, from: rebound, ssrc: 10, to: mapped},
		{after: 20 * ms, from: rebound, ssrc: 10, want: true, to: rebound},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{from: rebound, ssrc: 10, to: mapped}}},
	{"a stranger never gets anything: not before the caller is heard, not in his silence, not with his SSRC", false, []step{
		{from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled},
		{from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled},
		{from: signalled, ssrc: 1, want: true, to: signalled},
		{after: time.Second, from: stranger, ssrc: 1, to: signalled}, {from: stranger, ssrc: 1, to: signalled},
		{from: stranger, ssrc: 1, to: signalled}, {from: stranger, ssrc: 1, to: signalled},
		{after: time.Hour, from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled},
		{from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled}}},
	{"where any host may prove itself the first one is the caller, and another host does not follow", true, []step{
		{from: stranger, ssrc: 9, to: signalled}, {from: stranger, ssrc: 9, to: signalled},
		{from: stranger, ssrc: 9, want: true, to: stranger},
		{after: time.Hour, from: mapped, ssrc: 1, to: stranger}, {from: mapped, ssrc: 1, to: stranger},
		{from: mapped, ssrc: 1, to: stranger}, {from: mapped, ssrc: 1, to: stranger},
		{from: signalled, ssrc: 2, want: true, to: signalled}}},
	{"after a re-negotiation the new address is sent to, the old one still heard", false, []step{
		{from: signalled, ssrc: 1, want: true, to: signalled},
		{signal: moved, to: moved},
		{from: signalled, ssrc: 1, want: true, to: moved},
		{from: signalled, ssrc: 1, want: true, to: moved},
		{from: signalled, ssrc: 1, want: true, to: moved},
		{from: signalled, ssrc: 1, want: true, to: moved},
		{from: moved, ssrc: 2, want: true, to: moved},
		{from: signalled, ssrc: 1, to: moved}}},
	{"a re-negotiation behind a NAT opens the latch to the new source", false, []step{
		{from: signalled, ssrc: 1, want: true, to: signalled},
		{signal: moved, to: moved},
		{from: mapped, ssrc: 2, to: moved}, {from: signalled, ssrc: 1, want: true, to: moved},
		{from: mapped, ssrc: 2, to: moved}, {from: mapped, ssrc: 2, want: true, to: mapped},
		{from: signalled, ssrc: 1, to: mapped}}},
	{"a new description that names the source we know changes nothing", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{signal: mapped, to: mapped},
		{from: stranger, ssrc: 9, to: mapped}, {from: stranger, ssrc: 9, to: mapped},
		{from: stranger, ssrc: 9, to: mapped}, {from: mapped, ssrc: 1, want: true, to: mapped}}},
	{"the old address is not believed because its first packets come after the re-negotiation", false, []step{
		{signal: moved, to: moved},
		{from: signalled, ssrc: 1, want: true, to: moved}, {from: signalled, ssrc: 1, want: true, to: moved},
		{from: signalled, ssrc: 1, want: true, to: moved}, {from: signalled, ssrc: 1, want: true, to: moved},
		{from: moved, ssrc: 2, want: true, to: moved}}},
	{"a source that did not move is believed again after two seconds", false, []step{
		{from: mapped, ssrc: 1, to: signalled}, {from: mapped, ssrc: 1, to: signalled},
		{from: mapped, ssrc: 1, want: true, to: mapped},
		{signal: moved, to: moved},
		{from: mapped, ssrc: 1, want: true, to: moved},
		{after: 2 * time.Second, from: mapped, ssrc: 1, to: moved},
		{from: mapped, ssrc: 1, to: moved}, {from: mapped, ssrc: 1, want: true, to: mapped}}},
}

func TestLatch(t *testing.T) {
	for _, tt := range latchTests {
		t.Run(tt.name, func(t *testing.T) {
			for _, first := range wrapStarts() {
				l := latch{signaller: mapped.Addr(), anyHost: tt.anyHost}
				now, seq := time.Second, map[netip.AddrPort]uint16{}
				l.signal(signalled, now)
				require.Equal(t, signalled, l.target())
				for i, st := range tt.steps {
					now += st.after
					if st.signal.IsValid() {
						l.signal(st.signal, now)
					} else {
						seq[st.from]++
						require.Equal(t, st.want, l.admit(st.from, st.ssrc, first+seq[st.from], now), "step %d", i)
					}
					require.Equal(t, st.to, l.target(), "step %d", i)
				}
			}
		})
	}
}

// Under a key a stranger is none: once the caller is quiet, his next host may have another SSRC.
func TestLatchUnderAKey(t *testing.T) {
	l, now := latch{anyHost: true, keyed: true}, time.Duration(0)
	l.signal(signalled, now)
	require.True(t, l.admit(signalled, 1, 1, now))
	follow := func(seq uint16) (ok bool) {
		for i := range uint16(latchPackets) {
			ok = l.admit(stranger, 9, seq+i, now)
			now += 20 * ms
		}
		return ok
	}
	require.False(t, follow(100), "not while he is heard")
	now += latchAbandoned
	require.True(t, follow(200))
	require.Equal(t, stranger, l.target())
	require.True(t, l.admit(signalled, 1, 2, now), "the signalled address wins")
}

// The session tells its latch of the keys.
func TestAnotherHostFollowsUnderAKey(t *testing.T) {
	b := newBench(t, &sink{})
	b.protect(t)
	b.audio(make([]byte, 160))
	b.far.SSRC = 99
	for b.now += latchAbandoned + ms; b.far.SequenceNumber < 1+latchPackets; b.now += 20 * ms {
		b.far.SequenceNumber++
		_, err := b.far.MarshalTo(b.data)
		require.NoError(t, err)
		b.sealed, err = b.theirs.Protect(b.sealed[:0], b.data)
		require.NoError(t, err)
		b.receive(b.sealed, stranger, b.now)
	}
	require.Equal(t, stranger, b.latch.target())
}

func TestLatchCopiesAndJumpsProveNothing(t *testing.T) {
	l := latch{anyHost: true}
	l.signal(signalled, 0)
	for range 5 {
		require.False(t, l.admit(mapped, 1, 10, 0), "copies of one packet")
	}
	for i := range uint16(5) {
		require.False(t, l.admit(stranger, 1, 1000*i, 0), "sequence numbers that jump")
	}
}

// wrapStarts are 16 sequence numbers around the wrap.
func wrapStarts() (starts []uint16) {
	for i := range uint16(16) {
		starts = append(starts, i-8)
	}
	return starts
}
