package uas

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/icholy/digest"
	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/digest"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

const (
	realm     = "sip.example.org"
	rightWord = "correct horse battery"
)

// users makes options with the users 4001 and 4002, and a peer that may be anywhere.
func users(t testing.TB, o *Options) {
	t.Helper()
	o.Digest.Realm, o.Digest.UsersFile = realm, filepath.Join(t.TempDir(), "users")
	o.Peers = []Peer{{Name: "edge", Addresses: []string{"0.0.0.0/0", "::/0"}, Identity: "digest"}}
	for _, user := range []string{"4001", "4002"} {
		_, err := digest.Add(o.Digest, user, secret.Of(rightWord), false)
		require.NoError(t, err)
	}
}

func digestHouse(t testing.TB, set setting) *house {
	t.Helper()
	more := set.options
	set.options = func(o *Options) {
		users(t, o)
		if more != nil {
			more(o)
		}
	}
	return newHouse(t, set)
}

// answerTo makes an Authorization header line for the n-th challenge of a 401.
func answerTo(t testing.TB, m message, n int, method, uri, user, password string, count int) string {
	t.Helper()
	all := m.header["Www-Authenticate"]
	require.Greater(t, len(all), n, "%v", m.header)
	challenge, err := client.ParseChallenge(all[n])
	require.NoError(t, err)
	c, err := client.Digest(challenge, client.Options{Method: method, URI: uri, Username: user, Password: password, Count: count})
	require.NoError(t, err)
	return "Authorization: " + c.String() + "\r\n"
}

// asked sends an INVITE without credentials and returns the challenge.
func (p *phone) asked() message {
	p.t.Helper()
	p.send("INVITE", offerText, "application/sdp")
	return p.expect(401)
}

// proves sends an INVITE with credentials for a challenge.
func (p *phone) proves(m message, n int, user, password string) {
	p.t.Helper()
	p.extra = answerTo(p.t, m, n, "INVITE", p.ruri, user, password, 1)
	p.send("INVITE", offerText, "application/sdp")
}

func TestACallerProvesWhoItIs(t *testing.T) {
	h := digestHouse(t, setting{})
	for n, name := range []string{"SHA-256", "MD5"} {
		for _, p := range []*phone{h.udp(t), h.tcp(t)} {
			t.Run(name+" "+p.network, func(t *testing.T) {
				m := p.asked()
				require.Len(t, m.header["Www-Authenticate"], 2)
				require.Contains(t, m.header["Www-Authenticate"][n], "algorithm="+name)
				require.Zero(t, h.Calls())
				p.proves(m, n, "4002", rightWord) // From says 4001
				p.learn(p.expect(200))
				p.send("ACK", "", "")
				c := h.calls.next(t)
				require.Equal(t, call.Confirmed, c.hear(t).Kind)
				require.Equal(t, mailbox.OwnDoor, c.arrival.Door)
				require.Equal(t, "4002", c.arrival.Number)
				require.Equal(t, "4002", c.arrival.Caller)
				require.True(t, c.arrival.Proved)
				p.send("BYE", "", "") // nothing more is asked for
				p.expect(200)
				h.over(t)
			})
		}
	}
	require.Len(t, h.dialogs.openings, 4, "what is challenged is not remembered")
}

// A telephone that was sent to another host proves itself there, to whoever hands our
// challenge on: that is a call, but not its owner's wish to be given a first code.
func TestCredentialsForAnotherHostAreNoOwnersWord(t *testing.T) {
	h := digestHouse(t, setting{})
	for uri, meant := range map[string]bool{
		"": true, "sip:*97@" + realm: true, "sip:*97@SIP.example.org:5070": true,
		"sip:*97@elsewhere.example": false, "sip:*97@192.0.2.66": false,
	} {
		p := h.udp(t)
		m := p.asked()
		if uri == "" {
			uri = p.ruri
		}
		p.extra = answerTo(t, m, 0, "INVITE", uri, "4002", rightWord, 1)
		p.send("INVITE", offerText, "application/sdp")
		p.learn(p.expect(200))
		p.send("ACK", "", "")
		c := h.calls.next(t)
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		require.Equal(t, "4002", c.arrival.Number)
		require.Equal(t, meant, c.arrival.Proved, uri)
		p.send("BYE", "", "")
		p.expect(200)
		h.over(t)
	}
}

