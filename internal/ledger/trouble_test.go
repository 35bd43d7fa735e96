package ledger

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/audit"
	"star97/internal/lockout"
	"star97/internal/sqlkit"
)

// A full disk is said as such, loses nothing that was confirmed, and is over when
// there is room again.
func TestAFullDisk(t *testing.T) {
	l := open(t)
	pages := func(n string) {
		require.NoError(t, l.submit(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			var now int
			return tx.QueryRowContext(ctx, "PRAGMA max_page_count = "+n).Scan(&now)
		}))
	}
	pages("1")
	var err error
	written := 0
	for ; written < 10_000 && err == nil; written++ {
		_, err = l.Append(t.Context(), audit.Record{Action: audit.Login, Reason: strings.Repeat("x", 100)})
	}
	require.ErrorIs(t, err, sqlkit.ErrFull)
	require.ErrorContains(t, err, "disk is full: free some space")
	pages("1000000")
	_, err = l.Append(t.Context(), audit.Record{Action: audit.Login})
	require.NoError(t, err)
	head, err := l.Verify(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, written, head.Seq, "every record that was confirmed and the last one")
}

func TestALockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openOn(t, databaseThatWaits(t, path, time.Second), nil)
	other := database(t, path)
	require.NoError(t, other.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := l.Append(t.Context(), audit.Record{Action: audit.Login})
		require.ErrorIs(t, err, sqlkit.ErrLocked)
		require.ErrorContains(t, err, "locked by another program")
		return nil
	}))
	_, err := l.Append(t.Context(), audit.Record{Action: audit.Login})
	require.NoError(t, err)
}

func TestADamagedCounterIsNamed(t *testing.T) {
	l := open(t)
	for _, row := range []string{"('k', 1, 2, NULL, x'', NULL)", "('k', 1, 0, NULL, x'00', NULL)", "('k', 1, -1, NULL, x'', NULL)"} {
		require.NoError(t, l.submit(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO counters (key, tries, cleared, last, recent, expires) VALUES "+row)
			return err
		}))
		err := l.Update(t.Context(), []string{"k"}, func([]lockout.Counter) bool { t.Error("decided on nonsense"); return true })
		require.ErrorContains(t, err, `the counter "k" in the ledger makes no sense`)
	}
}

func fill(t *testing.T, l *Ledger, n int) {
	t.Helper()
	for i := range n {
		_, err := l.Append(t.Context(), audit.Record{
			Action: audit.Login, Time: time.UnixMicro(int64(i)).UTC(), Node: "n", Source: "192.0.2.1 4001", Mailbox: "a1",
		})
		require.NoError(t, err)
	}
}

func TestTheChainCannotBeAlteredByASlip(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		fill(t, l, 2)
		for _, slip := range []string{"UPDATE audit SET mailbox = 'b'", "DELETE FROM audit WHERE seq = 2"} {
			err := l.submit(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, slip)
				return err
			})
			require.ErrorContains(t, err, "audit records are never")
		}
	})
}

// undo takes the triggers away.
var undo = map[sqlkit.Dialect]string{
	sqlkit.SQLite:     "DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete; ",
	sqlkit.PostgreSQL: "DROP TRIGGER IF EXISTS audit_no_change ON audit",
}

// harm is what somebody does who may write to the database.
func harm(t *testing.T, l *Ledger, deed string) {
	t.Helper()
	require.NoError(t, l.submit(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, before := tx.ExecContext(ctx, undo[l.db.Dialect()])
		_, err := tx.ExecContext(ctx, deed)
		return errors.Join(before, err)
	}))
}

// zeros is a hash of no record, in both dialects.
const zeros = "(SELECT prev FROM audit WHERE seq = 1)"

