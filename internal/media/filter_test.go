package media

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
)

// Voice is voice for the tests from outside.
type Voice = voice

// ThinMachine runs the filter of a voice without the kernel: it tells whether a datagram
// from a port gets through whole.
func ThinMachine(v Voice) (through func(port uint16, data []byte) bool, err error) {
	vm, err := bpf.NewVM(thinProgram(v))
	return func(port uint16, data []byte) bool {
		n, err := vm.Run(append(binary.BigEndian.AppendUint16(nil, port), append(make([]byte, 6), data...)...))
		if err != nil || n != 0 && n < 8+len(data) {
			panic(fmt.Sprintf("%d of %d bytes, %v", n, 8+len(data), err))
		}
		return n != 0
	}, err
}

// thinMachine is ThinMachine of a payload type from port 4000 with SSRC 0.
func thinMachine(t testing.TB, pt uint8) func([]byte) bool {
	t.Helper()
	through, err := ThinMachine(voice{port: 4000, pt: pt})
	require.NoError(t, err)
	return func(data []byte) bool { return through(4000, data) }
}

// What comes from elsewhere, or from a new sender, is heard at once.
func TestTheFilterDropsOneVoiceAlone(t *testing.T) {
	through, err := ThinMachine(voice{port: 0x1234, ssrc: 0x89ABCDEF, pt: 8})
	require.NoError(t, err)
	packet := func(ssrc uint32) []byte {
		p := append(head(0x80, 8, 1), make([]byte, headerSize-4+160)...)
		binary.BigEndian.PutUint32(p[8:], ssrc)
		return p
	}
	require.False(t, through(0x1234, packet(0x89ABCDEF)))
	for bit := range 16 {
		require.True(t, through(0x1234^1<<bit, packet(0x89ABCDEF)))
	}
	for bit := range 32 {
		require.True(t, through(0x1234, packet(0x89ABCDEF^1<<bit)))
	}
}

// head is the beginning of an RTP packet.
func head(first, second byte, seq uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{first, second}, seq)
}

// Every payload type, marked and not, of every version, with every sequence number that
// differs to the filter, around the wrap too; padding, extensions and CSRC change nothing.
func TestTheFilterDropsUnusedAudioAlone(t *testing.T) {
	rest := make([]byte, headerSize-4+160)
	for _, audio := range []uint8{0, 8, 9, 111} {
		through := thinMachine(t, audio)
		for first := range 256 {
			for second := range 256 {
				for seq := uint16(1<<16 - 3); seq != 67; seq++ {
					if first&0x3F != 0 && (first*7+second*3+int(seq))%16 != 0 {
						continue // a sample of the rest
					}
					drop := first>>6 == 2 && uint8(second&0x7F) == audio && seq%64 != 0
					packet := append(head(byte(first), byte(second), seq), rest...)
					if through(packet) == drop {
						require.Failf(t, "wrong verdict", "audio %d: % x", audio, packet[:4])
					}
				}
			}
		}
		for seq := range 1 << 16 {
			packet := append(head(0x80, audio, uint16(seq)), rest...)
			require.Equal(t, seq%64 == 0, through(packet), "sequence number %d", seq)
		}
	}
}

func TestTheFilterLetsThroughWhatIsNoRTP(t *testing.T) {
	through := thinMachine(t, 0)
	for name, data := range map[string][]byte{
		"STUN":                           {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a handshake of DTLS":            {22, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0},
		"a sender report, on a mux port": {0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
		"a receiver report":              {0x80, 201, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},
	} {
		require.True(t, through(data), name)
	}
	packet := append(head(0x80, 0, 1), make([]byte, 20)...)
	for n := range headerSize {
		require.True(t, through(packet[:n]), "%d bytes", n)
	}
	for n := headerSize; n <= len(packet); n++ {
		require.False(t, through(packet[:n]), "%d bytes", n)
	}
}

// A payload type that with a marker is a packet type of RTCP is never thinned.
func TestPayloadTypesThatRTCPNeeds(t *testing.T) {
	for pt := range 256 {
		rtcp := pt >= 64 && pt <= 95 // RFC 5761 section 4
		require.Equal(t, pt < 128 && !rtcp, thinnable(uint8(pt)), "%d", pt)
	}
}
