package sdp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

// requireFitting holds an answer against its offer as RFC 3264 section 6 says, and
// checks that the offerer comes to the same agreement.
func requireFitting(t *testing.T, offer, answer []byte, got Agreed, local Local) {
	t.Helper()
	o, err := Parse(offer)
	require.NoError(t, err)
	a, err := Parse(answer)
	require.NoError(t, err, "we cannot read our own answer")
	var pion sdp.SessionDescription
	if !slices.ContainsFunc(o.Media, func(m Media) bool { return !m.rtp() }) { // pion knows no fax
		require.NoError(t, pion.Unmarshal(answer), "pion cannot read our answer")
		require.Len(t, pion.MediaDescriptions, len(o.Media))
	}

	require.Len(t, a.Media, len(o.Media), "one line for each that was offered")
	taken := 0
	for i := range a.Media {
		require.Equal(t, o.Media[i].Kind, a.Media[i].Kind)
		require.Equal(t, o.Media[i].Proto, a.Media[i].Proto)
		require.NotEmpty(t, a.Media[i].Formats)
		for _, f := range a.Media[i].Formats {
			require.Contains(t, o.Media[i].Formats, f, "a payload type that was not offered")
		}
		if a.Media[i].Port == 0 {
			continue
		}
		taken++
		require.NotZero(t, o.Media[i].Port, "a line that was refused before")
		require.EqualValues(t, local.Addr.Port(), a.Media[i].Port)
		require.Equal(t, local.Addr.Addr(), a.Media[i].Addr)
		// What one may not send the other may not receive, and never more than offered.
		require.Zero(t, o.Media[i].dir.reversed()&^a.Media[i].dir, "%s answered with %s", o.Media[i].dir, a.Media[i].dir)
		require.NotZero(t, len(o.Media[i].types))
	}
	require.Equal(t, 1, taken)

	theirs := Local{Addr: netip.AddrPortFrom(local.Addr.Addr(), 4000), Codecs: local.Codecs, NoEvents: local.NoEvents, Security: local.Security}
	back, err := Accept(offer, answer, theirs)
	require.NoError(t, err)
	require.Equal(t, local.Addr, back.Remote)
	require.Equal(t, got.Codec, back.Codec)
	require.Equal(t, got.PT, back.PT)
	require.Equal(t, got.EventPT, back.EventPT)
	require.Equal(t, got.EventRate, back.EventRate)
	require.Equal(t, got.RedPT, back.RedPT)
	require.Equal(t, got.PTime, back.PTime)
	require.True(t, got.OurKey.Equal(&back.TheirKey))
	require.True(t, got.TheirKey.Equal(&back.OurKey))
	require.Equal(t, got.Send, back.Recv)
	require.Equal(t, got.Recv, back.Send)
	require.False(t, got.Send && !got.Remote.IsValid(), "sending to nowhere")
}

// Every offer that is accepted gets an answer that fits it.
func FuzzAnswer(f *testing.F) {
	for _, c := range offers {
		f.Add(c.offer, false, uint8(0))
	}
	f.Add(offerWith("a=sendonly", "a=ptime:30", "a=rtcp:99 IN IP4 203.0.113.1"), true, uint8(2))
	f.Add(offerWith("c=IN IP4 0.0.0.0"), false, uint8(3))
	f.Add([]byte("v=0\no=- 1 1 IN IP6 ::1\ns=-\nt=0 0\nm=audio 9 RTP/AVP 96 0 8 97\nc=IN IP6 ::1\na=rtpmap:96 PCMU/8000\na=rtpmap:97 telephone-event/8000\n"), false, uint8(1))
	f.Fuzz(func(t *testing.T, offer []byte, noEvents bool, dir uint8) {
		for _, addr := range []string{"192.0.2.97:20000", "[2001:db8::97]:20000"} {
			local := us()
			local.Addr = netip.MustParseAddrPort(addr)
			local.NoEvents, local.Direction = noEvents, Direction(dir)&Inactive
			answer, got, err := Answer(offer, local)
			if err != nil {
				require.Nil(t, answer)
				require.Less(t, len(err.Error()), 2000)
				continue
			}
			requireFitting(t, offer, answer, got, local)
		}
	})
}

