package media_test

import (
	"testing"

	"star97/internal/media"
)

func TestReactorLoopback(t *testing.T) { testLoopback(t, media.EngineReactor) }

// Under keys its sockets and senders carry more than the payload, and the filter sees
// less of it.
func TestReactorProtected(t *testing.T) {
	t.Parallel()
	w := loopback(media.EngineReactor)
	w.protected = true
	w.pass(t, func(name string) bool {
		switch name {
		case "every packet time", "Say at once", "hold and resume", "keys", "keys in redundancy", "tones", "sender report",
			"round trip and loss", "the kernel filter", "loss behind the filter", "close", "engine close", "everything at once":
			return true
		}
		return false
	})
}
