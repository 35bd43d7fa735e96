package caller

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// staleMost are the challenges that one request answers: a wrong password is shown once,
// and again only to a far end that finds it right and its own nonce too old.
const staleMost = 3

// authorized is a request again, with credentials for the challenge that refused it (RFC
// 3261 section 22.2); nil if there is none to answer, or nothing to answer it with.
func (c *Call) authorized(r *request, res *sip.Response, tries int) *request {
	ask, answer := "WWW-Authenticate", "Authorization"
	switch {
	case c.o.User == "" || tries >= staleMost:
		return nil
	case res.StatusCode == sip.StatusProxyAuthRequired:
		ask, answer = "Proxy-Authenticate", "Proxy-Authorization"
	case res.StatusCode != sip.StatusUnauthorized:
		return nil
	}
	for _, h := range res.GetHeaders(ask) { // the first one that we know is the best (RFC 8760 section 2.3)
		challenge, err := digest.ParseChallenge(h.Value())
		if err != nil || !digest.CanDigest(challenge) {
			continue
		}
		if tries > 0 && !challenge.Stale {
			return nil
		}
		credentials, err := digest.Digest(challenge, digest.Options{Method: r.method, URI: r.uri, Username: c.o.User, Password: c.o.Password.Reveal()})
		if err != nil {
			continue
		}
		next := *r
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cseq++
		next.cseq, next.branch = c.cseq, sip.GenerateBranchN(24)
		next.headers = append(slices.DeleteFunc(slices.Clone(r.headers), func(h Header) bool { return strings.EqualFold(h.Name, answer) }),
			Header{answer, credentials.String()})
		c.inviting = r.method == "INVITE"
		return &next
	}
	return nil
}
