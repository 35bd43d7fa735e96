package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// signedBy is how a service checks a signature, by the contract alone.
func signedBy(key string, h http.Header, body []byte) bool {
	at, err := strconv.ParseInt(h.Get("Star97-Time"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	sum := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(sum, "%d.%s", at, body)
	return slices.Contains(strings.Split(h.Get("Star97-Signature"), ", "), "k1="+hex.EncodeToString(sum.Sum(nil)))
}

func mailOnly(o *office) Options {
	all := DefaultOptions()
	all.Mail = o.options()
	return all
}

func hookOnly(r *receiver) Options {
	all := DefaultOptions()
	all.Webhook = r.options()
	return all
}

func TestAnOwnerIsToldInTheirLanguage(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	r := rigOn(t, newDatabase(t), mailOnly(o))
	r.running()
	sealed := r.happened(changeOf(ada))
	in := o.mail(1)
	require.Equal(t, "ada@example.test", in.to)
	require.Equal(t, "voicemail@example.test", in.from)
	require.Equal(t, "Mailbox 4001: your access code was changed", in.header("Subject"))
	require.Equal(t, `"Voicemail" <voicemail@example.test>`, in.header("From"))
	require.Equal(t, "<ada@example.test>", in.header("To"))
	require.Equal(t, "auto-generated", in.header("Auto-Submitted"))
	require.Equal(t, fmt.Sprintf("<star97-1-changed-%x@example.test>", sealed[0].Hash[:4]), in.header("Message-ID"))
	require.Contains(t, in.body(t), "When: "+shown(sealed[0].Time)+"\nFrom: your own telephone (trunk 192.0.2.7 4001)\n")
	require.Contains(t, in.body(t), "please tell your administrator at once")

	lock := changeOf(bob)
	lock.Action, lock.Stage, lock.Door, lock.Until = audit.Lock, audit.Whole, mailbox.AnyDoor, time.Now().Add(time.Hour)
	r.happened(lock)
	in = o.mail(2)
	require.Contains(t, in.body(t), "weitere Versuche von dort warten, bis "+shown(lock.Until)+".")
	require.Contains(t, in.body(t), "Von wo: ein anderes Telefon (")
	reset := changeOf(ada)
	reset.Action, reset.Door, reset.Source, reset.Peer, reset.Actor = audit.Reset, 0, "", "", "eve"
	r.happened(reset)
	require.Contains(t, o.mail(3).body(t), "From: an administrator (eve)\n")
	once := changeOf(ada)
	once.Claim = mailbox.ByOneTime
	r.happened(once)
	require.Contains(t, o.mail(4).body(t), "From: your own telephone, with a one-time code (trunk 192.0.2.7 4001)\n")
	r.idle()
}

// Who has no address, is gone, or whose number is another person's now, is told by the
// web service alone.
func TestWithoutAnAddressTheWebhookIsTold(t *testing.T) {
	t.Parallel()
	o, s := officeOn(t, kindOfOffice{}), receiverOn(t)
	both := mailOnly(o)
	both.Webhook = s.options()
	r := rigOn(t, newDatabase(t), both)
	r.running()
	for i, now := range []func(a mailbox.Account) []mailbox.Account{
		func(a mailbox.Account) []mailbox.Account { a.Mail = ""; return []mailbox.Account{a} },
		func(mailbox.Account) []mailbox.Account { return nil },
		func(a mailbox.Account) []mailbox.Account { a.ID = "99"; return []mailbox.Account{a} },
		func(a mailbox.Account) []mailbox.Account { a.Backend = "other"; return []mailbox.Account{a} },
	} {
		r.people.set(nil, now(ada)...)
		r.happened(changeOf(ada))
		r.idle()
		require.Empty(t, o.got())
		require.Len(t, s.told(), i+1)
	}
	r.people.set(nil, ada)
	r.happened(changeOf(ada))
	r.idle()
	require.Len(t, o.got(), 1)
}

// An id that the audit trail had to cut short is still the mailbox's.
func TestAMailboxIsKnownByACutID(t *testing.T) {
	long := strings.Repeat("a", 200)
	n := notice{backend: "b", mailbox: strings.Repeat("a", 127) + "…"}
	require.True(t, n.isOf(&mailbox.Account{Backend: "b", ID: long}))
	require.False(t, n.isOf(&mailbox.Account{Backend: "b", ID: "b" + long}))
	require.False(t, n.isOf(&mailbox.Account{Backend: "c", ID: long}))
	n.mailbox = "17"
	require.True(t, n.isOf(&mailbox.Account{Backend: "b", ID: "17"}))
	require.False(t, n.isOf(&mailbox.Account{Backend: "b", ID: "178"}))
}

func TestTheWebhookIsTold(t *testing.T) {
	t.Parallel()
	s := receiverOn(t)
	r := rigOn(t, newDatabase(t), hookOnly(s))
	r.running()
	lock := changeOf(bob)
	lock.Action, lock.Stage, lock.Door, lock.Until = audit.Lock, audit.Whole, mailbox.AnyDoor, time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	sealed := r.happened(changeOf(ada), lock)
	r.idle()
	told := s.told()
	require.Len(t, told, 2)
	slices.SortFunc(told, func(a, b string) int { return strings.Compare(a[:40], b[:40]) })
	for i, want := range []string{"changed", "locked"} {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(told[i]), &e))
		at := sealed[i].Time.Format(time.RFC3339Nano)
		require.Equal(t, fmt.Sprintf("%d-%s-%x", i+1, want, sealed[i].Hash[:4]), e["id"])
		require.Equal(t, map[string]any{"notice": want}, map[string]any{e["operation"].(string): e["kind"]})
		require.Equal(t, []any{at, "sqlite", "", sealed[i].Mailbox, sealed[i].Extension, sealed[i].Door.String(), "code", "trunk", "192.0.2.7 4001"},
			[]any{e["time"], e["backend"], e["domain"], e["mailbox"], e["extension"], e["door"], e["claim"], e["peer"], e["source"]})
		require.Equal(t, i == 1, e["until"] != nil)
	}
	require.Equal(t, "application/json", s.heads[0].Get("Content-Type"))
}

