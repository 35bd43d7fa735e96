package uas

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"star97/internal/dtmf"
)

// allowed are the methods served (RFC 3261 section 20.5).
const allowed = "INVITE, ACK, PRACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY"

// supported are the extensions served (section 20.37): RFC 3262, 3891 and 4028.
const supported = reliably + ", " + replacing + ", " + timing

const (
	reliably  = "100rel"
	replacing = "replaces"
	timing    = "timer"
)

const (
	sdpType    = "application/sdp"
	infoAccept = dtmf.InfoRelay + ", " + dtmf.InfoPlain
)

// refusal is a final answer other than 2xx with the headers that it owes.
type refusal struct {
	status  int
	reason  string // reason phrase
	headers []string
	log     string // why, for the log; empty: the reason phrase says it
	word    string // for metrics; empty: that of the status
	level   slog.Level
	silent  bool // nothing is answered
	told    bool // a provisional answer went out before
	once    bool // it is sent once: nobody has shown to be there
}

func refuse(status int, reason string, headers ...string) *refusal {
	return &refusal{status: status, reason: reason, headers: headers}
}

// because adds the words for the log.
func (r *refusal) because(why string) *refusal {
	r.log = why
	return r
}

func (r *refusal) why() string {
	if r.log != "" {
		return r.log
	}
	return r.reason
}

// standing is where a request stands by its tags (section 12.2.2).
type standing uint8

const (
	opening standing = iota // of no dialog: To came without a tag
	within                  // of a dialog of ours
	lost                    // of a dialog that is not ours, or no longer
)

// frontDoor refuses a well-formed request that is not served, in the order of RFC
// 3261 section 8.2: method, then headers, then body. nil lets it in. The gate has
// looked at version, mandatory headers, CSeq and scheme already.
func frontDoor(req *sip.Request, where standing) *refusal {
	for _, check := range []func(*sip.Request, standing) *refusal{
		checkMethod, checkHops, checkRequire, checkTags, checkReplaces, checkBody, checkAccept,
	} {
		if r := check(req, where); r != nil {
			return r
		}
	}
	return nil
}

func checkMethod(req *sip.Request, _ standing) *refusal {
	switch req.Method {
	case sip.INVITE, sip.PRACK, sip.BYE, sip.OPTIONS, sip.INFO, sip.UPDATE, sip.NOTIFY:
		return nil
	}
	return refuse(sip.StatusMethodNotAllowed, "Method Not Allowed", "Allow: "+allowed)
}

// checkHops: a request that arrives with no hop left has been going round (section
// 16.3). Within a dialog it is served: a BYE must not be lost over it; and OPTIONS is
// (section 11), since it may be meant for whoever is at that hop.
func checkHops(req *sip.Request, where standing) *refusal {
	if h := req.MaxForwards(); h != nil && h.Val() == 0 && where != within && req.Method != sip.OPTIONS {
		return refuse(sip.StatusTooManyHops, "Too Many Hops")
	}
	return nil
}

