package fake

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// field is one of an object: a string, a bool or an int.
type field struct {
	name  string
	value any
}

// object is what the server answers with, in the order of its fields.
type object []field

func (o object) get(name string) string {
	for _, f := range o {
		if f.name == name {
			return fmt.Sprint(f.value)
		}
	}
	return ""
}

func (u *user) object() object {
	base := "/vmrest/users/" + u.id
	o := object{
		{"URI", base}, {"ObjectId", u.id}, {"FirstName", u.First}, {"LastName", u.Last}, {"Alias", u.Alias},
		{"DisplayName", u.Name}, {"EmailAddress", u.Mail}, {"TimeZone", 4}, {"Language", u.Language}, {"IsVmEnrolled", false},
		{"DtmfAccessId", u.Extension}, {"PartitionObjectId", u.Partition}, {"Inactive", u.Inactive},
		{"AlternateExtensionsURI", base + "/alternateextensions"}, {"UserVoicePinURI", base + "/credential/pin"},
		{"UserWebPasswordURI", base + "/credential/password"},
	}
	if u.LDAPUser != "" {
		o = append(o, field{"LdapType", 3}, field{"LdapCcmUserId", u.LDAPUser})
	}
	return o
}

func (s *Server) credential(u *user) object {
	o := object{
		{"URI", "/vmrest/users/" + u.id + "/credential/pin"}, {"UserObjectId", u.id}, {"CredentialType", 4}, {"Credentials", ""},
		{"IsPrimary", false}, {"CantChange", u.CantChange}, {"DoesntExpire", true}, {"TimeChanged", s.clock(u.Changed)},
		{"HackCount", u.hacks}, {"Locked", u.Locked},
	}
	if !u.lastHack.IsZero() {
		o = append(o, field{"TimeLastHack", s.clock(u.lastHack)})
	}
	if !u.Hacked.IsZero() {
		o = append(o, field{"TimeHacked", s.clock(u.Hacked)})
	}
	return append(o, field{"Alias", u.Alias}, field{"CredMustChange", u.MustChange}, field{"CredentialPolicyObjectId", PhoneRule},
		field{"Hacked", !u.Hacked.IsZero()}, field{"ObjectId", u.id}, field{"EncryptionType", 3})
}

// clock writes a time as the server does: in its own zone, which it does not name.
func (s *Server) clock(at time.Time) string { return at.In(s.Zone).Format("2006-01-02 15:04:05.000") }

func (s *Server) rule(id string) object {
	r := s.rules[id]
	minutes := func(d time.Duration) int { return int(d / time.Minute) }
	return object{
		{"URI", "/vmrest/authenticationrules/" + id}, {"ObjectId", id}, {"DisplayName", r.Name}, {"MinLength", r.MinLength},
		{"TrivialCredChecking", r.Trivial}, {"PrevCredCount", r.PrevCredCount}, {"MaxDays", 180}, {"ExpiryWarningDays", 15},
		{"MinDuration", minutes(r.MinDuration)}, {"MinCharsToChange", r.MinCharsDiffer}, {"MaxHacks", r.MaxHacks},
		{"HackResetTime", minutes(r.HackResetTime)}, {"LockoutDuration", minutes(r.LockoutDuration)},
	}
}

// wantsJSON tells which format a request asks for: XML unless it names the other.
func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// list answers with objects named item: in JSON one object, an array, or no key at all.
func (s *Server) list(w http.ResponseWriter, r *http.Request, item string, total int, all []object) {
	if !wantsJSON(r) {
		var b bytes.Buffer
		fmt.Fprintf(&b, `<%ss total="%d">`, item, total)
		for _, o := range all {
			o.xml(&b, item)
		}
		fmt.Fprintf(&b, "</%ss>", item)
		send(w, http.StatusOK, "application/xml", b.Bytes())
		return
	}
	name, outer := "@total", ""
	if s.OtherWrapper {
		name, outer = "-total", item+"s"
	}
	body := map[string]any{name: s.scalar(total)}
	switch len(all) {
	case 0:
	case 1:
		body[item] = s.json(all[0])
	default:
		var items []any
		for _, o := range all {
			items = append(items, s.json(o))
		}
		body[item] = items
	}
	if outer != "" {
		body = map[string]any{outer: body}
	}
	sendJSON(w, http.StatusOK, body)
}

// single answers with one object.
func (s *Server) single(w http.ResponseWriter, r *http.Request, item string, o object) {
	if wantsJSON(r) {
		sendJSON(w, http.StatusOK, s.json(o))
		return
	}
	var b bytes.Buffer
	o.xml(&b, item)
	send(w, http.StatusOK, "application/xml", b.Bytes())
}

// fail answers with a document ErrorDetails. Its inner form, tokens and messages are
// invented; "Not Authorized" is not.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, token, message string) {
	o := object{{"code", token}, {"message", message}}
	if wantsJSON(r) {
		sendJSON(w, status, map[string]any{"errors": s.json(o)})
		return
	}
	var b bytes.Buffer
	b.WriteString("<ErrorDetails>")
	o.xml(&b, "errors")
	b.WriteString("</ErrorDetails>")
	send(w, status, "application/xml", b.Bytes())
}

func (s *Server) json(o object) map[string]any {
	m := map[string]any{}
	for _, f := range o {
		m[f.name] = s.scalar(f.value)
	}
	return m
}

// scalar is text whatever it stands for, unless Typed.
func (s *Server) scalar(v any) any {
	if s.Typed {
		return v
	}
	return fmt.Sprint(v)
}

func (o object) xml(b *bytes.Buffer, name string) {
	fmt.Fprintf(b, "<%s>", name)
	for _, f := range o {
		text := fmt.Sprint(f.value)
		if text == "" {
			fmt.Fprintf(b, "<%s/>", f.name)
			continue
		}
		fmt.Fprintf(b, "<%s>", f.name)
		_ = xml.EscapeText(b, []byte(text)) // a bytes.Buffer takes everything
		fmt.Fprintf(b, "</%s>", f.name)
	}
	fmt.Fprintf(b, "</%s>", name)
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "unwritable", http.StatusInternalServerError)
		return
	}
	send(w, status, "application/json", body)
}

func send(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone misses nothing
}
