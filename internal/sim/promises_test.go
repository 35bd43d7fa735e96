package sim

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// promise is one thing that must hold in every round.
type promise uint8

const (
	starts promise = iota
	stopsCleanly
	finalAnswer
	repeatsAnswer
	noRTPBeforeACK
	endsInTime
	oneRecord
	keysOnce
	verifiedFirst
	ownTenant
	toldTheTruth
	sameWord
	oneCode
	whereAllowed
	oneTimeOnce
	chosenKeepsRules
	chainWhole
	noCodeInLogs
	noError
	nothingLeft
)

var promises = [...]string{
	starts:           "the service starts",
	stopsCleanly:     "the service stops cleanly",
	finalAnswer:      "every INVITE gets a final answer",
	repeatsAnswer:    "a 2xx is repeated until its ACK or given up with a BYE",
	noRTPBeforeACK:   "no RTP before the ACK",
	endsInTime:       "every call ends in time",
	oneRecord:        "every call has one end record",
	keysOnce:         "what the store is asked was pressed, each press counted once",
	verifiedFirst:    "no change without a verified code, but a mailbox's first",
	ownTenant:        "no call reaches another tenant's mailbox",
	toldTheTruth:     "changed is said only of a change that is done",
	sameWord:         "the trail says of a change what its caller was told",
	oneCode:          "exactly the code of the last change is in force",
	whereAllowed:     "one-time codes and first codes only where the route allows them",
	oneTimeOnce:      "a one-time code opens the mailbox that it was sent for, once",
	chosenKeepsRules: "a code that is chosen for a caller keeps the rules",
	chainWhole:       "the audit chain is whole and closed",
	noCodeInLogs:     "no code in any log line",
	noError:          "no program error",
	nothingLeft:      "no port and no goroutine is left",
}

func (p promise) String() string { return promises[p] }

// broken notes that a promise was not kept.
func (r *round) broken(p promise, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fault{p, fmt.Sprintf(format, args...)})
}

// fault is a promise that was not kept, and how.
type fault struct {
	promise promise
	what    string
}

// judgeCalls looks at the promises about calls, when all of them are over.
func (r *round) judgeCalls() {
	synctest.Wait()
	for _, p := range r.phones {
		p.mu.Lock()
		f := p.invite
		p.mu.Unlock()
		if f.reached && !f.answered && r.plan.stop == 0 {
			r.broken(finalAnswer, "call %c: the INVITE arrived, no final answer was sent", p.name())
		}
		if f.accepted > 0 && f.acked.IsZero() && p.ends != "hung up" && r.plan.stop == 0 && (f.accepted < 11 || f.byes == 0) {
			r.broken(repeatsAnswer, "call %c: no ACK arrived, the 2xx was sent %d times and %d BYEs", p.name(), f.accepted, f.byes)
		}
		if most := r.longest(); f.accepted > 0 && r.began.Add(r.log.over[p.callID]).Sub(f.first) > most {
			r.broken(endsInTime, "call %c: it ended %v after it was answered, the most is %v", p.name(), r.began.Add(r.log.over[p.callID]).Sub(f.first), most)
		}
		records := r.log.records(p.callID)
		if want := min(f.accepted, 1); records != want {
			r.broken(oneRecord, "call %c: %d times accepted, %d end records", p.name(), f.accepted, records)
		}
	}
	if open := r.net.ports(); r.plan.stop == 0 && len(open) > 1 {
		r.broken(nothingLeft, "no call is up, but these ports are open: %v", open)
	}
}

// longest is how long a call may be up: its total time, the grace for who is typing,
// and what the last sentences, the store and a transfer under way may take.
func (r *round) longest() time.Duration {
	t := r.config.Plan.Timers
	return t.Call + r.config.Call.HangupGrace + t.Transfer + r.config.Call.StoreDeadline + 30*time.Second
}

// judgeStores looks at the promises about codes, when the service has stopped.
func (r *round) judgeStores() {
	if open := r.net.ports(); len(open) > 0 {
		r.broken(nothingLeft, "the service has stopped, but these ports are open: %v", open)
	}
	ctx := context.Background()
	if _, err := r.stores.Ledger.Verify(ctx); err != nil {
		r.broken(chainWhole, "%v", err)
	}
	open, err := r.stores.Ledger.OpenIntents(ctx, "star97")
	if err != nil || len(open) > 0 {
		r.broken(chainWhole, "%d changes have no end in the trail (%v)", len(open), err)
	}
	done := map[string]int{} // by Call-ID
	for i, a := range r.boxes {
		if r.plan.boxes[i].absent {
			continue
		}
		r.judgeCode(ctx, r.plan.boxes[i], a, done)
	}
	for _, p := range r.phones {
		if told := p.ear.told[prompt.Changed]; told > done[p.callID] {
			r.broken(toldTheTruth, "call %c: changed was said %d times, the trail has %d changes done", p.name(), told, done[p.callID])
		}
		r.judgeKeys(p)
		r.judgeTenant(p)
		r.judgeHelp(p)
		r.judgeChosen(p)
	}
	r.judgeOneTime()
	r.judgeLogs()
}

