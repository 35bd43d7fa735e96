package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"star97/internal/mailbox"
)

// Record is one decision. All texts are bounded and free of control characters
// once they are in the chain. There is no field for a code, its length or its
// digits.
type Record struct {
	Seq       uint64          `json:"seq"`  // 1 for the first, then without gap
	Form      Form            `json:"form"` // what is under Hash; Seal sets it
	Time      time.Time       `json:"time"` // UTC, whole microseconds
	Node      string          `json:"node"`
	Peer      string          `json:"peer,omitempty"`      // the configured peer's name
	Transport string          `json:"transport,omitempty"` // of SIP: udp, tcp, tls, ws, wss
	Source    string          `json:"source,omitempty"`    // peer address and asserted caller
	CallID    string          `json:"call_id,omitempty"`
	Door      mailbox.Door    `json:"door"`
	Claim     mailbox.Claim   `json:"claim,omitempty"` // what the caller showed to be let in
	Backend   string          `json:"backend,omitempty"`
	Domain    string          `json:"domain,omitempty"`
	Mailbox   string          `json:"mailbox,omitempty"`   // Account.ID; empty: no known mailbox
	Extension string          `json:"extension,omitempty"` // of a known mailbox
	Action    Action          `json:"action"`
	Stage     Stage           `json:"stage"`
	Outcome   mailbox.Outcome `json:"outcome"` // of what was changed; unknown elsewhere
	Result    mailbox.Code    `json:"result"`
	Rule      string          `json:"rule,omitempty"`   // the rule that refused a new code
	Until     time.Time       `json:"until,omitzero"`   // of a lock: open again from then; zero: not before somebody opens it
	Target    string          `json:"target,omitempty"` // where a transfer led, a new extension, the name of a backup's file, the id of a pepper's key, a SIP user; Unchanged
	Actor     string          `json:"actor,omitempty"`  // the administrator
	Reason    string          `json:"reason,omitempty"` // why: the administrator's words or star97's
	Policy    string          `json:"policy,omitempty"` // rules for new codes in force
	Intent    string          `json:"intent,omitempty"` // ties the records of one change together
	Prev      Hash            `json:"prev"`             // Hash of the record before; zero for the first
	Hash      Hash            `json:"hash"`             // over Prev and everything above
}

// withheld ends the Source of a caller who asked not to be named to who is called.
const withheld = " (withheld)"

// SourceForOwner is Source as the owner of the mailbox may know it.
func (r *Record) SourceForOwner() string {
	if !strings.HasSuffix(r.Source, withheld) {
		return r.Source
	}
	address, _, _ := strings.Cut(r.Source, " ")
	return address
}

// Unchanged is the target of a deed that found everything as it was to become, and of a
// Send that sent nothing because the code before is good still.
const Unchanged = "unchanged"

// Action is what was decided about. Numbers are in the chain: append, never reuse.
type Action uint8

// The actions.
const (
	Find     Action = 1 // a number was looked up and the system did not answer
	Login    Action = 2
	Change   Action = 3
	Unlock   Action = 4
	Reset    Action = 5
	Add      Action = 6
	Remove   Action = 7
	Edit     Action = 8
	Lock     Action = 9  // wrong codes closed a door or a source's budget, or an administrator the mailbox
	Send     Action = 10 // a one-time code, to the address on file
	Transfer Action = 11 // a call left for somebody else
	Renumber Action = 12
	Reassign Action = 13 // the mailbox went to another person
	Pepper   Action = 14 // the key of the stored codes was changed
	Backup   Action = 15
	Restore  Action = 16

	// Who may call by digest authentication, as user@realm in Target.
	SIPUserAdd     Action = 17
	SIPUserReplace Action = 18 // another password
	SIPUserRemove  Action = 19
)

var actionWords = [...]string{
	Find: "find", Login: "login", Change: "change", Unlock: "unlock", Reset: "reset", Add: "add", Remove: "remove",
	Edit: "edit", Lock: "lock", Send: "send", Transfer: "transfer", Renumber: "renumber", Reassign: "reassign",
	Pepper: "pepper", Backup: "backup", Restore: "restore",
	SIPUserAdd: "sip-user-add", SIPUserReplace: "sip-user-replace", SIPUserRemove: "sip-user-remove",
}

// Actions lists every action in the order of their numbers.
func Actions() (all []Action) {
	for a := Find; int(a) < len(actionWords); a++ {
		all = append(all, a)
	}
	return all
}

// String is the action's closed word.
func (a Action) String() string { return mailbox.Word(actionWords[:], uint8(a)) }

// MarshalText writes the closed word.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Stage says which part of a decision a record is.
type Stage uint8

