package axl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// The numbers of faults.
const (
	noItem       = 5007 // a request that reads or does something names what is not there
	noItemUpdate = 5003 // one that writes
)

// technical are faults that are about the request or the database and not about a code.
var technical = []int{
	201, // the statement is no SQL
	217, // it names a column that is not there
}

// fault is a SOAP fault with what AXL puts into it.
type fault struct {
	client bool // by faultcode the request was wrong; else the server
	code   int
	coded  bool // there is a number
	says   string
}

// faultOf reads both forms of a fault:
//
//	<detail><axlError><axlcode>5007</axlcode><axlmessage>...</axlmessage></axlError></detail>
//	<detail><axl:error><axl:code>5007</axl:code><axl:message>...</axl:message></axl:error></detail>
func faultOf(n *node) fault {
	_, kind, _ := strings.Cut(n.child("faultcode").text(), ":")
	f := fault{client: kind == "Client", says: n.child("faultstring").text()}
	detail := n.child("detail")
	for _, form := range []struct{ element, code, message string }{
		{"axlError", "axlcode", "axlmessage"}, {"error", "code", "message"}, {"Error", "code", "message"},
	} {
		e := detail.child(form.element)
		if e == nil {
			continue
		}
		if f.code, f.coded = e.child(form.code).number(); !f.coded {
			continue
		}
		if says := e.child(form.message).text(); says != "" {
			f.says = says
		}
		return f
	}
	return f
}

// longest bounds what is told of a fault's words, in bytes.
const longest = 200

var figures = regexp.MustCompile(`[0-9]+`)

// Error tells the number and the words, without figures: a fault can quote the code that
// it refuses.
func (f fault) Error() string {
	says := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, f.says[:min(len(f.says), longest)])
	says = figures.ReplaceAllString(says, "#")
	if !f.coded {
		return "the system answered with a fault: " + says
	}
	return fmt.Sprintf("the system answered with fault %s: %s", shown(f.code), says)
}

// shown is a number of the system unless it is as long as a code.
func shown(n int) string {
	if n < -9999 || n > 9999 {
		return "#"
	}
	return fmt.Sprint(n)
}

// faulted is the error of a fault. One with a number is the system's own word, and
// nothing was carried out; one without may be a server's that broke down on the way.
func (s *Store) faulted(op, method string, f fault, unclear mailbox.Code) error {
	switch {
	case f.coded && (f.code == noItem || f.code == noItemUpdate):
		return mailbox.Fail(op, mailbox.NotFound, f)
	case !f.coded && !f.client:
		return mailbox.Fail(op, unclear, f)
	case method == update && f.coded:
		return mailbox.Fail(op, s.refusal(f), f)
	case f.coded && method == sqlQuery && slices.Contains(technical, f.code):
		return mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("%w; let find be uds or userid", f))
	}
	return mailbox.Fail(op, mailbox.Unavailable, f)
}

// refusal is what a fault says about a new code. Faults of the database have negative
// numbers.
func (s *Store) refusal(f fault) mailbox.Code {
	if c, ok := adapter.Refused(s.o.Refusals, f.says); ok {
		return c
	}
	if f.code < 0 || slices.Contains(technical, f.code) {
		return mailbox.Unavailable
	}
	return mailbox.PolicyOther
}
