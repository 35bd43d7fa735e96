package fake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/pin"
)

func (f *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/access_token", f.token)
	m.HandleFunc("GET /v1/people/me", f.allowed(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"id": id("PEOPLE", 0), "displayName": "star97 Admin", "emails": []string{"star97@mail.example"}})
	}))
	m.HandleFunc("GET /v1/people", f.allowed(f.list))
	m.HandleFunc("GET /v1/people/{person}", f.allowed(f.read))
	m.HandleFunc("GET /v1/people/{person}/features/voicemail", f.allowed(f.state))
	m.HandleFunc("GET /v1/telephony/config/numbers", f.allowed(f.numbers))
	m.HandleFunc("GET /v1/telephony/config/voicemail/rules", f.allowed(f.organisationRules))
	m.HandleFunc("GET /v1/telephony/config/locations/{location}", f.allowed(f.location))
	m.HandleFunc("GET /v1/telephony/config/locations/{location}/voicePortal/passcodeRules", f.allowed(f.locationRules))
	// Where an administrator reads one person's rules is not known: invented.
	m.HandleFunc("GET /v1/telephony/config/people/{person}/voicemail/rules", f.allowed(f.locationRules))
	m.HandleFunc("PUT /v1/telephony/config/people/{person}/voicemail/passcode", f.allowed(f.write))
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "The requested resource could not be found", 0)
	})
	return m
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Trackingid", "ROUTER_5F0A")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that has gone misses nothing
}

func fail(w http.ResponseWriter, status int, message string, number int) {
	one := map[string]any{"description": message}
	if number != 0 {
		one["errorCode"] = number
	}
	answer(w, status, map[string]any{"message": message, "errors": []any{one}, "trackingId": "ROUTER_5F0A"})
}

// allowed lets those through who have a token that lasts, in the right organisation.
func (f *Server) allowed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		f.queries = append(f.queries, r.URL.RawQuery)
		if f.orders.Asked(op(r), trouble.Expired).Kind == trouble.Expired {
			clear(f.tokens)
		}
		end, known := f.tokens[bearer]
		f.mu.Unlock()
		org := r.URL.Query().Get("orgId")
		switch {
		case !ok, !known, !time.Now().Before(end):
			fail(w, http.StatusUnauthorized, "The request requires a valid access token set in the Authorization request header.", 0)
		case org != "" && org != Organisation:
			fail(w, http.StatusForbidden, "Access to this organization is not allowed", 0)
		default:
			h(w, r)
		}
	}
}

func (f *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		fail(w, http.StatusBadRequest, "Bad request", 0)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	in := r.PostForm
	good := in.Get("client_id") == ClientID && in.Get("client_secret") == ClientSecret && in.Get("refresh_token") == f.renewal
	if in.Get("grant_type") != "refresh_token" || !good {
		fail(w, http.StatusBadRequest, "The request has an invalid grant", 0)
		return
	}
	f.issued++
	if f.Rotates {
		f.renewal = fmt.Sprintf("refresh-token-%08d", f.issued)
	}
	access := fmt.Sprintf("access-token-%08d", f.issued)
	f.tokens[access] = time.Now().Add(f.TokenLife)
	answer(w, http.StatusOK, map[string]any{
		"access_token": access, "expires_in": int(f.TokenLife / time.Second), "refresh_token": f.renewal,
		"refresh_token_expires_in": 7776000, "token_type": "Bearer",
	})
}

// mostPeople are as many as a page of people with callingData has.
const mostPeople = 10

// page cuts a list, links to the next part and answers.
func (f *Server) page(w http.ResponseWriter, r *http.Request, key string, all []any, most int) {
	q := r.URL.Query()
	size, start := most, 0
	if n, err := strconv.Atoi(q.Get("max")); err == nil && n > 0 && n < size {
		size = n
	}
	if f.PageSize > 0 {
		size = min(size, f.PageSize)
	}
	if n, err := strconv.Atoi(q.Get("start")); err == nil && n > 0 {
		start = min(n, len(all))
	}
	end := min(start+size, len(all))
	if end < len(all) {
		q.Set("start", strconv.Itoa(end))
		next := url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: q.Encode()}
		w.Header().Set("Link", `<`+f.URL+`/v1/first>; rel="first", <`+next.String()+`>; rel="next"`)
	}
	part := all[start:end]
	if part == nil {
		part = []any{}
	}
	answer(w, http.StatusOK, map[string]any{key: part})
}

func (r *record) show() map[string]any {
	phones := []any{map[string]any{"type": "work_extension", "value": "8" + r.Extension}}
	for _, n := range r.Numbers {
		phones = append(phones, map[string]any{"type": "work", "value": "+" + n})
	}
	first, last, _ := strings.Cut(r.Name, " ")
	return map[string]any{
		"id": r.ID, "displayName": r.Name, "firstName": first, "lastName": last, "emails": []string{r.User},
		"extension": r.Extension, "locationId": r.location, "phoneNumbers": phones, "type": "person",
	}
}

func (f *Server) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	var all []any
	for _, p := range f.people {
		if l := q.Get("locationId"); l != "" && l != p.location {
			continue
		}
		if mail := q.Get("email"); mail != "" && !strings.EqualFold(mail, p.User) {
			continue
		}
		shown := p.show()
		if q.Get("callingData") != "true" {
			delete(shown, "extension")
			delete(shown, "locationId")
		}
		all = append(all, shown)
	}
	f.page(w, r, "items", all, mostPeople)
}