// The stages. The zero value is a decision of one record.
const (
	Whole    Stage = 0
	Intended Stage = 1 // written before anything was sent
	Ended    Stage = 2
)

var stageWords = [...]string{Whole: "whole", Intended: "intended", Ended: "ended"}

// String is the stage's closed word.
func (s Stage) String() string { return mailbox.Word(stageWords[:], uint8(s)) }

// MarshalText writes the closed word.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// String is lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes lower-case hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("a hash has %d hexadecimal digits, not %d", hex.EncodedLen(len(h)), len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Head is the last record of a chain. The zero value is the empty chain.
type Head struct {
	Seq  uint64
	Hash Hash
}

// String is SEQ:HASH.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// MarshalText writes SEQ:HASH.
func (h Head) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String writes.
func (h *Head) UnmarshalText(text []byte) error {
	seq, hash, found := strings.Cut(string(text), ":")
	if !found {
		return errors.New("a head is the number of a record, a colon and its hash, as `star97 audit head` prints it")
	}
	n, err := strconv.ParseUint(seq, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != seq {
		return errors.New("a head begins with the number of a record")
	}
	h.Seq = n
	return h.Hash.UnmarshalText([]byte(hash))
}

// Form is what a record's hash covers and in which order. Records are never written
// anew, so each form that was ever written is kept.
type Form uint8

// The forms. A later one goes behind them, with what it adds in sum.
const (
	formFirst  Form = 1 // without Form, Claim, Until and Target
	formClaims Form = 2

	formNow = formClaims
)

// Seal returns r as the record behind last.
func (r Record) Seal(last Head) Record {
	r.Form, r.Seq, r.Prev = formNow, last.Seq+1, last.Hash
	r.Hash = r.sum()
	return r
}

// Head is the head of a chain that ends with r.
func (r *Record) Head() Head { return Head{Seq: r.Seq, Hash: r.Hash} }

// sum hashes the form, Prev and the fields in one unambiguous way: numbers as eight
// bytes, big endian, or as one; texts behind their length.
func (r *Record) sum() Hash {
	b := make([]byte, 0, 1024)
	b = append(b, byte(r.Form))
	b = append(b, r.Prev[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.UnixMicro()))
	b = append(b, byte(r.Door), byte(r.Action), byte(r.Stage), byte(r.Outcome), byte(r.Result))
	for _, s := range r.texts() {
		if s.since > r.Form {
			continue
		}
		b = binary.BigEndian.AppendUint64(b, uint64(len(*s.text)))
		b = append(b, *s.text...)
	}
	if r.Form >= formClaims {
		b = append(b, byte(r.Claim))
		b = binary.BigEndian.AppendUint64(b, uint64(Micros(r.Until)))
	}
	return sha256.Sum256(b)
}

// Holds tells whether r is as it was sealed. What stands in a field that its form does
// not cover was written there afterwards.
func (r *Record) Holds() bool {
	if r.Form < formClaims && (r.Claim != 0 || !r.Until.IsZero() || r.Target != "") {
		return false
	}
	return r.sum() == r.Hash
}

// Micros is a time as the chain keeps it: Unix microseconds; 0 is the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// At is the time of Micros, in UTC.
func At(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Longest texts, in characters.
const (
	maxName  = 64  // names that the configuration or the backend gave
	maxOuter = 128 // texts that came over the network or from a person
)

type text struct {
	text  *string
	most  int
	since Form
}

// texts lists the text fields in the order of the hash.
func (r *Record) texts() []text {
	return []text{
		{&r.Node, maxName, formFirst},
		{&r.Peer, maxName, formFirst},
		{&r.Transport, maxName, formFirst},
		{&r.Source, maxOuter, formFirst},
		{&r.CallID, maxOuter, formFirst},
		{&r.Backend, maxName, formFirst},
		{&r.Domain, maxOuter, formFirst},
		{&r.Mailbox, maxOuter, formFirst},
		{&r.Extension, maxName, formFirst},
		{&r.Rule, maxName, formFirst},
		{&r.Actor, maxOuter, formFirst},
		{&r.Reason, maxOuter, formFirst},
		{&r.Policy, maxName, formFirst},
		{&r.Intent, maxName, formFirst},
		{&r.Target, maxOuter, formClaims},
	}
}

// Clean bounds the texts, takes from them what a terminal would obey, and rounds the
// times to what the chain keeps. Records in a chain are clean already.
func (r Record) Clean() Record {
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	r.Until = At(Micros(r.Until))
	for _, s := range r.texts() {
		*s.text = clean(*s.text, s.most)
	}
	return r
}

// clean makes s fit for one line of text: valid UTF-8 without control and
// formatting characters (a terminal obeys them), cut to most characters, the last
// of which is then an ellipsis.
func clean(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