// checkRequire: extensions that a request depends on (section 8.2.2.3).
func checkRequire(req *sip.Request, _ standing) *refusal {
	var unknown []string
	for _, tag := range tags(req, "Require") {
		switch strings.ToLower(tag) {
		case "", reliably, replacing, timing:
		default:
			unknown = append(unknown, tag)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return refuse(sip.StatusBadExtension, "Bad Extension", "Unsupported: "+strings.Join(unknown, ", "))
}

// either is what requests and responses have in common.
type either interface {
	sip.Message
	GetHeader(name string) sip.Header
	Contact() *sip.ContactHeader
	ContentType() *sip.ContentTypeHeader
}

// tags are the words of a header that is a list of tokens, under all of its names.
func tags(msg either, names ...string) (all []string) {
	for _, name := range names {
		for _, h := range msg.GetHeaders(name) {
			for tag := range strings.SplitSeq(h.Value(), ",") {
				all = append(all, strings.TrimSpace(tag))
			}
		}
	}
	return all
}

// lists says whether such a header has a word, in any case.
func lists(msg either, word string, names ...string) bool {
	return slices.ContainsFunc(tags(msg, names...), func(tag string) bool { return strings.EqualFold(tag, word) })
}

// checkTags: a To tag speaks of a dialog that must exist (section 12.2.2), and
// what only a dialog can take must have one.
func checkTags(req *sip.Request, where standing) *refusal {
	if param(req.From().Params, "tag") == "" && req.Method != sip.OPTIONS {
		return refuse(sip.StatusBadRequest, "Missing From Tag")
	}
	if where == lost || where == opening && req.Method != sip.INVITE && req.Method != sip.OPTIONS {
		return refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	}
	return nil
}

// checkReplaces: only an INVITE that opens a dialog can take another's place (RFC 3891
// section 3).
func checkReplaces(req *sip.Request, where standing) *refusal {
	if req.GetHeader("Replaces") != nil && (req.Method != sip.INVITE || where != opening) {
		return badReplaces()
	}
	return nil
}

// checkBody: sections 8.2.3 and 20.11 to 20.15. A body that its sender marked
// optional is passed over.
func checkBody(req *sip.Request, _ standing) *refusal {
	accept := "Accept: " + sdpType
	var types []string
	switch req.Method {
	case sip.INVITE, sip.UPDATE:
		if c := req.Contact(); c == nil || c.Address.Host == "" || c.Address.Wildcard {
			return refuse(sip.StatusBadRequest, "Missing Contact") // section 8.1.1.8: one SIP URI
		}
		types = []string{sdpType}
	case sip.PRACK:
		types = []string{sdpType}
	case sip.INFO:
		accept = "Accept: " + infoAccept
		types = []string{dtmf.InfoRelay, dtmf.InfoPlain}
	case sip.NOTIFY:
		accept = "Accept: " + fragType
		types = []string{fragType}
	default:
		return nil
	}
	if len(req.Body()) == 0 || optionalBody(req) {
		return nil
	}
	if e := firstHeader(req, "Content-Encoding", "e"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(sip.StatusUnsupportedMediaType, "Unsupported Media Type", accept, "Accept-Encoding: identity")
	}
	for _, t := range types {
		if contentType(req) == t {
			return nil
		}
	}
	return refuse(sip.StatusUnsupportedMediaType, "Unsupported Media Type", accept, "Accept-Encoding: identity")
}

// checkAccept: an INVITE is answered by a session description, which its sender must
// take (section 20.1; RFC 4475 section 3.3.15). Without the header he does.
func checkAccept(req *sip.Request, _ standing) *refusal {
	all := values(req, "Accept")
	if req.Method != sip.INVITE || len(all) == 0 {
		return nil
	}
	for _, v := range all {
		media, _, _ := strings.Cut(v, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case sdpType, "application/*", "*/*":
			return nil
		}
	}
	return refuse(sip.StatusNotAcceptable, "Not Acceptable", "Warning: 399 "+product+` "our answer would be application/sdp"`).as("media")
}

// contentType is the media type of the body in lower case, without parameters.
func contentType(msg either) string {
	h := msg.ContentType()
	if h == nil {
		return ""
	}
	media, _, _ := strings.Cut(h.Value(), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// optionalBody is a body of a type that is not served, with handling=optional
// (RFC 3261 section 20.11, RFC 5621 section 3.3).
func optionalBody(req *sip.Request) bool {
	if contentType(req) == sdpType {
		return false
	}
	handling, _ := named(firstHeader(req, "Content-Disposition"), "handling")
	return strings.EqualFold(handling, "optional")
}

// descriptionOf is the session description that a message carries, nil if none.
func descriptionOf(msg either) []byte {
	if contentType(msg) != sdpType || len(msg.Body()) == 0 {
		return nil
	}
	return msg.Body()
}

func firstHeader(msg either, names ...string) string {
	for _, name := range names {
		if h := msg.GetHeader(name); h != nil {
			return strings.TrimSpace(h.Value())
		}
	}
	return ""
}

// param is a header parameter by its name in any case; sipgo keeps the blanks
// that RFC 3261 section 7.3.1 allows around it.
func param(params sip.HeaderParams, name string) string {
	for _, kv := range params {
		if strings.EqualFold(strings.TrimSpace(kv.K), name) {
			return strings.TrimSpace(kv.V)
		}
	}
	return ""
}
