package uas

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
)

// handed is a request that came to the server by UDP from p, and its transaction.
func (h *house) handed(t testing.TB, p *phone, text string) (*sip.Request, *sip.ServerTx) {
	t.Helper()
	parsed, err := sip.NewParser().ParseSIP([]byte(text))
	require.NoError(t, err)
	req := parsed.(*sip.Request)
	req.SetTransport("UDP")
	req.SetSource(p.conn.LocalAddr().String())
	h.stamp(req)
	key, err := sip.ServerTxKeyMake(req)
	require.NoError(t, err)
	tx := sip.NewServerTx(key, req, h.transport.Pool("udp").Get(h.at(0)), slog.New(slog.DiscardHandler))
	require.NoError(t, tx.Init())
	t.Cleanup(tx.Terminate)
	return req, tx
}

// Whoever refuses an INFO, its key is in no memory afterwards.
func TestTheKeyOfAnINFOIsWiped(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	begun(t, h, p)
	for rule, row := range map[string]struct {
		body, kind, extra string
		status            int
	}{
		"taken":             {"5", "application/dtmf", "", 200},
		"optional":          {"5", "text/x", "Content-Disposition: x;handling=optional\r\n", 200},
		"no key":            {"five", "application/dtmf", "", 400},
		"of another type":   {"5", "text/plain", "", 415},
		"encoded":           {"5", "application/dtmf", "Content-Encoding: gzip\r\n", 415},
		"needs extensions":  {"5", "application/dtmf", "Require: x\r\n", 420},
		"of no call":        {"5", "application/dtmf", "", 481},
		"its CSeq was over": {"5", "application/dtmf", "", 500},
	} {
		t.Run(rule, func(t *testing.T) {
			p.extra = row.extra
			text := p.build("INFO", row.body, row.kind)
			if row.status == 500 {
				text = strings.Replace(text, "CSeq: "+strconv.Itoa(p.cseq), "CSeq: 1", 1)
				p.cseq--
			}
			if row.status == 481 {
				text = strings.Replace(text, p.callID+"\r\n", "other\r\n", 1)
				p.cseq--
			}
			req, tx := h.handed(t, p, text)
			require.NotEmpty(t, req.Body())
			h.serve(req, tx)
			require.Equal(t, row.status, p.next().status())
			require.Equal(t, make([]byte, len(req.Body())), req.Body())
		})
	}
}

func TestKeysBeforeTheACKLeaveNothingBehind(t *testing.T) {
	for how, end := range map[string]func(*dialog){"the ACK": (*dialog).confirm, "none": (*dialog).finish} {
		t.Run(how, func(t *testing.T) {
			h := newHouse(t, setting{})
			p := h.udp(t)
			d := h.opened(t, p)
			seven, _ := dtmf.DigitOf('7')
			for range 3 {
				d.key(dtmf.Report{Kind: dtmf.Down, Digit: seven})
			}
			early := d.early[:cap(d.early)]
			require.Len(t, early, keysMax+1, "it never grows")
			require.Equal(t, seven, early[2].Digit)
			end(d)
			require.Equal(t, make([]dtmf.Report, keysMax+1), early)
		})
	}
}

// made is the dialog of an INVITE, which nobody knows yet.
func (h *house) made(t testing.TB, req *sip.Request, tx *sip.ServerTx) *dialog {
	t.Helper()
	d, refused := h.newDialog(req, tx, h.terms.Load().peers.all[0])
	require.Nil(t, refused)
	return d
}

// opened is the dialog of an INVITE from p; nothing runs of it.
func (h *house) opened(t testing.TB, p *phone) *dialog {
	t.Helper()
	req, tx := h.handed(t, p, p.build("INVITE", offerText, "application/sdp"))
	d := h.made(t, req, tx)
	require.Nil(t, h.dialogs.add(d, false, h.opts.Limits))
	require.True(t, d.peer.enter())
	t.Cleanup(func() {
		d.session.Close()
		select {
		case <-d.over:
		default:
			d.finish()
		}
		h.dialogs.work.Done() // of converse
	})
	return d
}
