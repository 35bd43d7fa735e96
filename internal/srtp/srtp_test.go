package srtp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// packet is RTP with a payload of 160 bytes.
func packet(sequence uint16) []byte {
	p := make([]byte, 12+160)
	p[0], p[1] = 0x80, 0
	binary.BigEndian.PutUint16(p[2:], sequence)
	binary.BigEndian.PutUint32(p[4:], uint32(sequence)*160)
	binary.BigEndian.PutUint32(p[8:], 0x97979797)
	for i := range p[12:] {
		p[12+i] = byte(i)
	}
	return p
}

func pair(t testing.TB, k *Key) (out, in *Context) {
	t.Helper()
	out, err := NewContext(k)
	require.NoError(t, err)
	in, err = NewContext(k)
	require.NoError(t, err)
	return out, in
}

func TestWhatIsProtectedOpensAgain(t *testing.T) {
	for _, s := range Suites() {
		for _, start := range []uint16{0, 1, 65530} {
			k := NewKey(s)
			out, in := pair(t, &k)
			for i := range uint16(20) {
				plain := packet(start + i)
				sealed, err := out.Protect(nil, plain)
				require.NoError(t, err)
				require.Len(t, sealed, len(plain)+suites[s].overhead, s)
				require.NotContains(t, string(sealed), string(plain[12:40]))
				opened, err := in.Open(nil, sealed)
				require.NoError(t, err, "%v from %d on", s, start)
				require.Equal(t, plain, opened)
				_, err = in.Open(nil, sealed)
				require.Error(t, err, "the same packet again")
			}
		}
	}
}

func TestControlPacketsAreProtectedToo(t *testing.T) {
	report := []byte{0x80, 201, 0, 1, 0x97, 0x97, 0x97, 0x97}
	for _, s := range Suites() {
		k := NewKey(s)
		out, in := pair(t, &k)
		sealed, err := out.ProtectControl(nil, report)
		require.NoError(t, err)
		require.LessOrEqual(t, len(sealed), len(report)+Overhead)
		opened, err := in.OpenControl(nil, sealed)
		require.NoError(t, err)
		require.Equal(t, report, opened)
	}
}

func TestAnyChangedByteIsFound(t *testing.T) {
	for _, s := range Suites() {
		k, other := NewKey(s), NewKey(s)
		out, in := pair(t, &k)
		_, stranger := pair(t, &other)
		sealed, err := out.Protect(nil, packet(7))
		require.NoError(t, err)
		_, err = stranger.Open(nil, sealed)
		require.Error(t, err, "another key")
		for i := range sealed {
			damaged := append([]byte(nil), sealed...)
			damaged[i] ^= 1
			_, err := in.Open(nil, damaged)
			require.Error(t, err, "%v, byte %d", s, i)
		}
		_, err = in.Open(nil, sealed)
		require.NoError(t, err, "none of them took the place of the true one")
	}
}

