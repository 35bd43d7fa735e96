package uas

import (
	"bytes"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// folded is a request of a size whose one header goes on for as many lines as fit.
func folded(size int) []byte {
	head, rest, _ := strings.Cut(plain("OPTIONS"), "Contact")
	return []byte(head + "Subject: x" + strings.Repeat("\r\n a", (size-len(plain("OPTIONS")))/4) + "\r\nContact" + rest)
}

// copied is how many bytes are allocated meanwhile.
func copied(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// One datagram must not keep the reader of the socket from all others.
func TestALineThatGoesOnForLongIsNotCopiedAgainAndAgain(t *testing.T) {
	unfolding := func(size int) uint64 {
		msg := folded(size)
		return copied(func() {
			lines, ok := unfold(msg)
			require.True(t, ok)
			require.Len(t, lines[7], len("Subject: x")+(size-len(plain("OPTIONS")))/4*2)
		})
	}
	require.Less(t, unfolding(64<<10), 3*unfolding(32<<10), "twice the lines, twice the work")
}

func BenchmarkUnfold(b *testing.B) {
	msg := folded(64 << 10)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		unfold(msg)
	}
}

// The lines of a message are parts of one copy of it: every message is read so.
func TestAMessageIsScannedWithFewAllocations(t *testing.T) {
	msg := []byte(strings.Replace(invite(offerText), "Call-ID", "CALL-ID", 1))
	raw, is := scanRequest(msg)
	require.True(t, is)
	require.NotEmpty(t, raw.callID)
	require.NotEmpty(t, raw.lengths)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { scanRequest(msg) }), 6.0)
}

func TestContinuedLinesAreJoined(t *testing.T) {
	for text, want := range map[string][]string{
		"a\r\nb\r\n\tc \r\n  d\r\ne\r\n\r\n": {"a", "b c d", "e"},
		"a\r\n b\r\nc":                       {"a", " b", "c"}, // the start line is no header
		"\r\n\r\na\r\nb:\r\n \r\n":           {"a", "b: "},
		"":                                   nil,
	} {
		lines, ok := unfold([]byte(text))
		require.True(t, ok)
		require.Equal(t, want, lines, "%q", text)
	}
	lines, ok := unfold([]byte("a\r\nb\nc\r\n d\re\r\n"))
	require.False(t, ok)
	require.Equal(t, []string{"a", "b c d e"}, lines)
}

func TestAMessageThatIsTooLargeIsReadOnceForItsAnswer(t *testing.T) {
	g, now := newTestGate(t), time.Now()
	msg := folded(64 << 10) // Contact stands behind what makes it so large
	msg = bytes.Replace(msg, []byte("CSeq: 1 OPTIONS\r\n"), nil, 1)
	msg = bytes.Replace(msg, []byte("Contact:"), []byte("CSeq: 1 OPTIONS\r\nContact:"), 1)
	g.admit("udp", someone, []byte("\r\n\r\n"), now) // the first message has the tables of the limits made
	scan := copied(func() { scanRequest(msg) })
	refusal := copied(func() {
		pass, reply, _ := g.admit("udp", someone, msg, now)
		require.Nil(t, pass)
		require.True(t, bytes.HasPrefix(reply, []byte("SIP/2.0 513 ")))
		require.Contains(t, string(reply), "CSeq: 1 OPTIONS\r\n")
	})
	require.Less(t, refusal, scan+32<<10, "it is neither tidied nor parsed")
	answer := bytes.Replace(msg, []byte("OPTIONS sip:*97@example.org SIP/2.0"), []byte("SIP/2.0 200 OK"), 1)
	pass, reply, _ := g.admit("udp", someone, answer, now)
	require.Nil(t, pass)
	require.Nil(t, reply)
}

func TestNothingIsReadOfAStrangerWhoGetsNoAnswer(t *testing.T) {
	g, now := gateOf(t, func(o *Options) { o.Peers[0].Addresses = []string{"192.0.2.0/24"} }), time.Now()
	msg := folded(64 << 10)
	for range strangerBurst {
		_, reply, _ := g.admit("udp", someone, msg, now)
		require.NotNil(t, reply)
	}
	require.Zero(t, testing.AllocsPerRun(10, func() {
		_, reply, _ := g.admit("udp", someone, msg, now)
		require.Nil(t, reply)
	}))
	at := netip.MustParseAddr("10.1.0.1")
	for answered := strangerBurst; answered < crowdBurst; at = at.Next() { // those of all others; a few share a bucket
		if _, reply, _ := g.admit("udp", netip.AddrPortFrom(at, 5060), msg, now); reply != nil {
			answered++
		}
	}
	_, reply, _ := g.admit("udp", netip.MustParseAddrPort("10.2.0.1:5060"), msg, now)
	require.Nil(t, reply)
}

// sipgo's time for the parameters of a line grows with the square of their number.
func TestAMessageWithTooManyParametersIsNotReadOn(t *testing.T) {
	g, now := newTestGate(t), time.Now()
	many := func(n int) string { return strings.Repeat(";a", n) }
	for place, row := range map[string]struct {
		before, after string
		has           int
	}{
		"Via":             {";rport", ";rport", 2},
		"From":            {";tag=f1", ";tag=f1", 1},
		"the URI of From": {"4001@example.org>;tag", "4001@example.org%s>;tag", 1},
		"the request URI": {"97@example.org SIP", "97@example.org%s SIP", 0},
	} {
		at := func(n int) []byte {
			text := many(n - row.has)
			if strings.Contains(row.after, "%s") {
				text = strings.Replace(row.after, "%s", text, 1)
			} else {
				text = row.after + text
			}
			return []byte(strings.Replace(plain("OPTIONS"), row.before, text, 1))
		}
		pass, _, _ := g.admit("udp", someone, at(paramsMax), now)
		require.NotNil(t, pass, place)
		pass, reply, _ := g.admit("udp", someone, at(paramsMax+1), now)
		require.Nil(t, pass, place)
		require.True(t, bytes.HasPrefix(reply, []byte("SIP/2.0 400 Too Many Parameters\r\n")), place)
	}
	answer := strings.Replace(strings.Replace(plain("OPTIONS"), ";rport", many(paramsMax), 1), "OPTIONS sip:*97@example.org SIP/2.0", "SIP/2.0 200 OK", 1)
	pass, reply, _ := g.admit("udp", someone, []byte(answer), now)
	require.Nil(t, pass)
	require.Nil(t, reply)
}