// No caller has shown anything where an administrator acted.
func TestOnlyACallerShowsSomething(t *testing.T) {
	t.Parallel()
	s := receiverOn(t)
	r := rigOn(t, newDatabase(t), hookOnly(s))
	r.running()
	wrong, reset, shut := changeOf(ada), changeOf(ada), changeOf(ada)
	wrong.Action, wrong.Stage, wrong.Claim = audit.Lock, audit.Whole, mailbox.ByOneTime
	reset.Action, reset.Actor, reset.Door = audit.Reset, "eve", 0
	shut.Action, shut.Actor, shut.Door = audit.Lock, "eve", 0
	r.happened(wrong, reset, shut)
	r.idle()
	claims := map[any]any{}
	for _, text := range s.told() {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		claims[e["kind"]] = e["claim"]
	}
	require.Equal(t, map[any]any{"locked": "one-time-code", "reset": nil, "locked-by-administrator": nil}, claims)
}

// Whatever goes wrong, the notice arrives once things are right again, with its id.
func TestMailArrivesAfterTrouble(t *testing.T) {
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come again"}
	denied := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not from you"}
	for name, c := range map[string]struct {
		faults []fault
		mails  int
		said   string
	}{
		"a busy server":                  {[]fault{{at: "mail", fail: busy}}, 1, "answers 451 4.7.1"},
		"a busy recipient, twice":        {[]fault{{at: "rcpt", fail: busy}, {at: "rcpt", fail: busy}}, 1, "answers 451 4.7.1"},
		"a text that is not liked now":   {[]fault{{fail: busy}}, 1, "answers 451 4.7.1"},
		"a sender that is not let in":    {[]fault{{at: "mail", fail: denied}}, 1, "answers 550 5.7.1"},
		"a server that hangs up":         {[]fault{{at: "mail", cut: true}, {at: "data", cut: true}}, 1, "ended the connection"},
		"an answer that is lost":         {[]fault{{cut: true}}, 2, "ended the connection"},
		"a server that hangs":            {[]fault{{at: "data", hang: true}}, 1, "in the time there was"},
		"a server that hangs at the end": {[]fault{{hang: true}}, 2, "in the time there was"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := officeOn(t, kindOfOffice{})
			o.breaks(c.faults...)
			options := mailOnly(o)
			if strings.Contains(name, "hangs") && !strings.Contains(name, "up") {
				options.Mail.Timeout = time.Second
			}
			r := rigOn(t, newDatabase(t), options)
			stop := r.running()
			r.happened(changeOf(ada))
			// A lease that has run out is the only other way for a notice to come again.
			require.Eventually(t, func() bool { r.clock.pass(50 * time.Millisecond); return r.waiting() == 0 && len(o.got()) >= c.mails }, patience, lookAgain, "%s", r.said)
			stop()
			require.Contains(t, r.said.String(), c.said)
			require.Contains(t, r.said.String(), "it is tried again")
			ids := map[string]bool{}
			for _, in := range o.got() {
				ids[in.header("Message-ID")] = true
			}
			require.Len(t, ids, 1)
			require.NotContains(t, r.said.String(), "not from you", "nothing that the server says is repeated")
		})
	}
}

