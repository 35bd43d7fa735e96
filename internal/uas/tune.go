package uas

import (
	"context"
	"log/slog"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sipgo keeps these as variables of its package, so they hold for the whole
// process and must be set before its first goroutine reads them: here, and
// nowhere else. Options.T1 and T2 govern what the dialog layer sends itself; the
// timers of sipgo's transactions stay at the values of RFC 3261 table 4, but for
// the two that only say how long an ended transaction is kept.
func init() {
	// An answer over 1300 bytes would otherwise not be sent at all. 65507 is the
	// largest UDP payload; sipgo subtracts 200.
	sip.UDPMTUSize = 65507 + 200
	// The dialog layer ends the transaction of an accepted INVITE and absorbs what
	// is repeated later itself (RFC 6026 section 7.1); the timer, which sipgo does
	// not stop then, would hold the request for 32 s.
	sip.Timer_L = time.Second
	// A non-INVITE transaction is repeated at 0.5, 1.5, 3.5 and 7.5 s; one that is
	// still repeated later is refused by its CSeq or by 481, not run again.
	sip.Timer_J = 10 * time.Second
	// Its default logger would print whole messages that it cannot parse, and a
	// SIP INFO body is a digit of a code.
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
}

// quietLogger passes on what sipgo complains about as its fixed sentences only:
// every attribute is dropped, since those quote message text.
func quietLogger(log *slog.Logger) *slog.Logger {
	return slog.New(quiet{log.Handler()})
}

type quiet struct{ next slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.next.Enabled(ctx, slog.LevelDebug)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	return q.next.Handle(ctx, slog.NewRecord(r.Time, slog.LevelDebug, "sipgo: "+r.Message, 0))
}

func (q quiet) WithAttrs([]slog.Attr) slog.Handler { return q }
func (q quiet) WithGroup(string) slog.Handler      { return q }