// Whoever may write to the database can drop the triggers; the chain tells.
func TestTamperingIsFound(t *testing.T) {
	const row = `, form, at, door, claim, action, stage, outcome, result, node, peer, transport, source, call_id, backend, domain, mailbox,
		extension, rule, until, target, actor, reason, policy, intent, prev, hash`
	deeds := map[string]string{
		"UPDATE audit SET mailbox = 'b2' WHERE seq = 3": "record 3 was altered",
		"UPDATE audit SET result = 300 WHERE seq = 3":   "record 3 was altered",
		"UPDATE audit SET door = -1 WHERE seq = 5":      "record 5 was altered",
		"UPDATE audit SET claim = 1 WHERE seq = 3":      "record 3 was altered",
		"UPDATE audit SET form = 1 WHERE seq = 3":       "record 3 was altered",
		"UPDATE audit SET form = 9 WHERE seq = 3":       "record 3 has form 9, which this star97 does not know",
		"UPDATE audit SET prev = hash WHERE seq = 3":    "record 3 was altered",
		"UPDATE audit SET seq = seq + 10 WHERE seq = 3": "record 3 is missing",
		"UPDATE audit SET seq = 99 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 99": "record 3 was altered",
		"INSERT INTO audit (seq" + row + ") SELECT 6" + row + " FROM audit WHERE seq = 5":                                          "record 6 was altered",
		"INSERT INTO audit (seq" + row + ") SELECT -1" + row + " FROM audit WHERE seq = 5":                                         "records that were added stand before the first: 1",
		"DELETE FROM audit_head":                     "record 1 stands behind the one that was noted as the last",
		"UPDATE audit_head SET seq = 4":              "record 4 is not the one that was noted",
		"UPDATE audit_head SET seq = 6":              "records 6 to 6 are missing",
		"UPDATE audit_head SET hash = " + zeros:      "record 5 is not the one that was noted",
		"UPDATE audit SET at = at + 1 WHERE seq = 3": "record 3 was altered",
		"UPDATE audit SET hash = prev WHERE seq = 3": "record 3 was altered",
		"DELETE FROM audit WHERE seq = 3":            "record 3 is missing",
		"DELETE FROM audit WHERE seq > 3":            "records 4 to 5 are missing",
		"DELETE FROM audit":                          "records 1 to 5 are missing",
	}
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		fill(t, l, 5)
		harm(t, l, "CREATE TABLE audit_kept AS SELECT * FROM audit; CREATE TABLE audit_head_kept AS SELECT * FROM audit_head")
		for deed, says := range deeds {
			harm(t, l, deed)
			_, err := l.Verify(t.Context())
			var b *audit.Break
			require.ErrorAs(t, err, &b, deed)
			require.Contains(t, b.What, says, deed)
			for _, table := range []string{"audit", "audit_head"} {
				harm(t, l, "DELETE FROM "+table+"; INSERT INTO "+table+" SELECT * FROM "+table+"_kept")
			}
			_, err = l.Verify(t.Context())
			require.NoError(t, err)
		}
	})
}

// Who believes a head and reads on from there must find that head.
func TestVerifyingOnFromAHead(t *testing.T) {
	l := open(t)
	fill(t, l, 5)
	at := func(seq uint64) audit.Head {
		r, found, err := l.Record(t.Context(), seq)
		require.NoError(t, err)
		require.True(t, found)
		return r.Head()
	}
	three, five := at(3), at(5)
	read := 0
	last, err := l.VerifyAfter(t.Context(), three, func(audit.Record) { read++ }, five)
	require.NoError(t, err)
	require.Equal(t, five, last)
	require.Equal(t, 2, read)
	_, err = l.VerifyAfter(t.Context(), five, nil)
	require.NoError(t, err)
	for says, from := range map[string]audit.Head{
		"record 4 does not follow record 3":                                {Seq: 3, Hash: five.Hash},
		"record 5 is not the one that was noted":                           {Seq: 5, Hash: three.Hash},
		"records 6 to 9 are missing: the chain was cut off after record 5": {Seq: 9, Hash: five.Hash},
	} {
		_, err = l.VerifyAfter(t.Context(), from, nil)
		var b *audit.Break
		require.ErrorAs(t, err, &b)
		require.Contains(t, b.What, says)
	}
}

func TestRecordsBeginWhereAsked(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		fill(t, l, 5)
		var seqs []uint64
		for r, err := range l.Records(t.Context(), 2) {
			require.NoError(t, err)
			require.Equal(t, "192.0.2.1 4001", r.Source)
			if seqs = append(seqs, r.Seq); len(seqs) == 2 {
				break
			}
		}
		require.Equal(t, []uint64{3, 4}, seqs)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range l.Records(ctx, 0) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}

// killedOn names the file for the process that is killed while it writes.
const killedOn = "STAR97_TEST_KILLED_LEDGER"

// Whatever was confirmed before a kill -9 is in the chain, and the chain holds.
func TestAKilledWriterLosesNothingConfirmed(t *testing.T) {
	if path := os.Getenv(killedOn); path != "" {
		l := openOn(t, database(t, path), nil)
		for {
			r, err := l.Append(t.Context(), audit.Record{Action: audit.Login})
			require.NoError(t, err)
			fmt.Printf("kept %d %s\n", r.Seq, r.Hash)
		}
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	var last audit.Head
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), killedOn+"="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var seq uint64
			var hash string
			if _, err := fmt.Sscanf(lines.Text(), "kept %d %s", &seq, &hash); err != nil {
				continue
			}
			last.Seq = seq
			require.NoError(t, last.Hash.UnmarshalText([]byte(hash)))
			if n == 3+7*round {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())
		l := openOn(t, database(t, path), nil)
		_, err = audit.Verify(l.Records(t.Context(), 0), last)
		require.NoError(t, err, "the last confirmed record stands in the chain")
		_, err = l.Verify(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
	require.Greater(t, last.Seq, uint64(50))
}