// An address that does not exist is not asked again.
func TestARefusedAddressIsGivenUp(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	o.breaks(fault{at: "rcpt", fail: &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "who?"}})
	r := rigOn(t, newDatabase(t), mailOnly(o))
	r.running()
	r.happened(changeOf(ada))
	r.idle()
	require.Empty(t, o.got())
	require.Contains(t, r.said.String(), "a notice was given up")
	r.people.set(nil, func() mailbox.Account { a := ada; a.Mail = "no address\r\nBcc: all@example.test"; return a }())
	r.happened(changeOf(ada))
	r.idle()
	require.Contains(t, r.said.String(), "the address on file is no mail address")
}

func TestADeadServerIsGivenUpAfterADay(t *testing.T) {
	t.Parallel()
	s := receiverOn(t)
	o := hookOnly(s)
	s.Close()
	r := rigOn(t, newDatabase(t), o)
	r.running()
	r.happened(changeOf(ada))
	require.Eventually(t, func() bool { return strings.Contains(r.said.String(), "tries=1") }, patience, lookAgain)
	require.Equal(t, 1, r.waiting())
	r.clock.pass(24*time.Hour - time.Minute)
	require.Eventually(t, func() bool { return strings.Contains(r.said.String(), "tries=2") }, patience, lookAgain)
	require.Equal(t, 1, r.waiting(), "a minute before")
	r.clock.pass(2 * time.Minute)
	require.Eventually(t, func() bool { r.clock.pass(time.Second); return r.waiting() == 0 }, patience, lookAgain)
	require.Contains(t, r.said.String(), "a notice was given up")
}

func TestTheWebhookIsToldAgainUntilItSays2xx(t *testing.T) {
	t.Parallel()
	s := receiverOn(t)
	for _, status := range []int{500, 404, 302, 401} {
		s.orders.Give("told", trouble.Order{Kind: trouble.Status, Status: status})
	}
	s.orders.Give("told", trouble.Order{Kind: trouble.CutAfter})
	r := rigOn(t, newDatabase(t), hookOnly(s))
	r.running()
	r.happened(changeOf(ada))
	require.Eventually(t, func() bool { r.clock.pass(10 * time.Millisecond); return r.waiting() == 0 && len(s.told()) == 2 }, patience, lookAgain, "%s", r.said)
	require.Equal(t, s.told()[0], s.told()[1], "the one whose answer was lost came again, with its id")
	require.Equal(t, 6, s.orders.Seen("told"))
}

func TestADirectoryThatIsAwayIsAskedAgain(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	r := rigOn(t, newDatabase(t), mailOnly(o))
	r.people.set(mailbox.Fail("lookup", mailbox.Unavailable, errors.New("away")), ada)
	r.running()
	r.happened(changeOf(ada))
	require.Eventually(t, func() bool { return strings.Contains(r.said.String(), "it is tried again") }, patience, lookAgain)
	r.people.set(nil, ada)
	o.mail(1)
	r.idle()
}

