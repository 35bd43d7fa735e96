package fake

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"star97/internal/backend/conformance/trouble"
)

const xsi = "http://www.w3.org/2001/XMLSchema-instance"

// schema is the order of the elements of each request; those with ! must be there.
var schema = map[string]string{
	"AuthenticationRequest":               "userId!",
	"LoginRequest14sp4":                   "userId! signedPassword",
	"LoginRequest22V5":                    "userId! password signedPassword",
	"LogoutRequest":                       "userId! reason",
	"VerifySessionIsValidRequest":         "",
	"SystemSoftwareVersionGetRequest":     "",
	"UserGetListInGroupRequest":           "serviceProviderId! GroupId! responseSizeLimit searchCriteriaDn searchCriteriaUserId searchCriteriaExtension",
	"UserGetListInServiceProviderRequest": "serviceProviderId! responseSizeLimit searchCriteriaDn searchCriteriaUserId searchCriteriaExtension",
	"UserGetListInSystemRequest":          "responseSizeLimit searchCriteriaDn searchCriteriaUserId searchCriteriaExtension",
	"AuthenticationVerifyRequest":         "phoneNumber! passcode!",
	"UserPortalPasscodeGetInfoRequest":    "userId!",
	"UserPortalPasscodeRulesGetRequest":   "userId!",
	"UserPortalPasscodeModifyRequest":     "userId! oldPasscode newPasscode!",
}

// valid tells whether a command is of the schema: order, namespaces, and nothing empty.
func valid(name string, c element) bool {
	order, ok := schema[name]
	if !ok || c.XMLName.Space != "" {
		return false
	}
	rest := c.Elements
	for _, want := range strings.Fields(order) {
		want, needed := strings.CutSuffix(want, "!")
		switch {
		case len(rest) > 0 && rest[0].XMLName.Local == want:
			if rest[0].XMLName.Space != "" || len(rest[0].Elements) == 0 && rest[0].Text == "" || len(rest[0].Text) > 161 {
				return false
			}
			rest = rest[1:]
		case needed:
			return false
		}
	}
	return len(rest) == 0
}

// command answers one. The caller holds mu.
func (f *Server) command(id string, c element, cookie *string) string {
	kind := c.attr(xsi, "type")
	name := kind
	verifier := f.settings.Verifier
	if verifier == "" {
		verifier = "AuthenticationVerifyRequest22V4"
	}
	if kind == verifier {
		name = "AuthenticationVerifyRequest"
	} else if strings.HasPrefix(kind, "AuthenticationVerifyRequest") {
		name = "unknown"
	}
	if !valid(name, c) {
		return f.refuse(6004, "OCI XML Request validation error", "OCI-Anfrage ungültig")
	}
	switch name {
	case "AuthenticationRequest":
		s := &session{nonce: f.nonce()}
		if cookie != nil {
			s.cookie = *cookie
		}
		f.sessions[id] = s
		told, algorithm := s.nonce, f.settings.Algorithm
		if f.settings.WrongNonce {
			told += "0"
		}
		if algorithm == "" {
			algorithm = "MD5"
		}
		return data("AuthenticationResponse", tag("userId", c.of("userId")), tag("nonce", told), tag("passwordAlgorithm", algorithm))
	case "LoginRequest14sp4", "LoginRequest22V5":
		return f.login(id, name, c, cookie)
	}
	op := opOf([]byte(`<command xsi:type="` + kind + `"`))
	if f.orders.Asked(op, trouble.Expired).Kind == trouble.Expired {
		delete(f.sessions, id)
	}
	s := f.sessions[id]
	if s == nil || !s.in || cookie != nil && s.cookie != *cookie {
		return f.unauthorized()
	}
	switch name {
	case "LogoutRequest":
		delete(f.sessions, id)
		return success
	case "VerifySessionIsValidRequest":
		return success
	case "SystemSoftwareVersionGetRequest":
		if f.settings.Version == "" || f.settings.Group {
			return f.unauthorized()
		}
		return data("SystemSoftwareVersionGetResponse", tag("version", f.settings.Version))
	case "AuthenticationVerifyRequest":
		return f.verify(strings.Replace(kind, "Request", "Response", 1), c)
	case "UserPortalPasscodeGetInfoRequest", "UserPortalPasscodeRulesGetRequest", "UserPortalPasscodeModifyRequest":
		return f.portal(name, c)
	}
	return f.find(name, c)
}

