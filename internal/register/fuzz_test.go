package register

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

const answerHead = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport=%[1]s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n"

// Whatever a registrar answers, what is taken from it is in bounds, and only our own
// Contact, or one of our user, is believed.
func FuzzWhatARegistrarAnswers(f *testing.F) {
	for _, seed := range []string{
		"Contact: <sip:4970@10.0.0.5>;expires=100\r\n", "Contact: <sip:4970@10.0.0.5:5060>, \"x\" <sip:other@h;x=y>;expires=5\r\nExpires: 9\r\n",
		"Contact: *\r\n", "Min-Expires: 99999999999999\r\nRetry-After: 5 (x);duration=3\r\n", "m: <sip:%34970@h>;expires=\"1\"\r\n",
		"WWW-Authenticate: Digest realm=\"a\\\"b\", nonce=\"\", qop=\"auth, auth-int\", algorithm=SHA-256\r\n",
		"WWW-Authenticate: Digest realm=r,nonce=n,stale=true,qop=\" auth\"\r\nWWW-Authenticate: Basic realm=x\r\n",
		"Via: SIP/2.0/UDP h;received=;rport=0\r\nContact: sip:4970@x;expires=3;expires=4\r\n",
	} {
		f.Add(seed)
	}
	own := sip.Uri{Scheme: "sip", User: "4970", Host: "10.0.0.5", Port: 5060}
	f.Fuzz(func(t *testing.T, lines string) {
		msg, err := sip.ParseMessage([]byte(answerHead + lines + "Content-Length: 0\r\n\r\n"))
		res, is := msg.(*sip.Response)
		if err != nil || !is {
			return
		}
		d, stands := granted(res, own, 600*time.Second)
		if stands && d == 0 || d < 0 || d > longest || d%time.Second != 0 {
			t.Errorf("granted %v, %v", d, stands)
		}
		if stands && len(res.GetHeaders("Contact")) > 0 && !strings.Contains(lines, "4970") && !strings.Contains(lines, "%") {
			t.Error("a Contact of another was believed")
		}
		if at, ok := outer(res); ok && (!at.IsValid() || at.Port() == 0) {
			t.Errorf("outer %v", at)
		}
		if after, ok := headerSeconds(res, "Retry-After"); ok && (after < 0 || after > longest) {
			t.Errorf("retry after %v", after)
		}
		if f := statusFailure(res); f.Error() == "" || strings.ContainsAny(f.Error(), "\r\n") {
			t.Errorf("%q", f.Error())
		}
		res.StatusCode = 401
		c, err := challengeOf(res)
		if err != nil {
			return
		}
		req := sip.NewRequest(sip.REGISTER, own)
		if err := c.answer(req, "4970", "right-word"); err != nil {
			return
		}
		value := req.GetHeader("Authorization").Value()
		proof, err := digest.ParseCredentials(value)
		if err != nil || proof.Nonce != c.Nonce || proof.Realm != c.Realm || proof.URI != own.String() || strings.Contains(value, "right-word") && !strings.Contains(lines, "right-word") {
			t.Errorf("%v: %q for %q", err, value, lines)
		}
	})
}

// What is taken for a registrar can be written into a Request-URI and read again.
func FuzzTheNextHop(f *testing.F) {
	for _, seed := range []string{"example.org", "sip:a.b:5060;transport=tcp", "[::1]:5061", "sips:x;lr", "sip:@x", "SIP:h;transport", "1.2.3.4:99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHop(text, "")
		if err != nil {
			return
		}
		uri := h.uri()
		again, err := parseHop(uri.String(), h.network)
		if err != nil || again != h {
			t.Errorf("%q is %+v, and %q is %+v, %v", text, h, uri.String(), again, err)
		}
	})
}