func (f *Server) numbers(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	// A number of a hunt group, which is nobody's.
	all := []any{map[string]any{"extension": "4999", "location": map[string]any{"id": Location}, "owner": map[string]any{"id": id("HUNT_GROUP", 1), "type": "HUNT_GROUP"}}}
	if q.Get("extension") != "4999" {
		all = nil
	}
	for _, p := range f.people {
		if l := q.Get("locationId"); l != "" && l != p.location {
			continue
		}
		asked := q.Get("extension")
		byExtension := asked != "" && (p.Extension == asked || f.Loose && strings.Contains(p.Extension, asked))
		for i, n := range append([]string{""}, p.Numbers...) {
			if n == "" && !byExtension || n != "" && q.Get("phoneNumber") != "+"+n {
				continue
			}
			entry := map[string]any{
				"location": map[string]any{"id": p.location, "name": "Harbor"}, "state": "ACTIVE",
				"owner": map[string]any{"id": p.ID, "type": "PEOPLE", "firstName": "", "lastName": p.Name},
			}
			if i == 0 {
				entry["extension"], entry["esn"] = p.Extension, "8"+p.Extension
			} else {
				entry["phoneNumber"] = "+" + n
			}
			all = append(all, entry)
		}
	}
	f.page(w, r, "phoneNumbers", all, 2000)
}

// found is the person of a request, or the answer that there is none. The caller holds mu.
func (f *Server) found(w http.ResponseWriter, r *http.Request) *record {
	p := f.person(r.PathValue("person"))
	if p == nil {
		fail(w, http.StatusNotFound, "Failed to get person.", 0)
	}
	return p
}

func (f *Server) read(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.found(w, r); p != nil {
		shown := p.show()
		if r.URL.Query().Get("callingData") != "true" {
			delete(shown, "extension")
		}
		answer(w, http.StatusOK, shown)
	}
}

func (f *Server) state(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.NoState {
		fail(w, http.StatusForbidden, "Missing scope", 0)
		return
	}
	if p := f.found(w, r); p != nil {
		answer(w, http.StatusOK, map[string]any{"enabled": !p.Flags.Disabled, "sendAllCalls": map[string]any{"enabled": false}})
	}
}

func (f *Server) location(w http.ResponseWriter, r *http.Request) {
	if l := r.PathValue("location"); l != Location && l != OtherLocation {
		fail(w, http.StatusNotFound, "No such location", 0)
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": r.PathValue("location"), "name": "Harbor", "announcementLanguage": f.Language})
}

func limited(name string, n int) map[string]any { return map[string]any{"enabled": n > 0, name: n} }

// shape are the rules that stand everywhere.
func (u Rules) shape() map[string]any {
	return map[string]any{
		"blockRepeatedDigits":          limited("max", u.Repeated),
		"blockContiguousSequences":     map[string]any{"enabled": u.Sequence > 0, "numberOfAscendingDigits": u.Sequence, "numberOfDescendingDigits": u.Sequence},
		"blockRepeatedPatternsEnabled": false,
		"length":                       map[string]any{"min": u.Min, "max": u.Max},
	}
}

func (f *Server) organisationRules(w http.ResponseWriter, _ *http.Request) {
	if f.NoRules {
		fail(w, http.StatusForbidden, "Missing scope", 0)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"defaultVoicemailPinRules": f.Rules.shape(),
		"expirePasscode":           limited("numberOfDays", 180),
		"changePasscode":           limited("numberOfDays", f.Rules.ChangeDays),
		"blockPreviousPasscodes":   limited("numberOfPasscodes", f.Rules.Previous),
	})
}

func (f *Server) locationRules(w http.ResponseWriter, _ *http.Request) {
	shape := f.Rules.shape()
	shape["blockPreviousPasscodes"] = limited("numberOfPasscodes", f.Rules.Previous)
	shape["failedAttempts"] = limited("attempts", f.Rules.Attempts)
	shape["blockUserNumberEnabled"], shape["blockReversedUserNumberEnabled"] = f.Rules.OwnNumber, f.Rules.OwnNumber
	shape["blockReversedOldPasscodeEnabled"] = false
	answer(w, http.StatusOK, shape)
}

func (f *Server) write(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	var in struct {
		Passcode *string `json:"passcode"`
	}
	if r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &in) != nil || in.Passcode == nil {
		fail(w, http.StatusBadRequest, "Bad request", 0)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.found(w, r)
	if p == nil {
		return
	}
	code, err := pin.Parse(*in.Passcode)
	previous := p.history[max(0, len(p.history)-f.Rules.Previous):]
	old := f.Rules.Previous > 0 && contains(previous, code)
	broken := pin.Policy{MinLen: f.Rules.Min, MaxLen: f.Rules.Max, MaxSameRun: f.Rules.Repeated, MaxSequence: f.Rules.Sequence}.Check(code, pin.Context{})
	if err != nil || old || broken != pin.Pass {
		fail(w, http.StatusBadRequest, f.ErrorWords, f.ErrorNumber)
		return
	}
	f.set(p, code)
	if f.Accepts {
		answer(w, http.StatusAccepted, map[string]any{})
		return
	}
	w.Header().Set("Trackingid", "ROUTER_5F0A")
	w.WriteHeader(http.StatusNoContent)
}

// set puts a code in force. The caller holds mu.
func (f *Server) set(p *record, code pin.PIN) {
	p.code.Set(code, f.orders.Lateness(OpWrite))
	p.history = append(p.history, code)
}

func contains(all []pin.PIN, one pin.PIN) bool {
	for i := range all {
		if all[i].Equal(&one) {
			return true
		}
	}
	return false
}
