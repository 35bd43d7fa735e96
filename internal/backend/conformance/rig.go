package conformance

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
)

// Main runs the tests of an adapter and returns the status to exit with. It waits for the
// last goroutines longer than goleak itself does: on a busy machine a connection takes
// its time to end.
func Main(m *testing.M) int {
	status := m.Run()
	for end := time.Now().Add(30 * time.Second); status == 0; {
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	return status
}

// Log keeps all that an adapter says. The zero value is ready.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is everything that was said.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Logger writes to l from the level of debugging on.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Secret is a source of a secret with that text.
func Secret(t testing.TB, text string) secret.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	return secret.Source{File: file}
}

// Digits are those of a code.
func Digits(code pin.PIN) (digits string) {
	code.Reveal(func(d []byte) { digits = string(d) })
	return digits
}

// Opened opens a backend as the program does; the test's end closes it.
func Opened[S mailbox.Backend](t testing.TB, o interface {
	Open(context.Context) (mailbox.Backend, error)
}) S {
	t.Helper()
	b, err := o.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b.(S)
}

// settings are the Options of an adapter.
type settings interface {
	Validate() error
	Open(context.Context) (mailbox.Backend, error)
}

// Spoiled spoils options that nothing is wrong with, each in one way, and requires that
// what Validate says begins with that place, and that nothing opens.
func Spoiled[O settings](t *testing.T, sound func() O, ways map[string]func(*O)) {
	t.Helper()
	require.NoError(t, sound().Validate())
	for place, spoil := range ways {
		o := sound()
		spoil(&o)
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(place), fmt.Sprint(o.Validate()), "the first words are the key's path")
		b, err := o.Open(t.Context())
		require.Error(t, err, place)
		require.True(t, b == nil, "no Backend that is there and is none")
	}
}
