package fake

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"sort"
	"strings"
)

// legacy is API v1: a form to one address. It says text/html of whatever it answers,
// and answers a change with nothing.
func (f *Server) legacy(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.ParseForm() != nil || query.Get("object") != "subscriber" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		fail(w, http.StatusBadRequest, "Bad request")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	user := f.users[r.PostForm.Get("user")+"@"+strings.ToLower(r.PostForm.Get("domain"))]
	switch query.Get("action") {
	case "read":
		all := f.of(r.PostForm.Get("domain"))
		if r.PostForm.Has("user") {
			all = nil
			if user != nil {
				all = append(all, user)
			}
		}
		if len(all) == 0 && f.settings.EmptyNobody {
			w.Header().Set("Content-Type", "text/html")
			return
		}
		f.show(w, page(r, all), query.Get("format") == "json" && !f.settings.XML)
	case "count":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `{"total":"%d"}`, len(f.of(r.PostForm.Get("domain"))))
	case "update":
		digits := r.PostForm.Get("subscriber_pin")
		switch {
		case user == nil:
			fail(w, http.StatusNotFound, "Record not found")
		case r.PostForm.Has("subscriber_pin") && (!codeShape.MatchString(digits) || f.settings.MaxDigits > 0 && len(digits) > f.settings.MaxDigits):
			fail(w, http.StatusBadRequest, "subscriber_pin "+digits+" is not valid")
		default:
			if digits != "" {
				f.store(user, digits)
			}
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusOK)
		}
	default:
		fail(w, http.StatusBadRequest, "Unknown action")
	}
}

// show lists users as API v1 does. The elements around the fields in XML are invented.
func (f *Server) show(w http.ResponseWriter, users []*record, asJSON bool) {
	w.Header().Set("Content-Type", "text/html")
	out := []map[string]string{}
	for _, r := range users {
		out = append(out, map[string]string{
			"user": r.user, "domain": r.domain, "subscriber_login": r.user + "@" + r.domain, "first_name": r.first, "last_name": r.last,
			"email": r.mail, "scope": r.scope, "language": r.language, "vmail_enabled": yesNo(!r.off), "vmail_provisioned": "yes",
			"account_status": r.status, "subscriber_pin": *r.code.Shown(),
		})
	}
	if asJSON {
		_ = json.NewEncoder(w).Encode(out) // a client that has gone misses nothing
		return
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?><xml>`)
	for _, user := range out {
		b.WriteString("<subscriber>")
		names := make([]string, 0, len(user))
		for name := range user {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Fprintf(&b, "<%s>%s</%s>", name, html.EscapeString(user[name]), name)
		}
		b.WriteString("</subscriber>")
	}
	b.WriteString("</xml>")
	fmt.Fprint(w, b.String())
}
