package sqldb

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"star97/internal/backend/conformance"
)

// The HMAC was computed with Python's hmac module over
// struct.pack(">I", 8) + b"MAILBOX1" + b"482915", key bytes(range(32)).
const knownMix = "6b33b5fe7ed100b1f948f493031c72896180d4737062478ed3afda918786ef91"

func countingKey() []byte {
	key := make([]byte, pepperSize)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

// What is stored must be readable by every later version.
func TestTheFormOfStoredHashesIsFixed(t *testing.T) {
	code := conformance.Code(t, "482915")
	require.Equal(t, knownMix, hex.EncodeToString(mix(countingKey(), "MAILBOX1", &code)))

	salt := []byte("sixteen bytes ..")
	mixed, err := hex.DecodeString(knownMix)
	require.NoError(t, err)
	want := argon2.IDKey(mixed, salt, 2, 19456, 1, 32)
	require.Equal(t, want, derive(countingKey(), "MAILBOX1", &code, salt, DefaultOptions().Cost))
}

func TestAHashFitsOneCodeOfOneMailboxOnly(t *testing.T) {
	p := &pepper{last: "k", keys: map[string][]byte{"k": countingKey(), "other": make([]byte, pepperSize)}}
	code, wrong := conformance.Code(t, "482915"), conformance.Code(t, "482916")
	r := p.seal("MAILBOX1", &code, cheap)
	require.NoError(t, r.valid())
	require.True(t, p.matches(&r, "MAILBOX1", &code))
	require.False(t, p.matches(&r, "MAILBOX1", &wrong))
	require.False(t, p.matches(&r, "MAILBOX2", &code), "copied to another mailbox")

	shifted := conformance.Code(t, "2915")
	require.False(t, p.matches(&r, "MAILBOX148", &shifted), "a digit moved between id and code")

	for name, alter := range map[string]func(*record){
		"pepper key": func(r *record) { r.kid = "other" },
		"salt":       func(r *record) { r.salt = append([]byte{r.salt[0] ^ 1}, r.salt[1:]...) },
		"hash":       func(r *record) { r.hash = append([]byte{r.hash[0] ^ 1}, r.hash[1:]...) },
		"memory":     func(r *record) { r.cost.Memory++ },
		"passes":     func(r *record) { r.cost.Passes++ },
		"threads":    func(r *record) { r.cost.Threads++ },
	} {
		other := r
		alter(&other)
		if name == "memory" {
			other.cost.Memory += 3 // argon2 rounds down to whole blocks of 4
		}
		require.False(t, p.matches(&other, "MAILBOX1", &code), name)
	}
	again := p.seal("MAILBOX1", &code, cheap)
	require.NotEqual(t, r.salt, again.salt)
	require.NotEqual(t, r.hash, again.hash)
}

func TestRecordsOutOfRangeAreNotComputed(t *testing.T) {
	good := record{kid: "k", salt: make([]byte, saltSize), hash: make([]byte, hashSize), cost: cheap}
	require.NoError(t, good.valid())
	for name, alter := range map[string]func(*record){
		"no salt":           func(r *record) { r.salt = nil },
		"short hash":        func(r *record) { r.hash = r.hash[:hashSize-1] },
		"no memory":         func(r *record) { r.cost.Memory = 0 },
		"memory below 8p":   func(r *record) { r.cost = Cost{Memory: 31, Passes: 1, Threads: 4} },
		"too much memory":   func(r *record) { r.cost.Memory = maxMemory + 1 },
		"no pass":           func(r *record) { r.cost.Passes = 0 },
		"too many passes":   func(r *record) { r.cost.Passes = maxPasses + 1 },
		"no thread":         func(r *record) { r.cost.Threads = 0 },
		"negative threads":  func(r *record) { r.cost.Threads = -1 },
		"too many threads":  func(r *record) { r.cost.Threads = maxThreads + 1 },
		"threads beyond 8b": func(r *record) { r.cost.Threads = 257 },
	} {
		r := good
		alter(&r)
		require.ErrorContains(t, r.valid(), "the stored code is damaged: set a new one", name)
	}
}

func BenchmarkDefaultCost(b *testing.B) {
	code := conformance.Code(b, "482915")
	cost := DefaultOptions().Cost
	b.ReportAllocs()
	for b.Loop() {
		derive(countingKey(), "MAILBOX1", &code, make([]byte, saltSize), cost)
	}
}
