package notify

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func newCode(t testing.TB) pin.PIN {
	t.Helper()
	code, err := pin.Generate(pin.Policy{MinLen: 8, MaxLen: 8}, pin.Context{}, rand.Reader)
	require.NoError(t, err)
	return code
}

func digitsOf(code pin.PIN) (digits string) {
	code.Reveal(func(d []byte) { digits = string(d) })
	return digits
}

func (r *rig) carries(a mailbox.Account, code pin.PIN) mailbox.Code {
	return mailbox.CodeOf(r.Carry(r.t.Context(), a, code, r.clock.Now().Add(10*time.Minute)))
}

// empty waits until no one-time code waits or is under way.
func (r *rig) empty() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.codes.mu.Lock()
		defer r.codes.mu.Unlock()
		return len(r.codes.waiting)+r.codes.carried == 0
	}, patience, lookAgain)
}

func TestAOneTimeCodeGoesByMail(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	busy := &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "come again"}
	o.breaks(fault{at: "rcpt", fail: busy}, fault{at: "data", cut: true}, fault{fail: busy})
	r := rigOn(t, newDatabase(t), mailOnly(o))
	r.running()
	code := newCode(t)
	require.Equal(t, mailbox.OK, r.carries(bob, code))
	in := o.mail(1)
	require.Equal(t, "bob@example.test", in.to)
	require.Contains(t, in.body(t), "Ihr Einmalcode ist "+digitsOf(code)+".\n")
	require.NotContains(t, in.header("Subject"), digitsOf(code))
	require.Equal(t, "auto-generated", in.header("Auto-Submitted"))
	r.empty()
	require.Equal(t, mailbox.NotFound, r.carries(mailbox.Account{ID: "1"}, code), "without an address there is no way")
}

func TestAOneTimeCodeGoesByTheWebhookThatWantsThem(t *testing.T) {
	t.Parallel()
	s := receiverOn(t)
	s.orders.Give("told", trouble.Order{Kind: trouble.Status, Status: 503})
	o := hookOnly(s)
	require.False(t, o.Carries())
	o.Webhook.OneTime = true
	require.True(t, o.Carries())
	r := rigOn(t, newDatabase(t), o)
	r.running()
	code, a := newCode(t), ada
	a.Name, a.Numbers = `Ada "the first"`, []string{"12015550143"}
	require.Equal(t, mailbox.OK, r.carries(a, code))
	r.empty()
	require.Len(t, s.told(), 1)
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.told()[0]), &e))
	require.Equal(t, []any{"one-time-code", digitsOf(code), "sqlite", "17", "4001", a.Name, "en-US", a.Mail, []any{"12015550143"}},
		[]any{e["operation"], e["code"], e["backend"], e["mailbox"], e["extension"], e["name"], e["language"], e["mail"], e["numbers"]})
	until, err := time.Parse(time.RFC3339Nano, e["until"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), until, time.Minute)
}

// A mail server that is dead holds nobody up: codes wait in memory, so many and so long,
// and are then forgotten.
func TestCodesThatCannotLeaveAreForgotten(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	options := mailOnly(o)
	o.close()
	r := rigOn(t, newDatabase(t), options)
	stop := r.running()
	for range maxCodes {
		require.Equal(t, mailbox.OK, r.carries(ada, newCode(t)))
	}
	require.Equal(t, mailbox.Busy, r.carries(ada, newCode(t)))
	require.Eventually(t, func() bool { return strings.Contains(r.said.String(), "it is tried again") }, patience, lookAgain)
	r.clock.pass(10 * time.Minute)
	stir(r.codes.stirred)
	r.empty()
	require.Equal(t, mailbox.OK, r.carries(ada, newCode(t)))
	stop()
	r.empty()
	require.Equal(t, mailbox.Unavailable, r.carries(ada, newCode(t)), "it has stopped")
}

// At the end a code that waits is tried once more.
func TestACodeIsTriedAtTheEnd(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	o.breaks(fault{at: "rcpt", fail: &smtp.SMTPError{Code: 450, Message: "later"}})
	r := rigOn(t, newDatabase(t), mailOnly(o))
	r.pace.wait = time.Hour
	stop := r.running()
	require.Equal(t, mailbox.OK, mailbox.CodeOf(r.Carry(t.Context(), ada, newCode(t), time.Now().Add(24*time.Hour))))
	require.Eventually(t, func() bool { return strings.Contains(r.said.String(), "it is tried again") }, patience, lookAgain)
	stop()
	require.Len(t, o.got(), 1)
}

// Whatever goes wrong, and whatever the mail server repeats of a mail, no one-time code
// is in the database or in the log, and a planted one is found.
func TestNoOneTimeCodeIsKeptOrLogged(t *testing.T) {
	t.Parallel()
	o, s := officeOn(t, kindOfOffice{}), receiverOn(t)
	dir := t.TempDir()
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "I do not like"}
	never := &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "I do not like"}
	o.breaks(fault{fail: busy}, fault{fail: never}, fault{at: "data", cut: true}, fault{cut: true}, fault{fail: never})
	s.orders.Give("told", trouble.Order{Kind: trouble.Status, Status: 500, Body: "what?"})
	byMailRig := rigOn(t, database(t, filepath.Join(dir, "mail.db")), mailOnly(o))
	hooked := hookOnly(s)
	hooked.Webhook.OneTime = true
	byHook := rigOn(t, database(t, filepath.Join(dir, "hook.db")), hooked)
	var codes []pin.PIN
	for _, r := range []*rig{byMailRig, byHook} {
		stop := r.running()
		for range 5 {
			code := newCode(t)
			codes = append(codes, code)
			require.Equal(t, mailbox.OK, r.carries(ada, code))
			r.happened(changeOf(ada))
			r.empty()
		}
		r.idle()
		stop()
	}
	require.Contains(t, byMailRig.said.String(), "answers 451 4.7.1")
	require.Contains(t, byMailRig.said.String(), "answers 554 5.7.1")
	written := []byte(byMailRig.said.String() + byHook.said.String())
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2)
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		written = append(written, data...)
	}
	require.False(t, holds(written, codes))
	for _, form := range forms(codes[3]) {
		require.True(t, holds(append(bytes.Clone(written), form...), codes))
	}
}

func holds(in []byte, codes []pin.PIN) bool {
	return slices.ContainsFunc(codes, func(c pin.PIN) bool {
		return slices.ContainsFunc(forms(c), func(form []byte) bool { return bytes.Contains(in, form) })
	})
}

// forms are a code's digits as they could stand somewhere.
func forms(code pin.PIN) (all [][]byte) {
	plain := []byte(digitsOf(code))
	back := bytes.Clone(plain)
	slices.Reverse(back)
	for _, p := range [][]byte{plain, back} {
		sum := sha256.Sum256(p)
		all = append(all, p, []byte(base64.StdEncoding.EncodeToString(p)[:10]), []byte(hex.EncodeToString(p)), sum[:], []byte(hex.EncodeToString(sum[:])))
	}
	return all
}
