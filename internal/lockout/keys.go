package lockout

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"star97/internal/mailbox"
)

// keysOf names the counters of a try, and how many of them are of where it comes from. A
// source is a believed caller behind a peer's address, or all others behind it together:
// many people may share a trunk, and no ten of them may close it to the rest. It has a
// budget for each door, so that a stranger who shows the owner's number at the any door
// cannot use up that of the owner's own phone. The same number in two tenants is two
// people, where the caller's is known and at the own door always.
func keysOf(a mailbox.Account, at mailbox.Attempt, system bool) (keys []string, from int) {
	door := "any"
	if at.Door == mailbox.OwnDoor {
		door = "own"
	}
	who := at.Peer + "\n" + at.Source + "\n" + at.Caller
	switch {
	case at.Home != "":
		who += "\n" + at.Home
	case at.Door == mailbox.OwnDoor && a.Domain != "":
		who += "\n" + a.Domain
	}
	keys = []string{"source-" + door + ":" + bounded(who)}
	if at.Door != mailbox.OwnDoor {
		keys = append(keys, "peer:"+bounded(at.Peer), "total")
	}
	from = len(keys)
	if a.ID == "" {
		return keys, from
	}
	keys = append(keys, boxKeys(a, at.Door)...)
	if system {
		keys = append(keys, systemKey(a))
	}
	return keys, from
}

// boxKeys names a mailbox's counters, seen from one door.
func boxKeys(a mailbox.Account, door mailbox.Door) []string {
	box := bounded(a.Backend + "\n" + a.ID)
	own, other := "own:"+box, "any:"+box
	if door != mailbox.OwnDoor {
		own, other = other, own
	}
	return []string{own, other, "both:" + box}
}

func systemKey(a mailbox.Account) string { return "system:" + bounded(a.Backend+"\n"+a.ID) }

// markOf tells one mailbox from another in a source's list. It is that of what the caller
// asked for, whether such a mailbox exists or not: else a source's budget would tell.
func markOf(a mailbox.Account, at mailbox.Attempt) int64 {
	if at.Asked != 0 {
		return int64(at.Asked % maxEntry)
	}
	sum := sha256.Sum256([]byte(a.Backend + "\n" + a.ID))
	return int64(binary.BigEndian.Uint64(sum[:]) % maxEntry)
}

// maxKey bounds the part of a key that comes from outside, in bytes.
const maxKey = 128

func bounded(s string) string {
	if len(s) <= maxKey {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
