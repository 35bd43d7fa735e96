package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"star97/internal/backend/conformance/trouble"
)

func (f *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /ns-api/v2/tokens", f.token)
	m.HandleFunc("POST /ns-api/oauth2/token/{$}", f.token)
	m.HandleFunc("GET /ns-api/v2/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"apiversion": "45.0.1", "hostname": "core1.example.test"})
	})
	m.HandleFunc("GET /ns-api/v2/apikeys/~", f.allowed(f.ownKey))
	m.HandleFunc("GET /ns-api/v2/domains/{domain}/users", f.allowed(f.list))
	m.HandleFunc("GET /ns-api/v2/domains/{domain}/users/count", f.allowed(f.count))
	m.HandleFunc("GET /ns-api/v2/domains/{domain}/users/{user}", f.allowed(f.read))
	m.HandleFunc("PUT /ns-api/v2/domains/{domain}/users/{user}", f.allowed(f.write))
	m.HandleFunc("GET /ns-api/v2/domains/{domain}/phonenumbers", f.allowed(f.numbers))
	m.HandleFunc("POST /ns-api/{$}", f.allowed(f.legacy))
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "No such resource") })
	return m
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that has gone misses nothing
}

func fail(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"code": status, "message": message})
}

// allowed lets those through who have a token that lasts or a key with the right.
func (f *Server) allowed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		if f.orders.Asked(op(r), trouble.Expired).Kind == trouble.Expired {
			clear(f.tokens)
		}
		end, token := f.tokens[bearer]
		rights, key := f.keys[bearer]
		f.mu.Unlock()
		switch {
		case !ok, !token && !key, token && !time.Now().Before(end):
			fail(w, http.StatusUnauthorized, "Authentication required")
		case key && !strings.HasPrefix(r.URL.Path, "/ns-api/v2/"):
			fail(w, http.StatusUnauthorized, "Authentication required") // keys are of v2
		case key && rights.ReadOnly && r.Method != http.MethodGet:
			fail(w, http.StatusForbidden, "API key is read only")
		case key && strings.HasPrefix(bearer, "nsd_") && r.PathValue("domain") != "" && !strings.EqualFold(r.PathValue("domain"), rights.Domain):
			fail(w, http.StatusForbidden, "Not permitted in this domain")
		default:
			h(w, r)
		}
	}
}