const success = `<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`

func tag(name, text string) string { return "<" + name + ">" + escape(text) + "</" + name + ">" }

func data(kind string, elements ...string) string {
	return `<command echo="" xsi:type="` + kind + `" xmlns="">` + strings.Join(elements, "") + `</command>`
}

// refuse is an ErrorResponse, whose summary is in another language.
func (f *Server) refuse(number int, english, german string) string {
	return f.said("Error", number, english, german)
}

func (f *Server) said(class string, number int, english, german string) string {
	code, bracket := "", fmt.Sprintf("[Error %d] ", number)
	if f.settings.ErrorCodes {
		code = tag("errorCode", strconv.Itoa(number))
	}
	if f.settings.NoBrackets {
		bracket = ""
	}
	return `<command type="` + class + `" echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">` + code +
		tag("summary", bracket+german) + tag("summaryEnglish", bracket+english) + `</command>`
}

func (f *Server) unauthorized() string {
	return f.refuse(5404, "Unauthorized transaction.", "Nicht erlaubt für dieses Konto.")
}

func (f *Server) invalid() string {
	number := f.settings.WrongNumber
	if number == 0 {
		number = 4962
	}
	return f.refuse(number, "Invalid password", "Ungültiges Passwort")
}

func (f *Server) login(id, name string, c element, cookie *string) string {
	s := f.sessions[id]
	if name == "LoginRequest22V5" {
		s = &session{}
		f.sessions[id] = s
	}
	if s == nil {
		return f.unauthorized()
	}
	signed := name == "LoginRequest14sp4"
	if !signed && c.of("password") == "" {
		return f.refuse(6005, "The password is missing", "Das Passwort fehlt")
	}
	word := sha1.Sum([]byte(Password))
	sum := md5.Sum([]byte(s.nonce + ":" + hex.EncodeToString(word[:])))
	right := c.of("password") == Password
	if signed {
		right = c.of("signedPassword") == hex.EncodeToString(sum[:])
	}
	if s.nonce = ""; c.of("userId") != User || !right {
		delete(f.sessions, id)
		return f.refuse(4962, "Invalid password", "Ungültiges Passwort")
	}
	s.in = true
	if cookie != nil {
		s.cookie = *cookie
	}
	kind := "System"
	if f.settings.Group {
		kind = "Group"
	}
	return data(strings.Replace(name, "Request", "Response", 1), tag("loginType", kind), tag("locale", "en_US"), tag("encoding", "ISO-8859-1"),
		tag("isEnterprise", "false"), tag("passwordExpiresDays", "40"), tag("userDomain", "example.test"))
}

// find answers the three searches. Columns come in any order, with others between them.
func (f *Server) find(name string, c element) string {
	if f.settings.Group && name != "UserGetListInGroupRequest" {
		return f.unauthorized()
	}
	if sp := c.of("serviceProviderId"); sp != "" && sp != ServiceProvider {
		return f.refuse(4003, "Service provider not found: "+sp, "Dienstanbieter nicht gefunden")
	}
	if g := c.of("GroupId"); g != "" && g != Group && g != OtherGroup {
		return f.refuse(4005, "Group not found: "+g, "Gruppe nicht gefunden")
	}
	var found []*record
	for _, r := range f.users {
		if g := c.of("GroupId"); (g == "" || g == r.group) && f.matches(r, c) {
			found = append(found, r)
		}
	}
	if most, err := strconv.Atoi(c.of("responseSizeLimit")); err == nil && len(found) > most {
		return f.refuse(6006, "Too many rows", "Zu viele Zeilen") // invented
	}
	return data(strings.Replace(name, "Request", "Response", 1), table(name, found))
}

