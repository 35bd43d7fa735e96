package sqlkit_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

func TestMain(m *testing.M) { os.Exit(sqlkittest.Main{M: m}.Run()) }

func openPostgres(t testing.TB, o sqlkit.PostgresOptions) *sqlkit.DB {
	t.Helper()
	d, err := sqlkit.OpenPostgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

var notes = fstest.MapFS{"00001_notes.sql": {Data: []byte("-- +goose Up\nCREATE TABLE note (text TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 0);\n")}}

func openNotes(t testing.TB, o sqlkit.PostgresOptions) *sqlkit.DB {
	t.Helper()
	d := openPostgres(t, o)
	require.NoError(t, d.Migrate(t.Context(), "test", notes))
	return d
}

func write(ctx context.Context, d *sqlkit.DB, text string) error {
	return d.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO note (text) VALUES ($1)", text)
		return err
	})
}

func count(t testing.TB, d *sqlkit.DB) (n int) {
	t.Helper()
	require.NoError(t, d.Read(t.Context(), func(db *sql.DB) error {
		return db.QueryRowContext(t.Context(), "SELECT count(*) FROM note").Scan(&n)
	}))
	return n
}

func TestANewDatabaseOfAServer(t *testing.T) {
	d := openNotes(t, sqlkittest.Postgres(t).Database(t))
	require.Equal(t, sqlkit.PostgreSQL, d.Dialect())
	require.NoError(t, write(t.Context(), d, "x"))
	require.True(t, sqlkit.IsUnique(write(t.Context(), d, "x")))
	require.Equal(t, 1, count(t, d))
}

var _ = fmt.Sprint
var _ sync.WaitGroup
var _ time.Duration
