package console

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page of the Web whose name its owner leads to this address may not read ours.
func TestOnlyHostsOfThisMachineAreAnswered(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		c, err := Open(Options{Listen: listen, Hosts: []string{"Star97.Example.org", "192.0.2.7"}}, deps(well))
		require.NoError(t, err)
		status := func(request string) int {
			conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", port(c)))
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, request)
			require.NoError(t, err)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			return res.StatusCode
		}
		for host, want := range map[string]int{
			"localhost": 200, "LocalHost.:9797": 200, "127.0.0.1": 200, "127.0.0.1:1": 200, "127.9.9.9:9797": 200, "[::1]:9797": 200, "[::ffff:127.0.0.1]": 200,
			"star97.example.org": 200, "STAR97.example.org.:80": 200, "192.0.2.7:9797": 200,
			"evil.example": 421, "evil.example:9797": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "x.localhost": 421,
			"192.0.2.8": 421, "0.0.0.0": 421, "[::]": 421, "star97.example.org.evil.example": 421,
		} {
			for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
				require.Equal(t, want, status("GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"), "%s %s", host, path)
			}
			require.Equal(t, want, status("GET http://"+host+"/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), "the target counts, not the header: %s", host)
		}
		require.Equal(t, 200, status("GET /healthz HTTP/1.0\r\n\r\n"), "a load balancer without a name for us")
		require.Equal(t, 421, status("GET /nowhere HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))
		require.NoError(t, c.Close())
	}
	for _, h := range []string{"", ".", "a b", "http://x", "*.x", "a@b"} {
		require.ErrorContains(t, Options{Listen: "127.0.0.1:1", Hosts: []string{"x", h}}.Validate(), "hosts[1] is", h)
	}
}

func port(c *Console) string {
	_, port, _ := net.SplitHostPort(c.Addr().String())
	return port
}
