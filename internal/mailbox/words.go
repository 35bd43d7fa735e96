package mailbox

import "fmt"

var (
	outcomeWords = [...]string{Unknown: "unknown", Done: "done", Refused: "refused"}
	doorWords    = [...]string{0: "none", OwnDoor: "own", AnyDoor: "any", CheckDoor: "check"}
	claimWords   = [...]string{ByCode: "code", ByOneTime: "one-time-code", ByFirstUse: "first-use"}
	checkWords   = [...]string{NoCheck: "none", Native: "native", Compare: "compare", Delegated: "delegated"}
	proofWords   = [...]string{NoProof: "none", ByTransaction: "transaction", ByAnswer: "answer", ByReadBack: "read-back", ByVerify: "verify"}
)

// String is the outcome's closed word.
func (o Outcome) String() string { return Word(outcomeWords[:], uint8(o)) }

// MarshalText writes the closed word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// String is the claim's closed word.
func (c Claim) String() string { return Word(claimWords[:], uint8(c)) }

// MarshalText writes the closed word.
func (c Claim) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String is the closed word of how a code is checked.
func (c Check) String() string { return Word(checkWords[:], uint8(c)) }

// MarshalText writes the closed word.
func (c Check) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String is the proof's closed word.
func (p Proof) String() string { return Word(proofWords[:], uint8(p)) }

// MarshalText writes the closed word.
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String is the door's closed word.
func (d Door) String() string { return Word(doorWords[:], uint8(d)) }

// MarshalText writes the closed word.
func (d Door) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "own", "any" or "check".
func (d *Door) UnmarshalText(text []byte) error {
	switch string(text) {
	case "own":
		*d = OwnDoor
	case "any":
		*d = AnyDoor
	case "check":
		*d = CheckDoor
	default:
		return fmt.Errorf("door %q is not known: use own, any or check", text)
	}
	return nil
}

// Word is the closed word of number i, or one that says that it has none.
func Word(words []string, i uint8) string {
	if int(i) < len(words) && words[i] != "" {
		return words[i]
	}
	return fmt.Sprintf("unnamed-%d", i)
}

// InDomain goes on from a mailbox's number in a sentence; nothing for the default
// domain.
func InDomain(domain string) string {
	if domain == "" {
		return ""
	}
	return " in domain " + domain
}
