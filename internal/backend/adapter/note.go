package adapter

import (
	"context"
	"log/slog"
	"time"
)

// Note tells a log, which may be nil, of an exchange with a server that speaks no HTTP, at
// debug: what it was for, how large the answer was and how it ended. The error's words
// must hold no code, as those of every adapter.
func Note(log *slog.Logger, host, op string, size int, began time.Time, err error) {
	if log == nil || !log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("host", host), slog.String("op", op), slog.Int("size", size), slog.Duration("took", time.Since(began)),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	log.LogAttrs(context.Background(), slog.LevelDebug, "backend asked", attrs...)
}