func TestAttributesAreReadAndWritten(t *testing.T) {
	const short = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz" // RFC 4568 section 5.1
	for value, want := range map[string]string{
		"1 AES_CM_128_HMAC_SHA1_80 " + short:                                      "",
		"1 AES_CM_128_HMAC_SHA1_80 " + short + "|2^20":                            "",
		"1 AES_CM_128_HMAC_SHA1_80 " + short + "|2^20|1:4":                        "|1:4",
		"999999999 AES_CM_128_HMAC_SHA1_32 " + short + "|1:1 WSH=128 -anything=1": "|1:1",
		"1 AES_CM_128_HMAC_SHA1_80 " + short + " KDR=0":                           "",
	} {
		tag, k, err := ParseAttribute(value)
		require.NoError(t, err, value)
		require.Equal(t, strings.Fields(value)[0], fmt.Sprint(tag))
		require.Equal(t, short+want, k.Inline())
		require.Equal(t, strings.Fields(value)[1], k.Suite().String())
		again, same, err := ParseAttribute(k.Attribute(tag))
		require.NoError(t, err)
		require.Equal(t, tag, again)
		require.True(t, same.Equal(&k))
		out, in := pair(t, &k)
		sealed, err := out.Protect(nil, packet(1))
		require.NoError(t, err)
		require.LessOrEqual(t, len(sealed), 172+Overhead)
		_, err = in.Open(nil, sealed)
		require.NoError(t, err)
	}
	for _, value := range []string{
		"", "1", "1 AES_CM_128_HMAC_SHA1_80", "x AES_CM_128_HMAC_SHA1_80 " + short, "01 AES_CM_128_HMAC_SHA1_80 " + short,
		"1234567890 AES_CM_128_HMAC_SHA1_80 " + short, "1 F8_128_HMAC_SHA1_80 " + short,
		"1 AES_256_CM_HMAC_SHA1_80 inline:" + strings.Repeat("A", 61) + "A==", "1 AEAD_AES_128_GCM " + short,
		"1 AES_CM_128_HMAC_SHA1_80 inline:AAAA", "1 AES_CM_128_HMAC_SHA1_80 " + short + ";" + short,
		"1 AES_CM_128_HMAC_SHA1_80 " + short + " UNENCRYPTED_SRTP", "1 AES_CM_128_HMAC_SHA1_80 " + short + " KDR=1",
		"1 AES_CM_128_HMAC_SHA1_80 " + short + " UNAUTHENTICATED_SRTP", "1 AES_CM_128_HMAC_SHA1_80 " + short + "|1:5",
		"1 AES_CM_128_HMAC_SHA1_80 " + short + "|256:1", "1 AES_CM_128_HMAC_SHA1_80 " + short + "|2^20|1:1|1",
		"1 AES_CM_128_HMAC_SHA1_80 " + short + "|1:1|2^20", "1 AES_CM_128_HMAC_SHA1_80 " + short + "|2^20|2^20",
	} {
		_, _, err := ParseAttribute(value)
		require.ErrorIs(t, err, ErrUnusable, value)
		require.NotContains(t, err.Error(), short[10:20])
	}
}

func TestAKeyShowsItselfToNobody(t *testing.T) {
	k := NewKey(AES256GCM)
	inline := k.Inline()[len("inline:"):]
	text, err := k.MarshalText()
	require.NoError(t, err)
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %x %q %d", k, k, k, k, k, k, k), string(text)} {
		require.Contains(t, shown, "key for AEAD_AES_256_GCM")
		require.NotContains(t, shown, inline[:8])
	}
	require.NotContains(t, fmt.Sprintf("%x", k), fmt.Sprintf("%x", k.master[:4]))
}

func TestThereIsNoContextWithoutAKey(t *testing.T) {
	_, err := NewContext(&Key{})
	require.Error(t, err)
}

func FuzzAttribute(f *testing.F) {
	k := NewKey(AES128SHA80)
	f.Add(k.Attribute(1))
	f.Add("1 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==|2^20|1:1 WSH=64")
	f.Fuzz(func(t *testing.T, value string) {
		tag, k, err := ParseAttribute(value)
		if err != nil {
			require.ErrorIs(t, err, ErrUnusable)
			return
		}
		again, same, err := ParseAttribute(k.Attribute(tag))
		require.NoError(t, err)
		require.Equal(t, tag, again)
		require.True(t, same.Equal(&k), "what we write means what we read")
		_, err = NewContext(&k)
		require.NoError(t, err)
	})
}

func BenchmarkProtect(b *testing.B) {
	for _, s := range Suites() {
		b.Run(s.String(), func(b *testing.B) {
			k := NewKey(s)
			out, _ := pair(b, &k)
			sealed, plain, n := make([]byte, 0, 1500), packet(0), uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				n++
				binary.BigEndian.PutUint16(plain[2:], n)
				sealed, _ = out.Protect(sealed, plain)
			}
		})
	}
}
