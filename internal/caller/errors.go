package caller

import (
	"errors"
	"fmt"
)

// What can go wrong with a call besides a refusal.
var (
	ErrNoAnswer    = errors.New("no answer")
	ErrUnreachable = errors.New("the far end cannot be reached")
	ErrEnded       = errors.New("the call is over")
	ErrNoMedia     = errors.New("no audio came")
)

// Refused is a final answer of 300 to 699 to one of our requests.
type Refused struct {
	Method string
	Status int
	Reason string
	Detail string // Warning or Reason header, if the far end sent one
	Retry  string // Retry-After header, if the far end sent one
}

func (r *Refused) Error() string {
	s := fmt.Sprintf("the far end refused %s with %d %s", r.Method, r.Status, r.Reason)
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	return s
}