func TestWhatProvesNobody(t *testing.T) {
	h := digestHouse(t, setting{})
	edit := func(old, new string) func(string) string {
		return func(line string) string {
			require.Contains(t, line, old)
			return strings.Replace(line, old, new, 1)
		}
	}
	for _, row := range []struct {
		rule, user, password string
		alter                func(string) string
	}{
		{"a wrong password", "4001", "wrong", nil},
		{"an unknown user", "4999", rightWord, nil},
		{"a user with a colon", "4001:x", rightWord, nil},
		{"a user that is not ASCII", "4001\u00e9", rightWord, nil},
		{"no user", "", rightWord, nil},
		{"another algorithm than the hash's", "4001", rightWord, edit("algorithm=SHA-256", "algorithm=MD5")},
		{"an unknown algorithm", "4001", rightWord, edit("algorithm=SHA-256", "algorithm=SHA-512-256")},
		{"a session algorithm", "4001", rightWord, edit("algorithm=SHA-256", "algorithm=SHA-256-sess")},
		{"integrity that nobody offered", "4001", rightWord, edit("qop=auth", "qop=auth-int")},
		{"no qop", "4001", rightWord, edit("qop=auth, ", "")},
		{"no count", "4001", rightWord, edit("nc=00000001, ", "")},
		{"a count of seven digits", "4001", rightWord, edit("nc=00000001", "nc=0000001")},
		{"no cnonce", "4001", rightWord, edit("cnonce=", "xnonce=")},
		{"no nonce", "4001", rightWord, edit(" nonce=", " xnonce=")},
		{"no response", "4001", rightWord, edit("response=", "xresponse=")},
		{"a response cut short", "4001", rightWord, func(line string) string { return line[:len(line)-4] + "\"\r\n" }},
		{"another URI than was hashed", "4001", rightWord, edit(`uri="sip:*97`, `uri="sip:*98`)},
		{"a user parameter twice", "4001", rightWord, edit("realm=", `username="4002", realm=`)},
		{"the header twice", "4001", rightWord, func(line string) string { return line + line }},
		{"a huge header", "4001", rightWord, edit("realm=", `x="`+strings.Repeat("a", 3000)+`", realm=`)},
		{"a parameter without value", "4001", rightWord, edit("realm=", "opaque=, realm=")},
		{"an open quote", "4001", rightWord, func(line string) string { return line[:len(line)-3] + "\r\n" }},
	} {
		t.Run(row.rule, func(t *testing.T) {
			p := h.udp(t)
			m := p.asked()
			line := answerTo(t, m, 0, "INVITE", p.ruri, row.user, row.password, 1)
			if row.alter != nil {
				line = row.alter(line)
			}
			p.extra = line
			p.send("INVITE", offerText, "application/sdp")
			again := p.expect(401)
			require.Len(t, again.header["Www-Authenticate"], 2)
			require.NotContains(t, fmt.Sprint(again.header), "stale")
			require.Equal(t, shapeOf(m), shapeOf(again), "no answer tells what was wrong")
		})
	}
	require.Zero(t, h.Calls())
	require.NotContains(t, h.log.String(), "response=")
}

// shapeOf is all of an answer but what differs between two of the same request.
func shapeOf(m message) string {
	var b strings.Builder
	b.WriteString(m.start)
	for _, name := range []string{"Www-Authenticate", "Server", "Allow", "Contact", "Retry-After", "Content-Length", "Warning"} {
		for _, v := range m.header[name] {
			if before, rest, ok := strings.Cut(v, `nonce="`); ok {
				_, after, _ := strings.Cut(rest, `"`)
				v = before + after
			}
			b.WriteString("\n" + name + ": " + v)
		}
	}
	fmt.Fprintf(&b, "\n%d headers", len(m.header))
	return b.String()
}

func TestCredentialsAreForOneUse(t *testing.T) {
	h := digestHouse(t, setting{})
	p := h.udp(t)
	m := p.asked()
	line := answerTo(t, m, 0, "INVITE", p.ruri, "4001", rightWord, 7)
	call := func(from *phone, line string) message {
		from.callID, from.toTag, from.extra = "call-"+randomToken(), "", line
		from.send("INVITE", offerText, "application/sdp")
		return from.fresh()
	}
	require.Equal(t, 200, call(p, line).status())
	for range 2 {
		copied := call(h.udp(t), line)
		require.Equal(t, 401, copied.status())
		require.Contains(t, copied.header["Www-Authenticate"][0], "stale=true")
		require.NotContains(t, copied.header["Www-Authenticate"][0], strings.Split(line, `nonce="`)[1][:43])
	}
	lower := answerTo(t, m, 0, "INVITE", p.ruri, "4001", rightWord, 6)
	require.Equal(t, 401, call(p, lower).status())
	higher := answerTo(t, m, 0, "INVITE", p.ruri, "4001", rightWord, 8)
	require.Equal(t, 200, call(p, higher).status())
}

