package ledger

import (
	"database/sql"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// The hashes that the program of the first tables gave to the rows below.
const (
	hash1 = "A205A2FAC7365C0FD897E148519757B53463147D40F91BD9DA5337B28A5E8F4C"
	hash2 = "23EDCA5EE59EF75247C06783E60634748A1DB3F334A433D858775F8E5149AF4D"
	hash3 = "897B54DAF7356EDF907361E97CABB18C21723A22016B064DFCBF872D9F33D683"
)

func oldRows(d sqlkit.Dialect) string {
	h := func(hex string) string {
		return map[sqlkit.Dialect]string{sqlkit.SQLite: "x'" + hex + "'", sqlkit.PostgreSQL: `'\x` + hex + "'"}[d]
	}
	none := h("0000000000000000000000000000000000000000000000000000000000000000")
	return `INSERT INTO audit (seq, at, door, action, stage, outcome, result, node, peer, transport, source, call_id,
	backend, domain, mailbox, extension, rule, actor, reason, policy, intent, prev, hash) VALUES
	(1, 1770116400123456, 2, 2, 0, 0, 3, 'node-1', 'pbx', 'udp', '192.0.2.1 +15550100', 'c-1', 'sqlite', '', 'a1', '4001', '', '', '', 'strong', '', ` + none + ", " + h(hash1) + `),
	(2, 1770116401123456, 1, 3, 1, 0, 0, 'node-1', '', '', '', '', 'sqlite', 'example.org', 'a1', '4001', '', '', '', 'strong', 'i-1', ` + h(hash1) + ", " + h(hash2) + `),
	(3, 1770116402123456, 1, 3, 2, 1, 0, 'node-1', '', '', '', '', 'sqlite', 'example.org', 'a1', '4001', '', 'Jürgen', 'because', 'strong', 'i-1', ` + h(hash2) + ", " + h(hash3) + `);
	INSERT INTO audit_head (one, seq, hash) VALUES (1, 3, ` + h(hash3) + ")"
}

// A chain from before the records grew goes on, whole, and its old part still shows
// what is done to it.
func TestAChainOfTheFirstFormGoesOn(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		db := again()
		first, err := fs.ReadFile(migrations, "migrations/"+string(db.Dialect())+"/00001_ledger.sql")
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), "ledger", fstest.MapFS{"00001_ledger.sql": {Data: first}}))
		require.NoError(t, db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), oldRows(db.Dialect()))
			return err
		}))
		for range 2 { // the first time has altered nothing
			_, err = Existing(t.Context(), again(), DefaultOptions())
			require.ErrorIs(t, err, sqlkit.ErrOlder)
			require.ErrorContains(t, err, "is of an older star97 (ledger tables are at version 1, this program reads 2): start the new service first")
		}
		l := openOn(t, db, nil)
		_, err = l.Append(t.Context(), audit.Record{Action: audit.Login, Claim: mailbox.ByOneTime})
		require.NoError(t, err)
		head, err := l.Verify(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 4, head.Seq)
		last, found, err := l.LastChange(t.Context(), "sqlite", "a1")
		require.NoError(t, err)
		require.True(t, found)
		require.EqualValues(t, 3, last.Seq)
		require.Equal(t, "Jürgen", last.Actor)

		harm(t, l, "UPDATE audit SET target = 'x' WHERE seq = 2")
		_, err = l.Verify(t.Context())
		require.ErrorContains(t, err, "record 2 was altered")
	})
}
