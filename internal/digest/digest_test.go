package digest

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/icholy/digest"
	"github.com/stretchr/testify/require"

	"star97/internal/secret"
)

var (
	start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("2001:db8::1")
)

const rightWord = "correct horse battery"

func testOptions(t testing.TB) Options {
	o := DefaultOptions()
	o.Realm, o.UsersFile = "sip.example.org", filepath.Join(t.TempDir(), "users")
	return o
}

// newAuthority has the users 4001 and 4002.
func newAuthority(t testing.TB, set func(*Options)) *Authority {
	t.Helper()
	o := testOptions(t)
	if set != nil {
		set(&o)
	}
	require.NoError(t, o.Validate())
	for _, user := range []string{"4001", "4002"} {
		_, err := Add(o, user, secret.Of(rightWord), false)
		require.NoError(t, err)
	}
	a, err := NewAuthority(o, NewNonces(start), start)
	require.NoError(t, err)
	return a
}

// answer is what another implementation makes of the n-th challenge.
func answer(t testing.TB, a *Authority, n int, user, password string, count int, now time.Time) *Credentials {
	t.Helper()
	challenge, err := client.ParseChallenge(a.Challenges(here, false, now)[n])
	require.NoError(t, err)
	made, err := client.Digest(challenge, client.Options{Method: "INVITE", URI: "sip:*97@sip.example.org", Username: user, Password: password, Count: count})
	require.NoError(t, err)
	c, err := Parse(made.String())
	require.NoError(t, err)
	return &c
}

