package uas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// identity is whose word on the caller is believed, as a peer is configured.
type identity struct {
	kind   identityKind
	header string // headerNamed: the header's name
}

type identityKind uint8

const (
	nobody identityKind = iota
	asserted
	fromHeader
	headerNamed
)

func parseIdentity(s string) (identity, error) {
	switch s {
	case "", "none":
		return identity{}, nil
	case "pai":
		return identity{kind: asserted}, nil
	case "from":
		return identity{kind: fromHeader}, nil
	case "digest":
		return identity{}, fmt.Errorf("is digest, which is not served yet; use none, pai, from or \"header NAME\"")
	}
	name, ok := strings.CutPrefix(s, "header ")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenChar(r) }) {
		return identity{}, fmt.Errorf("is %q; use none, pai, from or \"header NAME\"", s)
	}
	return identity{kind: headerNamed, header: name}, nil
}

// caller is the user that the request is believed to come from, empty if nobody
// is believed. What it means is the dialplan's to say.
func (id identity) caller(req *sip.Request) string {
	user := ""
	switch id.kind {
	case asserted:
		user = assertedUser(req)
	case fromHeader:
		if from := req.From(); from != nil {
			user = userOf(from.Address)
		}
	case headerNamed:
		// One that the caller added beside the PBX's own must not be taken for it.
		if all := req.GetHeaders(id.header); len(all) == 1 {
			user = addressUser(all[0].Value())
		}
	}
	if len(user) > userMax || cleaned(user, userMax) != user || slices.Contains(nobodies, strings.ToLower(user)) {
		return ""
	}
	return user
}

// nobodies are users that stand for a number withheld (RFC 3323 section 4.1.1.3)
// or not known, as gateways write them: many callers share one.
var nobodies = []string{
	"anonymous", "restricted", "private", "withheld", "unavailable", "unknown",
}

// userMax bounds a believed user; numbers are half as long.
const userMax = 64

// assertedUser is the user of P-Asserted-Identity's SIP or SIPS URI, else the number
// of its tel URI. It may hold one of each, in one header line or two (RFC 3325
// section 9.1); two of a kind mean that not all are the PBX's word, so nobody.
func assertedUser(req *sip.Request) string {
	users := map[bool]string{} // by whether it is a tel URI
	for _, h := range req.GetHeaders("P-Asserted-Identity") {
		for _, value := range split(h.Value(), ',') {
			user, tel := addressUser(value), isTel(value)
			if user == "" {
				continue
			}
			if users[tel] != "" {
				return ""
			}
			users[tel] = user
		}
	}
	if users[false] != "" {
		return users[false]
	}
	return users[true]
}

// isTel says whether the URI of a name-addr or an addr-spec is a tel URI.
func isTel(value string) bool {
	if inner, ok := bracketed(value); ok {
		value = inner
	}
	scheme, _, _ := strings.Cut(strings.TrimSpace(value), ":")
	return strings.EqualFold(scheme, "tel")
}

// addressUser is the user of a name-addr or an addr-spec, or a bare word; empty
// for a URI of another scheme.
func addressUser(value string) string {
	inner, ok := bracketed(value)
	if !ok {
		// Without brackets, what follows ";" belongs to the header (RFC 3261 20.10).
		inner, _, _ = strings.Cut(strings.TrimSpace(value), ";")
		if !strings.Contains(inner, ":") {
			return strings.TrimSpace(inner)
		}
	}
	var uri sip.Uri
	if sip.ParseUri(inner, &uri) != nil {
		return ""
	}
	return userOf(uri)
}

// userOf is the user part of a SIP URI or the number of a tel URI (RFC 3966):
// without its parameters, unescaped (RFC 3261 section 19.1.4).
func userOf(uri sip.Uri) string {
	user := ""
	switch uri.Scheme {
	case "sip", "sips", "":
		user = uri.User
	case "tel":
		user = uri.Raw()
	}
	user, _, _ = strings.Cut(user, ";")
	user = unescape(user)
	if uri.Scheme == "tel" {
		user = strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(user)
	}
	return user
}

// unescape undoes %HH; a "%" without two hexadecimal digits stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
