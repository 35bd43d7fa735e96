package fake

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// searchLimit is how many users UDS gives at once, as it is delivered.
const searchLimit = 64

// directory is the search of UDS for users, which needs no login: here by what a telephone
// number begins with.
func (s *Server) directory(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	start, most := 0, searchLimit
	for name, into := range map[string]*int{"start": &start, "max": &most} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				page(w, http.StatusBadRequest)
				return
			}
			*into = n
		}
	}
	var found []*person
	for _, p := range s.people {
		if begins(p.Telephone, q.Get("number")) || begins(p.Mobile, q.Get("number")) {
			found = append(found, p)
		}
	}
	total := len(found)
	found = found[min(start, total):min(start+min(most, searchLimit), total)]
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><users uri="%s/cucm-uds/users" version="%s" start="%d" requestedCount="%d" returnedCount="%d" totalCount="%d">`,
		s.URL, s.Release, start, most, len(found), total)
	for _, p := range found {
		var user returned
		user.add("id", "%s", strings.ToLower(strings.Trim(p.uuid, "{}")))
		user.add("userName", "%s", p.ID)
		user.add("firstName", "%s", p.First)
		user.add("lastName", "%s", p.Last)
		user.add("phoneNumber", "%s", p.Telephone)
		user.add("homeNumber", "")
		user.add("mobileNumber", "%s", p.Mobile)
		user.xml(&b, "user")
	}
	b.WriteString("</users>")
	send(w, http.StatusOK, "application/xml", b.Bytes())
}

// begins ignores what people write between the digits.
func begins(telephone, number string) bool {
	plain := strings.NewReplacer(" ", "", "(", "", ")", "", "+", "", "-", "")
	return number != "" && telephone != "" && strings.HasPrefix(plain.Replace(telephone), plain.Replace(number))
}
