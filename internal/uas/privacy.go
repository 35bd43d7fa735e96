package uas

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// A caller may ask that nobody who is called learns who calls (Privacy, RFC 3323 section 4.2,
// RFC 3325 section 7). star97 is called, and it is also a part of the network that is asked
// to keep the secret: a peer whose word is believed sends P-Asserted-Identity all the same.
// So it is ours to use and nobody's to be told:
//
//   - The door, the lock-out and the limits go by the believed caller as ever: else a phone
//     that hides its number could not reach its own mailbox, and whoever hides would have tries
//     of his own.
//   - The log and the audit trail, which are the administrator's, have the caller; the audit
//     trail says that the number is withheld, so that nobody passes it on unaware.
//   - The owner of the mailbox, who is the one called, is not told it: notices leave it out.
//   - No request of ours names a caller to anybody: Referred-By of a REFER and every Contact
//     are star97's own, and what came in P-Asserted-Identity, Diversion or History-Info goes
//     nowhere. From and To within a call are the caller's own words and go back to him alone.

// withheld says that the caller asks not to be named to who is called.
func withheld(req *sip.Request) bool {
	for _, list := range tags(req, "Privacy") {
		for value := range strings.SplitSeq(list, ";") { // RFC 3323 section 4.2: between semicolons
			switch strings.ToLower(strings.TrimSpace(value)) {
			case "id", "user", "header":
				return true
			}
		}
	}
	return false
}