// token answers the grants password and refresh_token, sent as a form or as JSON.
func (f *Server) token(w http.ResponseWriter, r *http.Request) {
	in := map[string]string{}
	if r.Header.Get("Content-Type") == "application/json" {
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			fail(w, http.StatusBadRequest, "Bad request")
			return
		}
	} else if r.ParseForm() == nil {
		for name := range r.PostForm {
			in[name] = r.PostForm.Get(name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	good := in["client_id"] == ClientID && in["client_secret"] == ClientSecret
	switch in["grant_type"] {
	case "password":
		good = good && in["username"] == User && in["password"] == Password
	case "refresh_token":
		good = good && f.renewals[in["refresh_token"]]
		delete(f.renewals, in["refresh_token"])
	default:
		fail(w, http.StatusBadRequest, "Unknown grant type")
		return
	}
	if !good {
		fail(w, http.StatusUnauthorized, "Invalid login")
		return
	}
	life := f.settings.TokenLife
	if life == 0 {
		life = time.Hour
	}
	f.issued++
	access, renew := fmt.Sprintf("access-token-%08d", f.issued), fmt.Sprintf("refresh-token-%08d", f.issued)
	f.tokens[access] = time.Now().Add(life)
	out := map[string]any{
		"access_token": access, "expires_in": int(life / time.Second), "token_type": "Bearer", "uid": User, "domain": Domain, "scope": "Super User",
	}
	if !f.settings.NoRefresh {
		f.renewals[renew] = true
		out["refresh_token"] = renew
	}
	answer(w, http.StatusOK, out)
}

func (f *Server) ownKey(w http.ResponseWriter, r *http.Request) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	rights, ok := f.keys[bearer]
	f.mu.Unlock()
	if !ok {
		fail(w, http.StatusNotFound, "Record not found")
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"description": "Used by the tests of star97", "key-id": bearer[:12], "reseller": "*", "domain": rights.Domain,
		"user-scope": "Office Manager", "readonly": yesNo(rights.ReadOnly),
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// object is a user as v2 shows it. The caller holds mu.
func (f *Server) object(r *record) map[string]any {
	o := map[string]any{
		"user": r.user, "domain": r.domain, "name-first-name": r.first, "name-last-name": r.last, "email-address": r.mail,
		"user-scope": r.scope, "login-username": r.user + "@" + r.domain, "language-token": r.language,
		"voicemail-enabled": yesNo(!r.off), "account-status": r.status, "limits-max-active-calls-total": 0,
		"voicemail-login-pin": *r.code.Shown(),
	}
	if f.settings.AsNumber {
		o["voicemail-login-pin"] = nil
		if code := strings.TrimLeft(*r.code.Shown(), "0"); code != "" {
			o["voicemail-login-pin"] = json.Number(code)
		}
	}
	return o
}

// find is the user of a path; it answers if there is none. The caller holds mu.
func (f *Server) find(w http.ResponseWriter, r *http.Request) *record {
	user := f.users[r.PathValue("user")+"@"+strings.ToLower(r.PathValue("domain"))]
	if user == nil {
		fail(w, http.StatusNotFound, "Record not found")
	}
	return user
}

func (f *Server) read(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if user := f.find(w, r); user != nil {
		answer(w, http.StatusOK, f.object(user))
	}
}

var codeShape = regexp.MustCompile(`^[0-9]+$`)

func (f *Server) write(w http.ResponseWriter, r *http.Request) {
	var in map[string]json.RawMessage
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&in) != nil {
		fail(w, http.StatusBadRequest, "Bad request")
		return
	}
	code, ok := in["voicemail-login-pin"]
	digits := strings.Trim(string(code), `"`)
	f.mu.Lock()
	defer f.mu.Unlock()
	user := f.find(w, r)
	if user == nil {
		return
	}
	missing := false
	for _, name := range []string{"name-first-name", "name-last-name", "email-address", "user-scope"} {
		missing = missing || in[name] == nil
	}
	switch {
	case f.settings.WantFour && missing:
		fail(w, http.StatusBadRequest, "Required field is missing")
	case ok && (!codeShape.MatchString(digits) || f.settings.MaxDigits > 0 && len(digits) > f.settings.MaxDigits):
		// What it says of a code that it does not like is invented: it quotes it.
		fail(w, http.StatusBadRequest, "voicemail-login-pin "+digits+" is not valid")
	default:
		for name, field := range map[string]*string{
			"name-first-name": &user.first, "name-last-name": &user.last, "email-address": &user.mail, "user-scope": &user.scope,
		} {
			if in[name] != nil && json.Unmarshal(in[name], field) != nil {
				fail(w, http.StatusBadRequest, "Bad request")
				return
			}
		}
		if ok {
			f.store(user, digits)
		}
		answer(w, http.StatusAccepted, map[string]any{"code": http.StatusAccepted, "message": "Accepted"})
	}
}

// page cuts what start and limit ask for: 100 users by default, at most 1000.
func page[T any](r *http.Request, all []T) []T {
	limit, start := 100, 0
	if n, err := strconv.Atoi(r.FormValue("limit")); err == nil && n > 0 {
		limit = min(n, 1000)
	}
	if n, err := strconv.Atoi(r.FormValue("start")); err == nil && n > 0 {
		start = min(n, len(all))
	}
	return all[start:min(start+limit, len(all))]
}

// of is the users of a domain, in an order that is not that of their extensions.
func (f *Server) of(domain string) (all []*record) {
	for _, r := range f.users {
		if r.domain == strings.ToLower(domain) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *record) int { return strings.Compare(b.last+b.user, a.last+a.user) })
	return all
}

func (f *Server) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []map[string]any{}
	for _, user := range page(r, f.of(r.PathValue("domain"))) {
		out = append(out, f.object(user))
	}
	answer(w, http.StatusOK, out)
}

func (f *Server) count(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"total": len(f.of(r.PathValue("domain")))})
}

func (f *Server) numbers(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []map[string]any{}
	for number, rules := range f.phones {
		for _, p := range rules {
			if p.domain == strings.ToLower(r.PathValue("domain")) {
				all = append(all, map[string]any{
					"phonenumber": number, "enabled": "yes", "domain": p.domain, "dial-rule-application": "to-user",
					"dial-rule-translation-destination-user": p.user, "dial-rule-translation-destination-host": p.domain,
				})
			}
		}
	}
	slices.SortFunc(all, func(a, b map[string]any) int {
		return strings.Compare(a["phonenumber"].(string), b["phonenumber"].(string))
	})
	answer(w, http.StatusOK, page(r, all))
}
