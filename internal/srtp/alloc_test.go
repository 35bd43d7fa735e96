//go:build !race

package srtp

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// The race detector makes the hashes of SRTP allocate.
func TestProtectionAllocatesNothing(t *testing.T) {
	for _, s := range Suites() {
		k := NewKey(s)
		out, in := pair(t, &k)
		sealed, opened := make([]byte, 0, 1500), make([]byte, 0, 1500)
		plain := packet(0)
		n := uint16(0)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			n++
			binary.BigEndian.PutUint16(plain[2:], n)
			sealed, _ = out.Protect(sealed, plain)
			opened, _ = in.Open(opened, sealed)
		}), s)
	}
}