func TestARepeatedInviteIsNoCopy(t *testing.T) {
	h := digestHouse(t, setting{})
	p := h.udp(t)
	p.extra = answerTo(t, p.asked(), 0, "INVITE", p.ruri, "4001", rightWord, 1)
	text := p.build("INVITE", offerText, "application/sdp")
	p.write(text)
	p.learn(p.expect(200))
	p.write(text)
	p.send("ACK", "", "")
	require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)
	p.send("BYE", "", "")
	p.expect(200) // and no 401 before
}

// What comes from elsewhere with the names of a call has to be of its user.
func TestAStrangeRequestOfACallProvesItself(t *testing.T) {
	h := digestHouse(t, setting{})
	p := h.udp(t)
	p.proves(p.asked(), 0, "4001", rightWord)
	p.learn(p.expect(200))
	p.send("ACK", "", "")
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)

	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	conn, err := dialer.Dial("udp", h.at(0))
	require.NoError(t, err)
	defer conn.Close()
	q := p.moved(t, &phone{t: t, network: "udp", conn: conn, contact: "<sip:x@" + conn.LocalAddr().String() + ">"})
	q.cseq += 10
	q.send("BYE", "", "")
	m := q.expect(401)
	q.extra = answerTo(t, m, 0, "BYE", q.ruri, "4002", rightWord, 1)
	q.send("BYE", "", "")
	q.expect(403)
	q.send("ACK", "", "") // proves nothing, so the dialog stays where it is

	p.send("INFO", "Signal=5\r\n", "application/dtmf-relay") // its CSeq was not used up
	p.expect(200)
	require.Equal(t, call.InfoKey, c.hear(t).Kind)
	require.True(t, h.dialogs.inUse(p.conn.LocalAddr().String()))
	require.False(t, h.dialogs.inUse(conn.LocalAddr().String()))

	q.cseq = p.cseq
	q.send("BYE", "", "")
	q.extra = answerTo(t, q.expect(401), 0, "BYE", q.ruri, "4001", rightWord, 1)
	q.send("BYE", "", "")
	q.expect(200)
	h.over(t)
}

func TestUsersAreReadAnewWhenTheirFileChanges(t *testing.T) {
	var o Options
	h := digestHouse(t, setting{options: func(set *Options) { o = *set }})
	call := func(user string) int {
		p := h.udp(t)
		p.send("OPTIONS", "", "")
		p.extra = answerTo(t, p.expect(401), 0, "OPTIONS", p.ruri, user, rightWord, 1)
		p.send("OPTIONS", "", "")
		return p.fresh().status()
	}
	require.Equal(t, 401, call("4003"))
	_, err := digest.Add(o.Digest, "4003", secret.Of(rightWord), false)
	require.NoError(t, err)
	require.NoError(t, digest.Remove(o.Digest, "4002"))
	told := func(words string) {
		for until := time.Now().Add(patience); !strings.Contains(h.log.String(), words); time.Sleep(20 * time.Millisecond) {
			require.True(t, time.Now().Before(until), "nobody told: %s", words)
			require.Equal(t, 200, call("4001"))
		}
	}
	told("the changed file of the SIP users is in use")
	require.Equal(t, 200, call("4003"))
	require.Equal(t, 401, call("4002"))

	require.NoError(t, os.Chmod(o.Digest.UsersFile, 0o644))
	told("Run chmod 600") // and the users of before stay
	require.ErrorContains(t, h.Exchange(o, plan{defaultRoutes}, h.calls), "Run chmod 600", "a reload tells it")
}

// A reload may begin to ask for proofs, and nonces outlive one.
func TestProofsAreAskedForFromAReloadOn(t *testing.T) {
	h := newHouse(t, setting{})
	o := testOptions()
	users(t, &o)
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	p := h.udp(t)
	m := p.asked()
	o.Digest.Algorithms = []string{"SHA-256"}
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	p.proves(m, 0, "4001", rightWord)
	p.expect(200)
	p.callID = "call-" + randomToken()
	require.Len(t, p.asked().header["Www-Authenticate"], 1)
	o.Digest.UsersFile = filepath.Dir(o.Digest.UsersFile)
	require.ErrorContains(t, h.Exchange(o, plan{defaultRoutes}, h.calls), "This is no file", "nothing is exchanged")
	p.callID = "call-" + randomToken()
	require.Len(t, p.asked().header["Www-Authenticate"], 1)
}
