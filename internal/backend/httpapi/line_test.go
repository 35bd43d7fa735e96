package httpapi

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
)

func TestALineProvesItsServer(t *testing.T) {
	t.Parallel()
	good := trouble.NewCert(t, trouble.Good)
	oldest := trouble.NewCert(t, trouble.Good)
	oldest.TLS.MinVersion, oldest.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for name, c := range map[string]struct {
		cert *trouble.Cert
		tls  TLS
		says string // empty: it opens
	}{
		"by its authority":              {good, TLS{CAFile: good.CAFile}, ""},
		"by its sum":                    {good, TLS{Fingerprint: good.Fingerprint}, ""},
		"by another sum":                {good, TLS{Fingerprint: oldest.Fingerprint}, "is not the one of tls.fingerprint"},
		"by nobody":                     {good, TLS{}, "signed by no authority trusted here"},
		"by another name":               {good, TLS{CAFile: good.CAFile, ServerName: "elsewhere.example"}, "is not for this name"},
		"with old TLS":                  {oldest, TLS{CAFile: oldest.CAFile}, "needs tls.legacy"},
		"with old TLS that is let pass": {oldest, TLS{CAFile: oldest.CAFile, Legacy: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := trouble.Listen(t, c.cert, func(_ context.Context, conn net.Conn) {
				_ = conn.(*tls.Conn).Handshake() // a client that is not content ends it
			})
			dial, err := c.tls.Line(s.Addr)
			require.NoError(t, err)
			conn, err := dial(t.Context())
			if c.says == "" {
				require.NoError(t, err)
				require.NoError(t, conn.Close())
				return
			}
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, s.Addr)
		})
	}
	_, err := TLS{}.Line("nowhere")
	require.ErrorContains(t, err, "write host:port")
	_, err = TLS{CAFile: "/nowhere/ca.pem"}.Line("127.0.0.1:1")
	require.ErrorContains(t, err, "tls.ca_file: there is no file")
}
