package cue

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// person is a user as the system shows one.
type person struct {
	id, extension, number, name, language string
}

// account is p as a mailbox of a domain.
func (s *Store) account(p person) mailbox.Account {
	a := mailbox.Account{
		ID: p.id, Backend: Name, Extension: p.extension, Domain: s.o.Domain, Name: p.name, User: p.id, Language: p.language,
	}
	policy := s.policy
	a.Rules = &policy
	if p.number != "" {
		a.Numbers = []string{p.number}
	}
	return a
}

// detail asks for one user. ok is false where the answer describes nobody.
func (h *shell) detail(ctx context.Context, id string) (p person, ok bool, answer []byte, err error) {
	answer, err = h.text(ctx, detailCommand+" "+id)
	if err != nil {
		return person{}, false, nil, err
	}
	p, ok = readDetail(id, answer)
	return p, ok, answer, nil
}

// readDetail reads the lines "Label: value" of "show user detail". A user without the
// line "Phone:" is none.
func readDetail(id string, answer []byte) (p person, ok bool) {
	p.id = id
	for line := range bytes.Lines(answer) {
		label, value, found := strings.Cut(string(bytes.TrimSpace(line)), ":")
		if !found {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(label)) {
		case "full name":
			p.name = clean(value)
		case "phone":
			ok = true
			if adapter.IsNumber(value) {
				p.extension = value
			}
		case "phone(e.164)":
			if n := strings.TrimPrefix(value, "+"); adapter.IsNumber(n) {
				p.number = n
			}
		case "language":
			p.language = language(value)
		}
	}
	return p, ok
}

// clean is a name for people.
func clean(name string) string {
	if !utf8.ValidString(name) || !printable(name) {
		return ""
	}
	return name
}

// list asks for the ids of all users.
func (h *shell) list(ctx context.Context, most int) ([]string, error) {
	answer, err := h.text(ctx, listCommand)
	if err != nil {
		return nil, err
	}
	return readList(answer, most)
}

// readList reads one id a line. Lines that are none are left out, but if there is no
// other it is no list.
func readList(answer []byte, most int) (ids []string, err error) {
	others := false
	for line := range bytes.Lines(answer) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case !isID(line):
			others = true
		case len(ids) == most:
			return nil, fmt.Errorf("it has more than %d users: raise max_users, or name the mailboxes in users", most)
		default:
			ids = append(ids, string(line))
		}
	}
	if len(ids) == 0 && others {
		return nil, fmt.Errorf("%q is answered %q", listCommand, quote(answer))
	}
	return ids, nil
}

// tagShape is a BCP 47 tag (RFC 5646 section 2.1) as far as languages of prompts need it.
var tagShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$`)

func isTag(s string) bool { return tagShape.MatchString(s) }

// regions are the alpha-2 codes of the alpha-3 codes (ISO 3166-1) and of the system's own
// abbreviations in names of languages, as far as they are known.
var regions = map[string]string{
	"ENU": "US", "ENG": "GB", "USA": "US", "GBR": "GB", "DEU": "DE", "FRA": "FR", "CAN": "CA", "ESP": "ES", "MEX": "MX",
	"ITA": "IT", "PRT": "PT", "BRA": "BR", "NLD": "NL", "DNK": "DK", "SWE": "SE", "NOR": "NO", "FIN": "FI", "POL": "PL",
	"CHN": "CN", "JPN": "JP", "KOR": "KR", "RUS": "RU", "TUR": "TR",
}

// language is the BCP 47 tag of a language as the system names it, en_US or de_DEU; empty
// for what is none, as "system default".
func language(name string) string {
	lang, region, _ := strings.Cut(strings.ReplaceAll(name, "-", "_"), "_")
	if len(lang) != 2 || !isTag(lang) {
		return ""
	}
	lang, region = strings.ToLower(lang), strings.ToUpper(region)
	if two := regions[region]; two != "" {
		region = two
	}
	if tag := lang + "-" + region; isTag(tag) {
		return tag
	}
	return lang
}
