package notify

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/httpapi"
	"star97/internal/secret"
)

// again runs one test of this program as a process of its own.
func again(t *testing.T, test string, env ...string) error {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), env...)
	return cmd.Run()
}

// killedAfterDelivery is that process: it delivers what is due and is killed before it
// can mark it.
func killedAfterDelivery(t *testing.T, file string) {
	o := DefaultOptions()
	o.Webhook.API.URL, o.Webhook.API.TLS.CAFile = os.Getenv("STAR97_NOTIFY_URL")+"/star97/notices", os.Getenv("STAR97_NOTIFY_CA")
	o.Webhook.API.Timeout = 30 * time.Second // a busy machine is no trouble
	o.Webhook.Keys = httpapi.Keys{{ID: "k1", Secret: secret.Source{File: os.Getenv("STAR97_NOTIFY_KEY")}}}
	r := rigOn(t, database(t, file), o)
	tell := r.channels[0].tell
	r.channels[0].tell = func(ctx context.Context, c *claimed) error {
		require.NoError(t, tell(ctx, c))
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	r.Run(t.Context())
}
