package uas

import (
	"encoding/hex"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each kind of answer finds its way through a NAT (RFC 3261 section 18.2, RFC 3581 section
// 4): back to the host that the request came from, to the port that it came from where rport
// asks for it; and it tells the far end both where Via told less.
func TestEveryAnswerFindsItsWayBack(t *testing.T) {
	for rule, row := range map[string]struct {
		via      string // ADDRESS and PORT are the phone's own
		received bool
		rport    bool
	}{
		"nothing between":                    {"ADDRESS", false, false},
		"rport without a value":              {"ADDRESS;rport", true, true},
		"a name":                             {"pbx.example.org:PORT", true, false},
		"a name, and rport":                  {"pbx.example.org;rport", true, true},
		"a private address, and rport":       {"10.1.2.3:5062;rport", true, true},
		"a private address":                  {"10.1.2.3:PORT", true, false},
		"received and rport that are lies":   {"10.1.2.3;received=192.0.2.1;rport", true, true},
		"rport in capitals":                  {"10.1.2.3:5062;Rport", true, true},
		"received in capitals that is a lie": {"10.1.2.3:PORT;Received=192.0.2.1", true, false},
		"received that is a lie, no rport":   {"ADDRESS;received=192.0.2.1", true, false},
		"rport in front of other parameter":  {"10.1.2.3;rport;alias", true, true},
	} {
		t.Run(rule, func(t *testing.T) {
			bothNetworks(t, func(t *testing.T, h *house, p *phone) {
				at := p.conn.LocalAddr().String()
				host, port, _ := net.SplitHostPort(at)
				p.via = "SIP/2.0/" + strings.ToUpper(p.network) + " " + strings.NewReplacer("ADDRESS", at, "PORT", port).Replace(row.via)
				check := func(m message) {
					t.Helper()
					via := m.get("Via")
					require.NotContains(t, via, "192.0.2.1", "%s", m.start)
					if row.received {
						require.Equal(t, 1, strings.Count(via, "received="+host), "%s: %s", m.start, via)
					}
					require.Equal(t, row.rport, strings.Contains(strings.ToLower(via), "rport="+port), "%s: %s", m.start, via)
				}
				answers := func(status int, method, extra string) {
					t.Helper()
					p.extra = extra
					kind, body := "", ""
					if method == "INVITE" {
						kind, body = "application/sdp", offerText
					}
					p.send(method, body, kind)
					check(p.expect(status))
				}
				answers(200, "OPTIONS", "")
				answers(420, "OPTIONS", "Require: x\r\n")
				answers(405, "REGISTER", "")
				answers(481, "BYE", "")
				answers(400, "FOO BAR", "") // without state
				p.ruri = strings.Replace(p.ruri, "*97", "404", 1)
				answers(404, "INVITE", "")
				p.ruri = strings.Replace(p.ruri, "404", "*97", 1)
				p.callID += "-2"
				p.cseq = 0
				ringing := rings(p, offerText)
				check(ringing)
				check(p.next()) // repeated
				pracks(p, ringing, "")
				check(expectOf(p, "PRACK", 200))
				check(expectOf(p, "1 INVITE", 200))
				check(p.next()) // repeated by the dialog
				p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
				answers2 := func(method string) {
					t.Helper()
					p.send(method, "", "")
					check(expectOf(p, method, 200))
				}
				answers2("UPDATE")
				answers2("BYE")
			})
		})
	}
}

func TestSTUNIsCountedAndNotAnswered(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = append(o.Peers, Peer{Name: "other", Addresses: []string{"192.0.2.1"}})
	}})
	p := h.udp(t)
	for _, text := range []string{
		"000100002112a442000102030405060708090a0b",                 // a binding request
		"001100002112a442000102030405060708090a0b",                 // an indication
		"000100082112a442000102030405060708090a0b8028000411223344", // with a fingerprint
	} {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		require.True(t, isSTUN(b))
		p.write(string(b))
	}
	for rule, text := range map[string]string{
		"short": "000100002112a442", "another cookie": "000100002112a443000102030405060708090a0b", "RTP": "800100002112a442000102030405060708090a0b",
	} {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		require.False(t, isSTUN(b), rule)
	}
	p.send("OPTIONS", "", "")
	require.Equal(t, 200, p.next().status(), "the first answer")
	h.reads(t, `star97_refusals_total{reason="stun"}`, "3")
}