// At the end what is due is still told, for a bounded time, and a server that hangs
// holds nobody.
func TestTheEndIsBounded(t *testing.T) {
	t.Parallel()
	s := receiverOn(t)
	r := rigOn(t, newDatabase(t), hookOnly(s))
	r.pace.look = time.Hour
	stop := r.running()
	require.Eventually(t, func() bool { _, err := r.cursor(t.Context()); return err == nil }, patience, lookAgain)
	made := changeOf(ada)
	made.Time = time.Now()
	_, err := r.chain.Append(t.Context(), made) // nobody wakes it
	require.NoError(t, err)
	stop()
	require.Len(t, s.told(), 1)

	o := officeOn(t, kindOfOffice{})
	o.breaks(fault{at: "data", hang: true}, fault{at: "data", hang: true})
	r = rigOn(t, newDatabase(t), mailOnly(o))
	r.pace.end = 200 * time.Millisecond
	stop = r.running()
	r.happened(changeOf(ada))
	require.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.tried > 0 }, patience, lookAgain)
	begin := time.Now()
	stop()
	require.Less(t, time.Since(begin), r.opts.Mail.Timeout/2)
	require.Equal(t, 1, r.waiting(), "the next start delivers it")
}

func TestTheAdministratorGetsAListOfWhatIsUnknown(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		o := officeOn(t, kindOfOffice{})
		options := mailOnly(o)
		options.Digest = "eve@example.test"
		r := rigOn(t, again(), options)
		r.people.set(nil)
		r.running()
		unsure, other := changeOf(ada), changeOf(bob)
		unsure.Outcome, other.Outcome, other.Domain = mailbox.Unknown, mailbox.Unknown, "tenant.example"
		r.happened(unsure, changeOf(ada), other)
		require.Eventually(t, func() bool { return r.followed() && r.waiting() == 2 }, patience, lookAgain, "the owners have no address")
		r.clock.pass(24 * time.Hour)
		in := o.mail(1)
		r.idle()
		require.Equal(t, "eve@example.test", in.to)
		require.Contains(t, in.body(t), "- 4001, ")
		require.Contains(t, in.body(t), "- 4002 (tenant.example), ")
		require.Len(t, o.got(), 1)
	})
}

// A process killed between a delivery and its mark: the next one tells it again, with
// the same id.
func TestAKillAfterTheDeliveryTellsTwice(t *testing.T) {
	if file := os.Getenv("STAR97_NOTIFY_KILLED"); file != "" {
		killedAfterDelivery(t, file)
	}
	t.Parallel()
	s := receiverOn(t)
	file := newFile(t)
	r := rigOn(t, database(t, file), hookOnly(s))
	r.happened(changeOf(ada))
	require.Error(t, again(t, "TestAKillAfterTheDeliveryTellsTwice", "STAR97_NOTIFY_KILLED="+file, "STAR97_NOTIFY_URL="+s.URL,
		"STAR97_NOTIFY_CA="+s.CAFile, "STAR97_NOTIFY_KEY="+s.keyFile))
	require.Len(t, s.told(), 1)
	require.Equal(t, 1, r.waiting())
	r.running()
	require.Never(t, func() bool { return len(s.told()) > 1 }, 100*time.Millisecond, 10*time.Millisecond, "the lease of the dead process holds")
	r.clock.pass(lease)
	r.idle()
	require.Len(t, s.told(), 2)
	require.Equal(t, s.told()[0], s.told()[1])
}

func TestTheMailIsWhatAProgramReads(t *testing.T) {
	m := mailer{Mail{From: "star97 <a@example.test>"}}
	msg, err := m.message("b@example.test", "id", letter{"größer", "Grüße\n"})
	require.NoError(t, err)
	var text strings.Builder
	_, err = msg.WriteTo(&text)
	require.NoError(t, err)
	in, err := mail.ReadMessage(strings.NewReader(text.String()))
	require.NoError(t, err)
	require.Equal(t, `text/plain; charset=UTF-8`, in.Header.Get("Content-Type"))
	require.Equal(t, "1.0", in.Header.Get("MIME-Version"))
	require.NotEmpty(t, in.Header.Get("Date"))
}
