package httpapi

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync/atomic"
)

// mostCookies is how many cookies a session may be given before a new one begins: a
// server that makes up names does not fill the memory.
const mostCookies = 1000

// sessions keeps the cookies of the current session with a server. Nil keeps none.
type sessions struct{ now atomic.Pointer[session] }

type session struct {
	jar   *cookiejar.Jar
	given atomic.Int32
}

func newSessions() *sessions {
	s := &sessions{}
	s.now.Store(newSession())
	return s
}

func newSession() *session {
	jar, _ := cookiejar.New(nil) // its error is always nil
	return &session{jar: jar}
}

// onto puts the session's cookies on a request and returns the session.
func (s *sessions) onto(r *http.Request) *session {
	if s == nil {
		return nil
	}
	now := s.now.Load()
	for _, cookie := range now.jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	return now
}

// from keeps the cookies of an answer within the session of its request.
func (s *sessions) from(was *session, u *url.URL, answer http.Header) {
	if s == nil {
		return
	}
	given := (&http.Response{Header: answer}).Cookies()
	if was.given.Add(int32(len(given))) > mostCookies {
		s.now.CompareAndSwap(was, newSession())
		return
	}
	was.jar.SetCookies(u, given)
}

// ended forgets the session of a request that was answered by 401, and tells whether
// one without its cookies may be answered better.
func (s *sessions) ended(was *session, r *http.Request) bool {
	if s == nil || len(was.jar.Cookies(r.URL)) == 0 {
		return false
	}
	s.now.CompareAndSwap(was, newSession())
	return true
}
