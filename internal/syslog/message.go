package syslog

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"star97/internal/audit"
	"star97/internal/mailbox"
)

// The severities in use (RFC 5424 section 6.2.1).
const (
	warning       = 4
	notice        = 5
	informational = 6
)

// severity: what somebody should look at, what is no success, the rest.
func severity(r *audit.Record) uint8 {
	switch {
	case r.Action == audit.Lock, r.Result == mailbox.OutcomeUnknown, r.Result == mailbox.Unavailable, r.Result == mailbox.ServiceRefused:
		return warning
	case r.Result != mailbox.OK, r.Outcome == mailbox.Refused:
		return notice
	}
	return informational
}

// writer makes messages.
type writer struct {
	facility   uint8
	enterprise uint32
	host       string // HOSTNAME; empty: not known
	version    string // of star97
}

// bounds of RFC 5424 sections 6.2.4 and 7.2.
const (
	maxHost    = 255
	maxVersion = 32
)

func newWriter(o Options, version string) writer {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return writer{facilities[o.Facility], o.EnterpriseID, printable(host, maxHost), printable(version, maxVersion)}
}

// printable keeps what a header field may have: PRINTUSASCII without space.
func printable(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' {
			return -1
		}
		return c
	}, s)
	return s[:min(len(s), most)]
}

// message is r as a syslog message. Its text is the record's line of an export, hash
// included: what the collector keeps can be verified as an export can. It begins with no
// byte order mark, which JSON must not have (RFC 8259 section 8.1): for syslog it is
// MSG-ANY.
func (w writer) message(r audit.Record) (string, error) {
	var line bytes.Buffer
	if err := r.WriteLine(&line); err != nil {
		return "", err
	}
	m := new(rfc5424.SyslogMessage)
	m.SetPriority(8*w.facility + severity(&r)).SetVersion(1).SetTimestamp(r.Time.UTC().Format(time.RFC3339Nano))
	m.SetHostname(w.host).SetAppname("star97").SetProcID(strconv.Itoa(os.Getpid())).SetMsgID(r.Action.String())
	set := func(element, name, text string) {
		if text != "" {
			m.SetParameter(element, name, escape.Replace(text))
		}
	}
	set("origin", "software", "star97")
	set("origin", "swVersion", w.version)
	if w.enterprise != 0 {
		set("origin", "enterpriseId", fmt.Sprint(w.enterprise))
		id := fmt.Sprintf("star97@%d", w.enterprise)
		for _, f := range fields(&r) {
			set(id, f[0], f[1])
		}
	}
	m.SetMessage(strings.TrimSuffix(line.String(), "\n"))
	return m.String()
}

// escape marks what would end a value (RFC 5424 section 6.3.3).
var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `]`, `\]`)

// claimOf is how a caller was known; nobody but callers makes a claim.
func claimOf(r *audit.Record) string {
	if r.Door == 0 {
		return ""
	}
	return r.Claim.String()
}

// fields are what rules of a collector ask for.
func fields(r *audit.Record) [][2]string {
	all := [][2]string{
		{"seq", strconv.FormatUint(r.Seq, 10)}, {"node", r.Node}, {"action", r.Action.String()}, {"stage", r.Stage.String()},
		{"outcome", r.Outcome.String()}, {"result", r.Result.String()}, {"rule", r.Rule}, {"claim", claimOf(r)}, {"door", r.Door.String()},
		{"backend", r.Backend}, {"domain", r.Domain}, {"mailbox", r.Mailbox}, {"extension", r.Extension}, {"target", r.Target},
		{"peer", r.Peer}, {"transport", r.Transport}, {"source", r.Source}, {"callId", r.CallID},
		{"actor", r.Actor}, {"reason", r.Reason}, {"policy", r.Policy}, {"intent", r.Intent}, {"hash", r.Hash.String()},
	}
	if !r.Until.IsZero() {
		all = append(all, [2]string{"until", r.Until.Format(time.RFC3339)})
	}
	return all
}