// judgeCode follows one mailbox's code through the trail and asks which one is in
// force in the end.
func (r *round) judgeCode(ctx context.Context, b box, a mailbox.Account, done map[string]int) {
	intended := map[string]*deed{}
	tried := map[string]bool{b.code: true}
	for _, d := range r.deeds {
		if d.box == a.ID {
			tried[d.current], tried[d.next] = true, true
		}
		if d.change {
			intended[d.intent] = d
		}
	}
	possible := []string{b.code}
	for rec, err := range r.stores.Ledger.Records(ctx, 0) {
		if err != nil {
			r.broken(chainWhole, "%v", err)
			return
		}
		if rec.Action != audit.Change || rec.Stage != audit.Ended || rec.Mailbox != a.ID {
			continue
		}
		d, known := intended[rec.Intent]
		if known && d.answered && d.outcome != mailbox.Unknown && d.outcome != rec.Outcome {
			r.broken(sameWord, "%s: answered %s, recorded %s", a.Extension, word(d.outcome), word(rec.Outcome))
		}
		if rec.Outcome == mailbox.Refused {
			continue
		}
		switch {
		case !known:
			r.broken(verifiedFirst, "the trail has a change that the store was not asked for")
		case rec.Outcome == mailbox.Done && slices.Contains(possible, d.next):
			// Settling found it in force, whoever made it so.
			done[rec.CallID]++
			possible = []string{d.next}
		case d.claim == mailbox.ByOneTime && rec.Outcome == mailbox.Done:
			done[rec.CallID]++
			possible = []string{d.next}
		case d.claim == mailbox.ByOneTime:
			possible = append(possible, d.next)
		case rec.Outcome == mailbox.Unknown && !slices.Contains(possible, d.current): // then it was not made
		case !slices.Contains(possible, d.current):
			r.broken(verifiedFirst, "%s was changed with the code %s, which was not in force", a.Extension, d.current)
		case rec.Outcome == mailbox.Done:
			done[rec.CallID]++
			possible = []string{d.next}
		default:
			possible = append(possible, d.next)
		}
	}
	var inForce []string
	for code := range tried {
		if code == "" {
			continue
		}
		if p, err := pin.Parse(code); err == nil && r.stores.Backend.Verify(ctx, a, p, mailbox.Attempt{}) == nil {
			inForce = append(inForce, code)
		}
	}
	if len(inForce) == 0 {
		inForce = []string{""} // none
	}
	if b.flags.Disabled || b.flags.Locked {
		possible = []string{""}
	}
	if len(inForce) != 1 || !slices.Contains(possible, inForce[0]) {
		r.broken(oneCode, "%s: %v verify, the trail leads to %v", a.Extension, inForce, possible)
	}
}

func word(o mailbox.Outcome) string { return [...]string{"unknown", "done", "refused"}[o] }

// durations stand in the log in digits that may be those of a code by chance.
var durations = regexp.MustCompile(`\d+(\.\d+)?(h|ms|m|s|µs|ns)\b`)

// shortestLooked is the length from which a code in a log line is no coincidence.
const shortestLooked = 6

func (r *round) judgeLogs() {
	codes := map[string]bool{}
	for _, b := range r.plan.boxes {
		codes[b.code] = true
	}
	for _, d := range r.deeds {
		codes[d.current], codes[d.next] = true, true
	}
	for _, c := range r.post.All() {
		codes[plainOf(c.Code)] = true
	}
	for _, p := range r.phones {
		for _, code := range p.ear.spelled {
			codes[code] = true
		}
	}
	for i := range r.log.logs {
		l := &r.log.logs[i]
		if l.level >= slog.LevelError {
			r.broken(noError, "%s", l)
		}
		line := durations.ReplaceAllString(l.String(), "")
		for code := range codes {
			if len(code) >= shortestLooked && (strings.Contains(line, code) || strings.Contains(line, reversed(code))) {
				r.broken(noCodeInLogs, "%s: %s", code, l)
			}
		}
	}
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// judgeTenant looks whether a call asked for mailboxes of its tenant alone.
func (r *round) judgeTenant(p *phone) {
	tenants := map[string]string{} // of mailboxes
	for i, a := range r.boxes {
		tenants[a.ID] = r.plan.boxes[i].domain
	}
	for _, d := range r.deeds {
		if whose := tenants[d.box]; d.call == p.callID && d.box != "" && p.plan.tenant != "" && whose != p.plan.tenant {
			r.broken(ownTenant, "call %c of %s reached a mailbox of %s", p.name(), p.plan.tenant, whose)
		}
	}
}

// judgeVerified looks whether each change of a call was preceded by the right code.
func (r *round) judgeVerified(p *phone) {
	right := map[string]bool{}
	for _, d := range r.deeds {
		if d.call != p.callID {
			continue
		}
		known := d.current
		if d.change {
			if known = d.next; !right[d.box+" "+d.current] && d.claim != mailbox.ByFirstUse {
				r.broken(verifiedFirst, "call %c: a change of %s was asked for with a code that was not verified in the call", p.name(), d.box)
			}
		}
		right[d.box+" "+known] = right[d.box+" "+known] || d.right
	}
}

func (p *phone) name() rune { return rune('a' + p.n) }

// longestEnd is how long the program may need to be done with everything once the
// callers are gone: the media time-out twice, a store's deadline, the last words,
// 64*T1 for a BYE.
const longestEnd = 4 * time.Minute
