// Command example is a web service that keeps to the contract of the webhook backend, in
// as few lines as that takes. It has one mailbox, in memory, and listens for plain HTTP
// on this machine only. What a real one has beside: TLS, a store that lasts, also of the
// answers in said, and a lock-out.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type service struct {
	key   []byte
	mu    sync.Mutex
	boxes map[string]string         // access codes by extension
	said  map[string]map[string]any // answers to changes by id
}

// ServeHTTP lets in what is signed with the key k1, and answers.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<14))
	at, _ := strconv.ParseInt(r.Header.Get("Star97-Time"), 10, 64)
	sum := hmac.New(sha256.New, s.key)
	fmt.Fprintf(sum, "%s.%s", r.Header.Get("Star97-Time"), body)
	right := "k1=" + hex.EncodeToString(sum.Sum(nil))
	signed := false
	for one := range strings.SplitSeq(r.Header.Get("Star97-Signature"), ", ") {
		signed = signed || hmac.Equal([]byte(one), []byte(right))
	}
	if err != nil || !signed || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var q struct{ Operation, ID, Number, Account, Code, Current, Next string }
	if json.Unmarshal(body, &q) != nil || r.URL.Path != "/"+q.Operation || !slices.Contains([]string{"find", "verify", "set"}, q.Operation) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, again := s.said[q.ID]
	if !again {
		answer = map[string]any{"id": q.ID, "result": "ok"}
		current, known := s.boxes[q.Account]
		switch {
		case q.Operation == "find":
			answer["accounts"] = s.find(q.Number)
		case !known || !hmac.Equal([]byte(current), []byte(q.Code+q.Current)): // a request has one of them
			answer["result"] = "wrong-pin"
		case q.Operation == "set" && len(q.Next) < 6:
			answer["result"] = "too-short"
		case q.Operation == "set":
			s.boxes[q.Account] = q.Next
		}
		if q.Operation == "set" {
			s.said[q.ID] = answer
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that has gone asks again
}

func (s *service) find(number string) []map[string]string {
	if _, known := s.boxes[number]; !known {
		return []map[string]string{}
	}
	return []map[string]string{{"account": number, "extension": number}}
}

func main() {
	key := os.Getenv("EXAMPLE_KEY")
	if key == "" {
		fmt.Fprintln(os.Stderr, "EXAMPLE_KEY is empty: set it to the key that star97 has as k1")
		return
	}
	s := &service{key: []byte(key), boxes: map[string]string{"4001": "482915"}, said: map[string]map[string]any{}}
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:9797", s))
}
