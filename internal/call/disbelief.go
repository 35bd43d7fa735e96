package call

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"star97/internal/media"
)

// disbeliefEvery is the least time between two warnings of RTP that is not believed:
// a telephone system that is set up so sends every call like that.
const disbeliefEvery = 10 * time.Second

// disbelieved tells an administrator why a caller is not heard. Between two warnings
// the other calls are told at debug level.
func (r *run) disbelieved(d media.Disbelief) {
	level, now, last := slog.LevelDebug, time.Now().UnixNano(), r.doubted.Load()
	if time.Duration(now-last).Abs() >= disbeliefEvery && r.doubted.CompareAndSwap(last, now) {
		level = slog.LevelWarn
	}
	r.deps.Log.Log(context.Background(), level, fmt.Sprintf(
		"RTP from %s is not believed: SDP names %s; set rtp_source: any at peer %q if that is right", d.From, d.Signalled, r.arrival.Peer),
		"call", r.arrival.CallID)
}
