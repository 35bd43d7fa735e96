package netsapiens

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// person is one user of the system, who is the same as an extension there.
type person struct {
	user, domain string
	name, mail   string
	language     string
	status       string // account-status
	off          bool   // no voicemail
	given        given
	four         four
}

// form is how a server shows a code.
type form uint32

const (
	formNone   form = iota // the user has no code
	formText               // "0417"
	formNumber             // 417: zeros in front are lost
	formOdd                // something that no telephone can enter
)

// given is a code as a server shows it.
type given struct {
	code pin.PIN
	form form
}

// UnmarshalJSON reads a JSON text or number and keeps none of its bytes. It never
// fails: an error would be a way out for the code. A number 0 counts as no code, because
// nothing tells an integer that was never set from a code of zeros.
func (g *given) UnmarshalJSON(b []byte) error {
	*g = given{}
	switch {
	case len(b) == 0 || b[0] == 'n' || string(b) == `""`:
		return nil
	case b[0] == '"':
		g.set(b[1:len(b)-1], formText)
	case string(b) == "0":
		return nil
	default:
		g.set(b, formNumber)
	}
	return nil
}

func (g *given) set(digits []byte, f form) {
	g.form = formOdd
	if code, err := pin.Parse(digits); err == nil && !code.Empty() {
		g.code, g.form = code, f
	}
}

// is tells whether code is the one shown. Codes are compared sealed: equal lengths,
// constant time. zeros accepts, of a number, any zeros in front.
func (g *given) is(code pin.PIN, zeros bool) bool {
	switch g.form {
	case formNone, formOdd:
		return false
	case formNumber:
		if zeros {
			code = significant(code)
		}
	}
	return g.code.Equal(&code)
}

// significant is code without its zeros in front.
func significant(code pin.PIN) (short pin.PIN) {
	code.Reveal(func(digits []byte) {
		short, _ = pin.Parse(bytes.TrimLeft(digits, "0")) // digits are digits
	})
	return short
}

func beginsWithZero(code pin.PIN) (zero bool) {
	code.Reveal(func(digits []byte) { zero = len(digits) > 0 && digits[0] == '0' })
	return zero
}

// four are the fields that a server may want back with every change, as it wrote them.
type four [4]json.RawMessage

var fourNames = [len(four{})]string{"name-first-name", "name-last-name", "email-address", "user-scope"}

// text is a JSON text, or the digits of a number where a text was promised.
type text string

// UnmarshalJSON takes what is neither for nothing said.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) == 0:
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return errShape
		}
		*t = text(s)
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(b)
	}
	return nil
}

// wirePerson is a user in v2 and, under other names, in v1; an error has Code and Message.
type wirePerson struct {
	User     text            `json:"user"`
	Domain   text            `json:"domain"`
	First    json.RawMessage `json:"name-first-name"`
	Last     json.RawMessage `json:"name-last-name"`
	Address  json.RawMessage `json:"email-address"`
	Scope    json.RawMessage `json:"user-scope"`
	Language text            `json:"language-token"`
	Enabled  text            `json:"voicemail-enabled"`
	Status   text            `json:"account-status"`
	Given    given           `json:"voicemail-login-pin"`

	First1    text  `json:"first_name"`
	Last1     text  `json:"last_name"`
	Language1 text  `json:"language"`
	Address1  text  `json:"email"`
	Enabled1  text  `json:"vmail_enabled"`
	Made1     text  `json:"vmail_provisioned"`
	Status1   text  `json:"account_status"`
	Given1    given `json:"subscriber_pin"`
}

func (w *wirePerson) person() person {
	p := person{
		user: string(w.User), domain: strings.ToLower(string(w.Domain)),
		name:     strings.TrimSpace(plain(w.First) + string(w.First1) + " " + plain(w.Last) + string(w.Last1)),
		language: adapter.Tag(string(w.Language + w.Language1)),
		mail:     adapter.Mail(plain(w.Address) + string(w.Address1)),
		status:   string(w.Status + w.Status1),
		off:      no(w.Enabled) || no(w.Enabled1) || no(w.Made1),
		given:    w.Given,
		four:     four{w.First, w.Last, w.Address, w.Scope},
	}
	if p.given.form == formNone {
		p.given = w.Given1
	}
	return p
}

func plain(raw json.RawMessage) string {
	var t text
	_ = t.UnmarshalJSON(raw) // a name that is no text is no name
	return string(t)
}

func no(t text) bool { return t == "no" || t == "0" }

// errShape stands for every error of a decoder, because theirs quote what they read.
var errShape = errors.New("the answer is not of the form that is described")

// fromJSON reads an array of users, or one user. Who calls it wipes the body.
func fromJSON(body []byte) ([]person, error) {
	body = bytes.TrimSpace(body)
	var all []wirePerson
	switch {
	case len(body) == 0:
		return nil, errShape
	case body[0] == '[':
		if json.Unmarshal(body, &all) != nil {
			return nil, errShape
		}
	case body[0] == '{':
		all = make([]wirePerson, 1)
		if json.Unmarshal(body, &all[0]) != nil {
			return nil, errShape
		}
	default:
		return nil, errShape
	}
	people := make([]person, 0, len(all))
	for i := range all {
		if all[i].User == "" {
			return nil, errShape
		}
		people = append(people, all[i].person())
	}
	return people, nil
}

// account is p as a caller of Lookup sees it.
func (s *Store) account(p *person, at address, domain string) mailbox.Account {
	return mailbox.Account{
		ID: at.id(), Backend: Name, Extension: at.user, Domain: domain, Name: p.name, Mail: p.mail, Language: p.language,
		Flags: mailbox.Flags{
			Disabled: p.off, NoCode: p.given.form == formNone,
			MustChange: slices.ContainsFunc(s.options.MustChange, func(at string) bool { return at != "" && strings.EqualFold(at, p.status) }),
		},
	}
}