// Random offers of every shape, most of them acceptable.
func TestEveryAcceptedOfferHasAFittingAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 97))
	accepted := 0
	for range 5000 {
		offer := randomOffer(r)
		local := us()
		local.Direction = Direction(r.IntN(4))
		local.Codecs = [][]codec.ID{{codec.PCMU}, {codec.PCMA}, {codec.PCMU, codec.PCMA}, {codec.PCMA, codec.PCMU}}[r.IntN(4)]
		local.Security = Security(r.IntN(3))
		answer, got, err := Answer(offer, local)
		if err != nil {
			continue
		}
		accepted++
		requireFitting(t, offer, answer, got, local)
	}
	require.Greater(t, accepted, 1000)
}

func randomOffer(r *rand.Rand) []byte {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	lines := []string{"v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 " + pick("198.51.100.1", "198.51.100.1", "0.0.0.0"), "t=" + pick("0 0", "1 2")}
	if r.IntN(3) == 0 {
		lines = append(lines, pick("a=sendonly", "a=inactive", "a=recvonly"))
	}
	for range 1 + r.IntN(4) {
		media := pick("audio", "audio", "audio", "video", "image")
		transport := pick("RTP/AVP", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "udptl")
		formats := []string{"0", "8", "9", "18", "96", "97", "98", "101"}
		r.Shuffle(len(formats), func(i, j int) { formats[i], formats[j] = formats[j], formats[i] })
		formats = formats[:1+r.IntN(len(formats))]
		lines = append(lines, fmt.Sprintf("m=%s %d %s %s", media, r.IntN(3)*4000, transport, strings.Join(formats, " ")))
		for _, f := range []string{"96", "97", "98", "101"} {
			if r.IntN(4) > 0 {
				lines = append(lines, "a=rtpmap:"+f+" "+pick("PCMU/8000", "pcma/8000/1", "telephone-event/8000", "telephone-event/48000", "opus/48000/2", "red/8000"))
			}
		}
		for _, extra := range []string{"a=fmtp:101 0-16", "a=fmtp:97 0-15", "a=fmtp:98 97/97", "a=ptime:30", "a=maxptime:40", "a=sendonly", "a=recvonly", "a=rtcp:7",
			"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", "c=IN IP4 203.0.113.7"} {
			if r.IntN(4) == 0 {
				lines = append(lines, extra)
			}
		}
	}
	return text(lines...)
}

// Our own offers, answered by ourselves, are agreed on by both sides.
func TestOfferAnswerAcceptAgree(t *testing.T) {
	for _, family := range []string{"192.0.2.97:20000", "[2001:db8::97]:20000"} {
		for _, codecs := range [][]codec.ID{{codec.PCMU}, {codec.PCMA, codec.PCMU}, {codec.PCMU, codec.PCMU}} {
			for caller := SendRecv; caller <= Inactive; caller++ {
				for callee := SendRecv; callee <= Inactive; callee++ {
					for _, noEvents := range []bool{false, true} {
						one := Local{Addr: netip.MustParseAddrPort(family), Codecs: codecs, Direction: caller, NoEvents: noEvents}
						two := Local{Addr: netip.AddrPortFrom(one.Addr.Addr(), 30000), Codecs: []codec.ID{codec.PCMU, codec.PCMA}, Direction: callee}
						offer := Offer(one)
						answer, twos, err := Answer(offer, two)
						require.NoError(t, err)
						requireFitting(t, offer, answer, twos, two)
						ones, err := Accept(offer, answer, one)
						require.NoError(t, err)
						require.Equal(t, codecs[0], ones.Codec, "the offerer's first choice")
						require.Equal(t, one.Addr, twos.Remote)
						require.Equal(t, two.Addr, ones.Remote)
						require.Equal(t, (caller|callee.reversed())&noSend == 0, ones.Send)
						require.Equal(t, (caller|callee.reversed())&noRecv == 0, ones.Recv)
						require.Equal(t, noEvents, ones.EventPT == 0)
					}
				}
			}
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Answer(offers[0].offer, us()); err != nil {
			b.Fatal(err)
		}
	}
}
