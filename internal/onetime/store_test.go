package onetime

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
	"star97/internal/backend/webhook"
	webhookfake "star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/sqlkit"
)

func routerOn(t *testing.T, o backend.Options) *backend.Router {
	t.Helper()
	r, err := backend.OpenAll(t.Context(), o, nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func deskOver(t *testing.T, store Store) desk {
	t.Helper()
	o := DefaultOptions()
	o.Rehearsal = true
	p := &postman{}
	db := opened(t)(sqlkit.Open(t.Context(), sqlkit.Options{Path: filepath.Join(t.TempDir(), "ledger.db")}))
	d, err := New(t.Context(), db, store, p, o, nil)
	require.NoError(t, err)
	return desk{Desk: d, post: p}
}

// Who has forgotten the code of a mailbox in a store of our own gets another one by a
// one-time code.
func TestAForgottenCodeOfOurOwnStore(t *testing.T) {
	t.Parallel()
	o := backend.DefaultOptions()
	o.SQLite.Rehearsal, o.SQLite.Cost.Memory, o.SQLite.Cost.Passes = true, 8, 1
	r := routerOn(t, o.In(t.TempDir()))
	forgotten, next := codeOf(t, "482915"), codeOf(t, "739164")
	a, err := r.Add(t.Context(), mailbox.Account{Extension: "4001", Mail: "ada@example.test"}, forgotten, "test")
	require.NoError(t, err)
	found, err := r.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Equal(t, "ada@example.test", found[0].Mail)
	d := deskOver(t, r)
	code := d.sent(t, found[0])
	require.Equal(t, mailbox.WrongPIN, d.verify(a, code, mailbox.Attempt{Call: 1}), "it is not the mailbox's code")
	require.Equal(t, mailbox.OK, d.verify(a, code, oneTime))
	require.Equal(t, mailbox.Proved(), mailbox.Settled(d, 0).Change(t.Context(), a, code, next, oneTime))
	require.Equal(t, mailbox.OK, d.verify(a, next, mailbox.Attempt{}))
	require.Equal(t, mailbox.WrongPIN, d.verify(a, forgotten, mailbox.Attempt{}))
	require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), a, code, forgotten, oneTime).Reason)
}

// One-time codes stand for the codes of a store whose system cannot check them.
func TestOneTimeCodesCheckWhatASystemCannot(t *testing.T) {
	t.Parallel()
	f := webhookfake.New(t)
	f.Blind = true
	o := backend.DefaultOptions()
	o.Driver, o.Verify.By = "webhook", "otp"
	o.Webhook.API.URL, o.Webhook.API.TLS.CAFile, o.Webhook.NoVerify = f.URL, f.CAFile, true
	o.Webhook.API.Timeout = 30 * time.Second // a busy machine is no trouble
	o.Webhook.Keys = []webhook.Key{{ID: webhookfake.KeyID, Secret: secret.Source{File: f.KeyFile}}}
	r := routerOn(t, o)
	old, next := codeOf(t, "482915"), codeOf(t, "739164")
	put := f.Put(mailbox.Account{Extension: "4001"}, old)
	found, err := r.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	d := deskOver(t, r)
	code := d.sent(t, found[0])
	require.Equal(t, mailbox.OK, d.verify(found[0], code, oneTime))
	require.Equal(t, mailbox.Proved(), d.Change(t.Context(), found[0], code, next, oneTime))
	require.True(t, f.Has(put.ID, next))
}
