package callertest_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/codec"
	"star97/internal/prompt"
	"star97/internal/script"
	"star97/prompts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var audioPort = regexp.MustCompile(`m=audio (\d+)`)

// farEnd answers one call, says goodbye, and hangs up if told to. Others are refused.
func farEnd(t *testing.T, hangUp bool) string {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	uri := "sip:*97@" + conn.LocalAddr().String()
	goodbye := theGoodbye(t) // which takes a while
	go func() {
		defer close(done)
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			req, ok := parse(buf[:n]).(*sip.Request)
			if !ok || req.Method == sip.ACK {
				continue
			}
			answer := sip.NewResponseFromRequest(req, 200, "OK", nil)
			answer.To().Params.Add("tag", "far")
			if req.Method == sip.INVITE {
				answer.AppendHeader(sip.NewHeader("Contact", "<"+uri+">"))
				answer.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
				answer.SetBody([]byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"))
			}
			_, _ = conn.WriteToUDPAddrPort([]byte(answer.String()), from)
			if req.Method == sip.INVITE {
				sayGoodbye(t, conn, string(req.Body()), goodbye)
				if hangUp {
					_, _ = conn.WriteToUDPAddrPort([]byte(bye(req, uri)), from)
				}
			}
		}
	}()
	return uri
}

func parse(raw []byte) sip.Message {
	msg, err := sip.ParseMessage(append([]byte(nil), raw...))
	if err != nil {
		return nil
	}
	return msg
}

func bye(invite *sip.Request, uri string) string {
	return fmt.Sprintf("BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbye\r\nMax-Forwards: 70\r\nFrom: %s;tag=far\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
		invite.Contact().Address.String(), strings.TrimPrefix(uri, "sip:*97@"), invite.To().Value(), invite.From().Value(), invite.CallID().Value())
}

func theGoodbye(t *testing.T) []byte {
	catalogue, _ := prompt.Load(prompts.FS)
	audio, ok := catalogue.Audio("en-US", prompt.Goodbye, prompt.Words{})
	require.True(t, ok)
	return slices.Concat(audio.Payload(codec.PCMU), bytes.Repeat([]byte{0xFF}, 40*160))
}

// sayGoodbye plays the sentence faster than it was spoken.
func sayGoodbye(t *testing.T, conn *net.UDPConn, offer string, payload []byte) {
	to := netip.MustParseAddrPort("127.0.0.1:" + audioPort.FindStringSubmatch(offer)[1])
	for i := 0; i+160 <= len(payload); i += 160 {
		raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i / 160), Timestamp: uint32(i)}, Payload: payload[i : i+160]}).Marshal()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.WriteToUDPAddrPort(raw, to)
		time.Sleep(time.Millisecond)
	}
}

func TestPhoneHearsPressesAndHangsUp(t *testing.T) {
	p := callertest.Dial(t, caller.Options{URI: farEnd(t, false)})
	p.Hear(prompt.Goodbye)
	p.HearNot(prompt.Welcome)
	p.Press("12")
	p.Run(script.Line{Verb: "press", Args: []string{"3456#"}})
	p.Hangup()
	require.Contains(t, p.Timeline(), "heard goodbye (complete)")
	require.Contains(t, p.Timeline(), "pressed 5 keys")
	require.NotContains(t, p.Timeline(), "3456", "more digits than a time has in a row")
}

func TestPhoneWaitsForTheFarEndsBye(t *testing.T) {
	p := callertest.Dial(t, caller.Options{URI: farEnd(t, true), Ear: callertest.Ear(t, "en-US")})
	p.Hear(prompt.Goodbye)
	p.Ended()
}

func TestCallThatIsRefused(t *testing.T) {
	// The port of a socket that speaks with somebody else: nobody listens there.
	busy, err := net.Dial("udp", "127.0.0.1:9")
	require.NoError(t, err)
	defer busy.Close()
	_, err = callertest.TryDial(t, caller.Options{URI: "sip:*97@" + busy.LocalAddr().String()})
	require.ErrorIs(t, err, caller.ErrUnreachable)
}