func (f *Server) matches(r *record, c element) bool {
	for _, e := range c.Elements {
		var value string
		switch e.XMLName.Local {
		case "searchCriteriaDn":
			value = r.dn
		case "searchCriteriaUserId":
			value = r.id
		case "searchCriteriaExtension":
			value = r.extension
		default:
			continue
		}
		if len(e.Elements) != 3 || e.Elements[0].XMLName.Local != "mode" || e.Elements[1].XMLName.Local != "value" || e.Elements[2].XMLName.Local != "isCaseInsensitive" {
			return false
		}
		value, want := strings.ToLower(value), strings.ToLower(e.of("value"))
		switch e.of("mode") {
		case "Equal To":
			if value != want {
				return false
			}
		case "Starts With":
			if !strings.HasPrefix(value, want) {
				return false
			}
		case "Contains":
			if !strings.Contains(value, want) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func table(name string, found []*record) string {
	columns := []string{"User Id", "Last Name", "First Name", "Department", "Phone Number", "Phone Number Activated", "Email Address", "Hiragana Last Name", "Hiragana First Name", "In Trunk Group", "Extension"}
	if name != "UserGetListInGroupRequest" {
		columns = append(columns, "Group Id")
	}
	if name == "UserGetListInSystemRequest" {
		columns = append(columns, "Service Provider Id")
	}
	rand.Shuffle(len(columns), func(i, k int) { columns[i], columns[k] = columns[k], columns[i] })
	var b strings.Builder
	b.WriteString("<userTable>")
	for _, heading := range columns {
		b.WriteString(tag("colHeading", heading))
	}
	for _, r := range found {
		cells := map[string]string{
			"User Id": r.id, "Last Name": r.last, "First Name": r.first, "Phone Number": r.dn, "Extension": r.extension, "Email Address": r.mail,
			"Group Id": r.group, "Service Provider Id": ServiceProvider, "In Trunk Group": "false",
		}
		b.WriteString("<row>")
		for _, heading := range columns {
			b.WriteString(tag("col", cells[heading]))
		}
		b.WriteString("</row>")
	}
	b.WriteString("</userTable>")
	return b.String()
}

// verify checks a code by a telephone number. That a disabled login is answered so, and
// that wrong codes count here, is invented.
func (f *Server) verify(response string, c element) string {
	number := digits(c.of("phoneNumber"))
	r := f.owner(number)
	if r == nil {
		return f.refuse(4008, "User not found: "+number, "Benutzer nicht gefunden")
	}
	if r.disabled && !f.settings.Lax {
		return f.refuse(5202, "Account is disabled.", "Das Konto ist gesperrt für Anmeldungen.")
	}
	if code := *r.code.Shown(); code == "" || code != c.of("passcode") {
		r.wrong++
		r.disabled = f.rules.MaxFailed > 0 && r.wrong >= f.rules.MaxFailed
		return f.invalid()
	}
	r.wrong = 0
	return data(response, tag("loginType", "User"), tag("locale", "en_US"), tag("encoding", "ISO-8859-1"), tag("groupId", r.group),
		tag("serviceProviderId", ServiceProvider), tag("isEnterprise", "false"), tag("lastName", r.last), tag("firstName", r.first),
		tag("userId", r.id), tag("phoneNumber", r.dn))
}

// portal answers what is about one user's code.
func (f *Server) portal(name string, c element) string {
	r := f.users[c.of("userId")]
	if r == nil || f.settings.Group && r.group != Group {
		return f.refuse(4008, "User not found: "+c.of("userId"), "Benutzer nicht gefunden")
	}
	switch name {
	case "UserPortalPasscodeGetInfoRequest":
		if f.settings.NoStates {
			return f.unauthorized()
		}
		return f.info(r)
	case "UserPortalPasscodeRulesGetRequest":
		if f.settings.NoRules {
			return f.unauthorized()
		}
		return f.describe()
	}
	old, next := c.of("oldPasscode"), c.of("newPasscode")
	f.old = append(f.old, old)
	if f.settings.XS && old != "" && old != r.code.Last {
		return f.invalid()
	}
	if refused := f.broken(r, next); refused != "" {
		return refused
	}
	f.store(r, next)
	if f.settings.Warnings {
		return f.said("Warning", 7001, "The passcode was changed", "Der Code wurde geändert")
	}
	return success
}

func (f *Server) info(r *record) string {
	code := *r.code.Shown()
	if f.settings.Hide && code != "" {
		code = "********"
	}
	life := tag("doesNotExpire", "true")
	if f.rules.ExpiresDays > 0 {
		life = tag("expirationDays", strconv.Itoa(r.days))
	}
	return data("UserPortalPasscodeGetInfoResponse", tag("isLoginDisabled", strconv.FormatBool(r.disabled)), life, tag("passcode", code))
}
