package register

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// challenge is what a 401 or a 407 asks for.
type challenge struct {
	*digest.Challenge
	header string // that the answer goes into
	count  int    // of the answers so far (RFC 7616 section 3.4: nc)
}

// strengths of digests (RFC 8760 section 2.1), the best last. One that is written nowhere
// is MD5.
var strengths = []string{"MD5", "SHA-256", "SHA-512-256"}

// challengeOf is the strongest challenge of a response that can be answered. RFC 8760
// section 2.4 has the first one taken unless there is a policy: ours is that whoever can
// alter an answer on its way gains nothing by putting MD5 first.
func challengeOf(res *sip.Response) (*challenge, error) {
	asks, answers := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	}
	var best *challenge
	strongest := -1
	for _, h := range res.GetHeaders(asks) {
		c, err := digest.ParseChallenge(h.Value())
		if err != nil {
			continue
		}
		for i, q := range c.QOP {
			c.QOP[i] = strings.ToLower(strings.TrimSpace(q))
		}
		if s := strengthOf(c.Algorithm); s > strongest && c.Nonce != "" && digest.CanDigest(c) {
			best, strongest = &challenge{Challenge: c, header: answers}, s
		}
	}
	if strongest < 0 {
		return nil, errors.New("the registrar asks for the password in a way that is not served: of digests there are MD5, SHA-256 and SHA-512-256, with qop auth or auth-int or none (RFC 8760)")
	}
	return best, nil
}

func strengthOf(algorithm string) int {
	if algorithm == "" {
		return 0
	}
	for i, s := range strengths {
		if strings.EqualFold(s, algorithm) {
			return i
		}
	}
	return -1
}

// answer puts the credentials for a challenge into a request (RFC 3261 section 22.4).
func (c *challenge) answer(req *sip.Request, user, password string) error {
	c.count++
	uri := req.Recipient.String()
	proof, err := digest.Digest(c.Challenge, digest.Options{Method: string(req.Method), URI: uri, Username: user, Password: password, Count: c.count})
	if err != nil {
		return errors.New("the registrar's challenge cannot be answered")
	}
	req.AppendHeader(sip.NewHeader(c.header, proof.String()))
	return nil
}
