package uas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"star97/internal/dialplan"
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
	byDigest      // authentication: see Server.prove
	byCertificate // of the connection: see Server.owner
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
		return identity{kind: byDigest}, nil
	case "certificate":
		return identity{kind: byCertificate}, nil
	}
	name, ok := strings.CutPrefix(s, "header ")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenChar(r) }) {
		return identity{}, fmt.Errorf("is %q; use none, pai, from, digest, certificate or \"header NAME\"", s)
	}
	return identity{kind: headerNamed, header: name}, nil
}

// proves says that the identity is no word but a proof.
func (id identity) proves() bool { return id.kind == byDigest || id.kind == byCertificate }

// party is whom a header names: the user as it is written, and the host if there is one.
type party struct{ user, host string }

// caller is whom the headers of the request are believed to name, the zero party if
// nobody is believed. What it means is the dialplan's to say.
func (id identity) caller(req *sip.Request) party {
	var p party
	switch id.kind {
	case asserted:
		p = assertedParty(req)
	case fromHeader:
		if from := req.From(); from != nil {
			p = uriParty(from.Address)
		}
	case headerNamed:
		// One that the caller added beside the PBX's own must not be taken for it.
		if all := req.GetHeaders(id.header); len(all) == 1 {
			p = addressParty(all[0].Value())
		}
	}
	if !isUser(p.user) {
		return party{}
	}
	return p
}

// isUser says whether a user part can be somebody's, or nobody's at all.
func isUser(user string) bool {
	user = dialplan.User(user)
	return len(user) <= userMax && cleaned(user, userMax) == user && !slices.Contains(nobodies, strings.ToLower(user))
}

// nobodies are users that stand for a number withheld (RFC 3323 section 4.1.1.3)
// or not known, as gateways write them: many callers share one.
var nobodies = []string{
	"anonymous", "restricted", "private", "withheld", "unavailable", "unknown",
}

// userMax bounds a believed user; numbers are half as long.
const userMax = 64

const assertedName = "P-Asserted-Identity"

// assertedParty is the SIP or SIPS URI of P-Asserted-Identity, else its tel URI. It may
// hold one of each, in one header line or two (RFC 3325 section 9.1); two of a kind
// mean that not all are the PBX's word, so nobody.
func assertedParty(req *sip.Request) party {
	found := map[bool]party{} // by whether it is a tel URI
	for _, value := range values(req, assertedName) {
		p, tel := addressParty(value), isTel(value)
		if p.user == "" {
			continue
		}
		if found[tel].user != "" {
			return party{}
		}
		found[tel] = p
	}
	if found[false].user != "" {
		return found[false]
	}
	return found[true]
}

// values are those of a header that may hold several, in one line or more.
func values(req *sip.Request, name string) (all []string) {
	for _, h := range req.GetHeaders(name) {
		all = append(all, split(h.Value(), ',')...)
	}
	return all
}

// isTel says whether the URI of a name-addr or an addr-spec is a tel URI.
func isTel(value string) bool {
	if inner, ok := bracketed(value); ok {
		value = inner
	}
	scheme, _, _ := strings.Cut(strings.TrimSpace(value), ":")
	return strings.EqualFold(scheme, "tel")
}

// addressParty is whom a name-addr, an addr-spec or a bare word names; nobody for a
// URI of another scheme.
func addressParty(value string) party {
	inner, ok := bracketed(value)
	if !ok {
		// Without brackets, what follows ";" belongs to the header (RFC 3261 20.10).
		inner, _, _ = strings.Cut(strings.TrimSpace(value), ";")
		if !strings.Contains(inner, ":") {
			return party{user: strings.TrimSpace(inner)}
		}
	}
	var uri sip.Uri
	if sip.ParseUri(inner, &uri) != nil {
		return party{}
	}
	return uriParty(uri)
}

// uriParty is the user part and the host of a SIP URI, or the number of a tel URI.
func uriParty(uri sip.Uri) party {
	switch uri.Scheme {
	case "sip", "sips", "":
		return party{uri.User, uri.Host}
	case "tel":
		return party{user: uri.Raw()}
	}
	return party{}
}