func TestResponsesAreThoseOfTheRFCs(t *testing.T) {
	for _, row := range []struct {
		where, password, response string
		by                        Algorithm
		c                         Credentials
		method                    string
	}{
		{"RFC 2617 section 3.5", "Circle Of Life", "6629fae49393a05397450978507c4ef1", MD5, Credentials{
			Username: "Mufasa", Realm: "testrealm@host.com", Nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
			URI: "/dir/index.html", NC: "00000001", CNonce: "0a4f113b"}, "GET"},
		{"RFC 7616 section 3.9.1, MD5", "Circle of Life", "8ca523f5e9506fed4657c9700eebdbec", MD5, Credentials{
			Username: "Mufasa", Realm: "http-auth@example.org", Nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			URI: "/dir/index.html", NC: "00000001", CNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"}, "GET"},
		{"RFC 7616 section 3.9.1, SHA-256", "Circle of Life", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", SHA256, Credentials{
			Username: "Mufasa", Realm: "http-auth@example.org", Nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			URI: "/dir/index.html", NC: "00000001", CNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"}, "GET"},
	} {
		ha1 := row.by.HA1(row.c.Username, row.c.Realm, secret.Of(row.password))
		require.Equal(t, row.response, string(row.by.response(ha1, &row.c, row.method)), row.where)
	}
}

// RFC 8760 section 2.2 and RFC 3261 section 22.4: a header per algorithm, the best first,
// and always qop.
func TestChallengesAreAsTheRFCsWantThem(t *testing.T) {
	a := newAuthority(t, nil)
	all := a.Challenges(here, false, start)
	require.Len(t, all, 2)
	require.Regexp(t, `^Digest realm="sip\.example\.org", nonce="[\w-]{43}", algorithm=SHA-256, qop="auth"$`, all[0])
	require.Regexp(t, `^Digest realm="sip\.example\.org", nonce="[\w-]{43}", algorithm=MD5, qop="auth"$`, all[1])
	require.NotEqual(t, all, a.Challenges(here, false, start), "no nonce is given twice")
	require.Regexp(t, `, stale=true, algorithm=SHA-256, `, a.Challenges(here, true, start)[0])

	a = newAuthority(t, func(o *Options) { o.Algorithms = []string{"SHA-256"} })
	require.Len(t, a.Challenges(here, false, start), 1)
	require.Equal(t, Right, a.Check(answer(t, a, 0, "4001", rightWord, 1, start), "INVITE", true, start))
	c := answer(t, a, 0, "4001", rightWord, 1, start)
	c.Algorithm = "MD5"
	c.Response = string(MD5.response(MD5.HA1("4001", "sip.example.org", secret.Of(rightWord)), c, "INVITE"))
	require.Equal(t, Wrong, a.Check(c, "INVITE", true, start), "MD5 is not offered any more")
}

func TestVerdicts(t *testing.T) {
	a := newAuthority(t, nil)
	const minute = time.Minute
	for _, row := range []struct {
		rule, user, password string
		count                int
		alter                func(*Credentials)
		method               string
		other                bool // the URI is not the request's
		after                time.Duration
		verdict              Verdict
	}{
		{"right", "4001", rightWord, 1, nil, "INVITE", false, 0, Right},
		{"right, at the end of the nonce's life", "4001", rightWord, 1, nil, "INVITE", false, minute, Right},
		{"right, from a high count on", "4001", rightWord, 0x7ffffff0, nil, "INVITE", false, 0, Right},
		{"right, in capitals", "4001", rightWord, 1, func(c *Credentials) { c.Response, c.Algorithm = strings.ToUpper(c.Response), "sha-256" }, "INVITE", false, 0, Right},
		{"the nonce is over", "4001", rightWord, 1, nil, "INVITE", false, minute + 1, Stale},
		{"the nonce is over and the password wrong", "4001", "wrong", 1, nil, "INVITE", false, minute + 1, Wrong},
		{"the nonce is over and the user unknown", "4999", rightWord, 1, nil, "INVITE", false, minute + 1, Wrong},
		{"a count of zero", "4001", rightWord, 1, func(c *Credentials) {
			c.NC = "00000000"
			c.Response = string(SHA256.response(SHA256.HA1("4001", "sip.example.org", secret.Of(rightWord)), c, "INVITE"))
		}, "INVITE", false, 0, Stale},
		{"another nonce than was given", "4001", rightWord, 1, func(c *Credentials) {
			c.Nonce = "B" + c.Nonce[1:]
			c.Response = string(SHA256.response(SHA256.HA1("4001", "sip.example.org", secret.Of(rightWord)), c, "INVITE"))
		}, "INVITE", false, 0, Stale},
		{"a wrong password", "4001", "wrong", 1, nil, "INVITE", false, 0, Wrong},
		{"an unknown user", "4999", rightWord, 1, nil, "INVITE", false, 0, Wrong},
		{"another user's name", "4001", rightWord, 1, func(c *Credentials) { c.Username = "4002" }, "INVITE", false, 0, Wrong},
		{"another realm", "4001", rightWord, 1, func(c *Credentials) { c.Realm = "other" }, "INVITE", false, 0, Wrong},
		{"another method", "4001", rightWord, 1, nil, "OPTIONS", false, 0, Wrong},
		{"another URI", "4001", rightWord, 1, func(c *Credentials) { c.URI = "sip:*98@sip.example.org" }, "INVITE", false, 0, Wrong},
		{"not the request's URI", "4001", rightWord, 1, nil, "INVITE", true, 0, Wrong},
		{"another count", "4001", rightWord, 1, func(c *Credentials) { c.NC = "00000002" }, "INVITE", false, 0, Wrong},
		{"no count", "4001", rightWord, 1, func(c *Credentials) { c.NC = "" }, "INVITE", false, 0, Wrong},
		{"no cnonce", "4001", rightWord, 1, func(c *Credentials) { c.CNonce = "" }, "INVITE", false, 0, Wrong},
		{"no qop, as RFC 2069 had it", "4001", rightWord, 1, func(c *Credentials) { c.QOP = "" }, "INVITE", false, 0, Wrong},
		{"integrity of the body", "4001", rightWord, 1, func(c *Credentials) { c.QOP = "auth-int" }, "INVITE", false, 0, Wrong},
		{"a session algorithm", "4001", rightWord, 1, func(c *Credentials) { c.Algorithm = "SHA-256-sess" }, "INVITE", false, 0, Wrong},
		{"no algorithm, which is MD5", "4001", rightWord, 1, func(c *Credentials) { c.Algorithm = "" }, "INVITE", false, 0, Wrong},
		{"an empty response", "4001", rightWord, 1, func(c *Credentials) { c.Response = "" }, "INVITE", false, 0, Wrong},
		{"half a response", "4001", rightWord, 1, func(c *Credentials) { c.Response = c.Response[:32] }, "INVITE", false, 0, Wrong},
	} {
		c := answer(t, a, 0, row.user, row.password, row.count, start)
		if row.alter != nil {
			row.alter(c)
		}
		require.Equal(t, row.verdict, a.Check(c, row.method, !row.other, start.Add(row.after)), row.rule)
	}
}

func TestACountIsGoodOnce(t *testing.T) {
	a := newAuthority(t, nil)
	c := answer(t, a, 1, "4001", rightWord, 5, start)
	require.Equal(t, Right, a.Check(c, "INVITE", true, start))
	require.Equal(t, Stale, a.Check(c, "INVITE", true, start), "a copy")
	again := func(count int) Verdict {
		c := *c
		c.NC = fmt.Sprintf("%08x", count)
		c.Response = string(MD5.response(MD5.HA1("4001", "sip.example.org", secret.Of(rightWord)), &c, "INVITE"))
		return a.Check(&c, "INVITE", true, start)
	}
	require.Equal(t, Stale, again(4), "one that was overtaken")
	require.Equal(t, Right, again(6))
	require.Equal(t, Right, again(100), "a gap is none of our business")
	require.Equal(t, Stale, again(99))
}

// A table that is full forgets, but lets nothing in twice: the nonces that it may have
// forgotten are over.
func TestAFullTableLetsNoCopyIn(t *testing.T) {
	a := newAuthority(t, nil)
	a.nonces.most = 4
	var used []*Credentials
	for i := range 50 {
		now := start.Add(time.Duration(i) * time.Millisecond)
		c := answer(t, a, 0, "4001", rightWord, 1, now)
		require.Equal(t, Right, a.Check(c, "INVITE", true, now), "a fresh nonce is always good")
		used = append(used, c)
		for _, old := range used {
			require.Equal(t, Stale, a.Check(old, "INVITE", true, now))
		}
		require.LessOrEqual(t, len(a.nonces.now)+len(a.nonces.before), 8)
	}
	late := answer(t, a, 0, "4001", rightWord, 1, start) // given when the first was, never used
	require.Equal(t, Stale, a.Check(late, "INVITE", true, start.Add(50*time.Millisecond)), "asked once more, at worst")
}

func TestTheTableForgetsWhatIsOver(t *testing.T) {
	a := newAuthority(t, nil)
	for i := range 1000 {
		now := start.Add(time.Duration(i) * time.Second)
		require.Equal(t, Right, a.Check(answer(t, a, 0, "4001", rightWord, 1, now), "INVITE", true, now))
		require.LessOrEqual(t, len(a.nonces.now)+len(a.nonces.before), 124)
	}
}

func TestANonceTellsWhereItWasGiven(t *testing.T) {
	n := NewNonces(start)
	for _, host := range []netip.Addr{here, there, netip.MustParseAddr("::ffff:192.0.2.1")} {
		nonce := n.give(host, start)
		for _, from := range []netip.Addr{here, there, netip.MustParseAddr("192.0.2.2")} {
			require.Equal(t, host.Unmap() == from, n.Given(nonce, from))
		}
		require.True(t, n.use(nonce, 1, time.Minute, start), "but it is good wherever it comes from")
	}
	require.False(t, NewNonces(start).Given(n.give(here, start), here), "another process gave it")
	require.False(t, n.Given("", here))
	require.False(t, n.Given(strings.Repeat("=", 43), here))
}

// Each bit of a nonce counts.
func TestAnAlteredNonceIsNotOurs(t *testing.T) {
	n := NewNonces(start)
	nonce := n.give(here, start)
	for i := range len(nonce) {
		for _, c := range []byte("AZaz09-_") {
			other := nonce[:i] + string(c) + nonce[i+1:]
			if other == nonce {
				continue
			}
			_, ours, toHost := n.read(other, here)
			require.False(t, toHost, other)
			require.False(t, ours && i < 37, other) // the rest is about the host alone
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, user := range []string{"4001", "4999"} {
		for n, name := range names {
			b.Run(name+"/"+user, func(b *testing.B) {
				a := newAuthority(b, nil)
				challenge, err := client.ParseChallenge(a.Challenges(here, false, start)[n])
				require.NoError(b, err)
				made, err := client.Digest(challenge, client.Options{Method: "INVITE", URI: "sip:*97@sip.example.org", Username: user, Password: rightWord})
				require.NoError(b, err)
				header := made.String()
				b.ReportAllocs()
				for b.Loop() {
					c, _ := Parse(header)
					a.Given(&c, here)
					a.Check(&c, "INVITE", true, start)
				}
			})
		}
	}
}

func BenchmarkChallenge(b *testing.B) {
	a := newAuthority(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		a.Challenges(here, false, start)
	}
}
