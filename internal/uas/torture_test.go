package uas

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
)

// torture are the messages of RFC 4475 and the answer that a user agent server
// owes that serves INVITE but neither REGISTER nor MESSAGE. 0: none, for a response.
var torture = map[string]int{
	// 3.1.1, valid
	"wsinv": 481, "intmeth": 405, "esc01": 200, "escnull": 405, "esc02": 405, "lwsdisp": 200,
	"longreq": 200, "dblreq": 405, "semiuri": 200, "transports": 200, "mpart01": 405,
	"unreason": 0, "noreason": 0,
	// 3.1.2, invalid
	"badinv01": 400, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": 0, "quotbal": 400,
	"ltgtruri": 400, "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 200, "baddate": 200,
	"regbadct": 405, "badaspec": 400, "baddn": 400, "badvers": 505, "mismatch01": 400,
	"mismatch02": 400, "bigcode": 0,
	// 3.2 to 3.4, transactions and applications
	"badbranch": 200, "insuf": 400, "unkscm": 416, "novelsc": 416, "unksm2": 405, "bext01": 420,
	"invut": 415, "regaut01": 405, "multi01": 400, "mcl01": 400, "bcast": 0, "zeromf": 200,
	"cparam01": 405, "cparam02": 405, "regescrt": 405, "sdp01": 200,
	"inv2543": 400, // may be refused: our INVITE needs a From tag
}

// tortureFiles are the messages as sipgo keeps them for its own tests.
func tortureFiles(t *testing.T) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip", "testdata", "torture", "*", "*.dat"))
	require.NoError(t, err)
	files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "test.dat" }) // not from the RFC
	require.Len(t, files, len(torture))
	return files
}

func TestRFC4475(t *testing.T) {
	files := tortureFiles(t)
	line := regexp.MustCompile(`^SIP/2\.0 (\d{3}) `)
	for i, file := range files {
		name := filepath.Base(file[:len(file)-len(".dat")])
		t.Run(name, func(t *testing.T) {
			want, known := torture[name]
			require.True(t, known)
			h := newHouse(t, setting{plan: plan{func(string) (dialplan.Route, bool) { return defaultRoutes("5000") }}})
			msg, err := os.ReadFile(file)
			require.NoError(t, err)
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 97, byte(i + 1)}), 0)
			if raw, isRequest := scanRequest(msg); isRequest {
				at = raw.replyPort(at) // the answer goes to the port in Via
			}
			conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(at), net.UDPAddrFromAddrPort(h.Addrs()[0].Addr))
			if errors.Is(err, os.ErrPermission) || errors.Is(err, net.UnknownNetworkError("udp4")) {
				t.Skip("this system has no such loopback address: ", err)
			}
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write(msg)
			require.NoError(t, err)
			wait := patience
			if want == 0 {
				wait = 100 * time.Millisecond
			}
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(wait)))
			var answer [65535]byte
			got := 0
			for got == 0 || got == 100 {
				n, err := conn.Read(answer[:])
				if err != nil {
					break
				}
				found := line.FindSubmatch(answer[:n])
				require.NotNil(t, found)
				got, _ = strconv.Atoi(string(found[1]))
			}
			require.Equal(t, want, got)
		})
	}
}
