package uas

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func request(seq uint32) *letter {
	req := sip.NewRequest(sip.INFO, sip.Uri{Host: "x"})
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: sip.INFO})
	return &letter{req: req}
}

func seqs(ls []*letter) []uint32 {
	var s []uint32
	for _, l := range ls {
		s = append(s, l.seq())
	}
	return s
}

func TestAnyShuffleComesOutInOrder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		o := order{next: 10, wait: time.Second}
		now := time.Unix(0, 0)
		var out []uint32
		for _, i := range r.Perm(40) {
			ready, late := o.put(request(uint32(10+i)), now)
			require.False(t, late)
			out = append(out, seqs(ready)...)
		}
		require.Len(t, out, 40)
		for i, s := range out {
			require.EqualValues(t, 10+i, s, "seed %d", seed)
		}
		require.True(t, o.deadline().IsZero())
	}
}

func TestOrderPassesOverAGap(t *testing.T) {
	now := time.Unix(0, 0)
	after := func(d time.Duration) time.Time { return now.Add(d) }
	t.Run("when its time is up, from the first request behind it", func(t *testing.T) {
		o := order{next: 5, wait: time.Second}
		_, _ = o.put(request(8), now)
		_, _ = o.put(request(7), after(900*time.Millisecond))
		require.Empty(t, o.giveUp(after(999*time.Millisecond)))
		require.Equal(t, []uint32{7, 8}, seqs(o.giveUp(after(time.Second))))
		require.True(t, o.deadline().IsZero())
	})
	t.Run("each gap has its own time", func(t *testing.T) {
		o := order{next: 5, wait: time.Second}
		_, _ = o.put(request(6), now)
		_, _ = o.put(request(8), now)
		require.Equal(t, []uint32{6}, seqs(o.giveUp(after(time.Second))))
		require.Empty(t, o.giveUp(after(time.Second+stepWait-1)))
		require.Equal(t, []uint32{8}, seqs(o.giveUp(after(time.Second+stepWait))))
	})
	t.Run("and remembers what it passed over, once each", func(t *testing.T) {
		o := order{next: 5, wait: time.Second}
		_, _ = o.put(request(9), now)
		o.giveUp(after(time.Second))
		for _, seq := range []uint32{6, 5, 8, 7} {
			_, late := o.put(request(seq), now)
			require.True(t, late)
			require.True(t, o.skipped(seq))
			require.False(t, o.skipped(seq))
		}
		require.False(t, o.skipped(4))
		require.False(t, o.skipped(9))
	})
	t.Run("when too much waits", func(t *testing.T) {
		o := order{next: 5, wait: time.Hour}
		var out []uint32
		for i := range parkedMax + 1 {
			ready, _ := o.put(request(uint32(6+i)), now)
			out = append(out, seqs(ready)...)
		}
		require.Len(t, out, parkedMax+1)
	})
	t.Run("larger steps are waited for once, until one comes late", func(t *testing.T) {
		o := order{next: 5, wait: time.Second}
		_, _ = o.put(request(7), now)
		require.Empty(t, o.giveUp(after(999*time.Millisecond)))
		require.Equal(t, []uint32{7}, seqs(o.giveUp(after(time.Second))))
		_, _ = o.put(request(9), after(2*time.Second))
		require.Empty(t, o.giveUp(after(2*time.Second+stepWait-1)))
		require.Equal(t, []uint32{9}, seqs(o.giveUp(after(2*time.Second+stepWait))))
		_, late := o.put(request(8), after(3*time.Second))
		require.True(t, late)
		_, _ = o.put(request(11), after(3*time.Second))
		require.Empty(t, o.giveUp(after(3*time.Second+stepWait)), "the whole wait again")
	})
	t.Run("a double of a waiting one is late", func(t *testing.T) {
		o := order{next: 5, wait: time.Hour}
		_, _ = o.put(request(7), now)
		_, late := o.put(request(7), now)
		require.True(t, late)
	})
	t.Run("what is remembered is bounded", func(t *testing.T) {
		o := order{next: 1, wait: time.Second}
		for i := range 100 {
			_, _ = o.put(request(uint32(3+3*i)), now)
			o.giveUp(after(time.Hour))
		}
		require.LessOrEqual(t, len(o.passed), passedMax)
		for seq := range uint32(300) {
			o.skipped(seq)
		}
		require.LessOrEqual(t, len(o.passed), passedMax+1)
	})
}
