package uas

import "github.com/emiago/sipgo/sip"

// Words under which refusals are counted beside those of their status.
const (
	refusedStranger = "stranger" // no peer lists the address
	refusedFlood    = "flood"    // above limits.rate: dropped without an answer
	refusedDraining = "draining"
	refusedUnwell   = "unwell"  // OPTIONS, while Deps.Healthy says no
	refusedSTUN     = "stun"    // a STUN message: dropped without an answer
	refusedNoPort   = "no-port" // no media for one more call
	refusedBehind   = "behind"  // more calls come than can be begun

	refusedCredentials = "wrong-credentials"
	refusedStale       = "stale-credentials" // right, but for their nonce

	refusedOther = "other"
)

// refusedBy are the words of the statuses.
var refusedBy = map[int]string{
	sip.StatusBadRequest:                   "malformed",
	sip.StatusUnauthorized:                 "challenged", // asked for credentials
	sip.StatusForbidden:                    refusedStranger,
	sip.StatusNotFound:                     "no-route",
	sip.StatusMethodNotAllowed:             "method",
	sip.StatusUnsupportedMediaType:         "body",
	sip.StatusBadExtension:                 "extension",
	sip.StatusCallTransactionDoesNotExists: "no-dialog",
	sip.StatusLoopDetected:                 "loop",
	sip.StatusTooManyHops:                  "hops",
	sip.StatusBusyHere:                     "peer-full",
	sip.StatusNotAcceptableHere:            "media",
	sip.StatusRequestPending:               "glare",
	sip.StatusInternalServerError:          "internal",
	sip.StatusServiceUnavailable:           "full",
	422:                                    "interval",
	489:                                    "event",
	505:                                    "version",
	513:                                    "too-large",
}

// Refusals lists the words of metrics for requests that are not served.
func Refusals() []string {
	all := []string{refusedFlood, refusedDraining, refusedUnwell, refusedSTUN, refusedNoPort, refusedBehind, refusedCredentials, refusedStale, refusedOther}
	for _, word := range refusedBy {
		all = append(all, word)
	}
	return all
}

// refusalWord is the word of a status.
func refusalWord(status int) string {
	if word, ok := refusedBy[status]; ok {
		return word
	}
	return refusedOther
}

// as counts a refusal under another word than its status's.
func (r *refusal) as(word string) *refusal {
	r.word = word
	return r
}

func (r *refusal) counted() string {
	if r.word != "" {
		return r.word
	}
	return refusalWord(r.status)
}
