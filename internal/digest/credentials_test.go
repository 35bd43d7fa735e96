package digest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCredentialsAreRead(t *testing.T) {
	want := Credentials{Username: "bob", Realm: "biloxi.example.com", Nonce: "dcd9", URI: "sip:bob@biloxi.example.com", Response: "ab12", Algorithm: "MD5", CNonce: "0a4f", QOP: "auth", NC: "00000001"}
	for _, row := range []struct {
		rule, text string
	}{
		{"as RFC 3261 section 20.7 writes it", `Digest username="bob", realm="biloxi.example.com", nonce="dcd9", uri="sip:bob@biloxi.example.com", qop=auth, nc=00000001, cnonce="0a4f", response="ab12", algorithm=MD5`},
		{"without blanks", `Digest username="bob",realm="biloxi.example.com",nonce="dcd9",uri="sip:bob@biloxi.example.com",qop=auth,nc=00000001,cnonce="0a4f",response="ab12",algorithm=MD5`},
		{"blanks around everything", "digest\t username = \"bob\" ,\trealm= \"biloxi.example.com\" , nonce =\"dcd9\", uri=\"sip:bob@biloxi.example.com\", qop = auth , nc = 00000001 , cnonce=\"0a4f\", response=\"ab12\", algorithm = MD5 "},
		{"quotes where there need be none", `Digest username="bob", realm="biloxi.example.com", nonce="dcd9", uri="sip:bob@biloxi.example.com", qop="auth", nc="00000001", cnonce="0a4f", response="ab12", algorithm="MD5"`},
		{"names in capitals", `DIGEST USERNAME="bob", Realm="biloxi.example.com", NONCE="dcd9", URI="sip:bob@biloxi.example.com", QOP=auth, NC=00000001, CNonce="0a4f", Response="ab12", ALGORITHM=MD5`},
		{"more than is known", `Digest opaque="a, b=\"c\"", username="bob", realm="biloxi.example.com", nonce="dcd9", uri="sip:bob@biloxi.example.com", qop=auth, nc=00000001, cnonce="0a4f", response="ab12", algorithm=MD5, charset=UTF-8, userhash=false`},
	} {
		c, err := Parse(row.text)
		require.NoError(t, err, row.rule)
		require.Equal(t, want, c, row.rule)
	}
	c, err := Parse(`Digest username="a\"b\\, c=d", realm="\xe9, x"`)
	require.NoError(t, err)
	require.Equal(t, Credentials{Username: `a\"b\\, c=d`, Realm: `\xe9, x`}, c, "escapes are left, and end nothing")
}

func TestWhatIsNoCredentials(t *testing.T) {
	for _, text := range []string{"", "Digest", "Basic QWxhZGRpbg==", "Digestusername=\"x\"", "Bearer digest realm=x", `"Digest" realm=x`} {
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrOtherScheme, text)
	}
	for _, text := range []string{
		"Digest ", "Digest x", "Digest realm", "Digest =x", "Digest realm=", "Digest realm=,nonce=x", `Digest realm="x`, `Digest realm="x\"`,
		`Digest realm="x" nonce="y"`, `Digest realm="x"y`, `Digest realm=x y`, `Digest realm=x"y"`, `Digest realm="x",`, `Digest ,realm="x"`, `Digest re alm="x"`,
		`Digest realm="x", realm="x"`, `Digest realm="", realm="x"`, `Digest username="a", USERNAME="b"`,
		"Digest x=\"" + strings.Repeat("y", headerMax) + `"`,
		"Digest a=1" + strings.Repeat(", a=1", paramsMax),
	} {
		_, err := Parse(text)
		require.Error(t, err, text)
		require.NotErrorIs(t, err, ErrOtherScheme, text)
		require.NotContains(t, err.Error(), "x", "no error quotes what came")
	}
}

func TestCountsAreEightHexadecimalDigits(t *testing.T) {
	for text, n := range map[string]uint32{"00000001": 1, "0000000a": 10, "0000000A": 10, "ffffffff": 1<<32 - 1, "7FFFFFFF": 1<<31 - 1} {
		got, ok := (&Credentials{NC: text}).count()
		require.True(t, ok, text)
		require.Equal(t, n, got)
	}
	for _, text := range []string{"", "1", "0000001", "000000001", "0000000g", "+0000001", "0x000001", "0000000 ", "\x10\x10\x10\x10\x10\x10\x10\x10", "0000000\x00"} {
		_, ok := (&Credentials{NC: text}).count()
		require.False(t, ok, "%q", text)
	}
}

// FuzzParse: what is read of a header is written in it, each value behind its own name and
// nothing of it read twice; written anew it is read as the same; and none proves a user,
// since a fuzzer knows no password.
func FuzzParse(f *testing.F) {
	a := newAuthority(f, nil)
	for _, text := range []string{
		`Digest username="bob", realm="sip.example.org", nonce="dcd9", uri="sip:b@x", qop=auth, nc=00000001, cnonce="0a4f", response="ab12", algorithm=MD5`,
		"digest\tusername = \"a\\\"b\" ,x=y", `Digest realm="", realm=x`, "Basic x", "Digest a=1,b=2,c=\"3\"",
		`Digest username="4001", realm="sip.example.org", nonce="` + a.nonces.give(here, start) + `", uri="", qop=auth, nc=ffffffff, cnonce="0", response="` + strings.Repeat("0", 64) + `", algorithm=SHA-256`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			require.Equal(t, Wrong, a.Check(&c, "INVITE", true, start))
			return
		}
		require.LessOrEqual(t, len(text), headerMax+len(text)-len(strings.TrimLeft(text, blanks)))
		total := 0
		var again strings.Builder
		again.WriteString("Digest x=y")
		for _, p := range []struct{ name, value string }{
			{"username", c.Username}, {"realm", c.Realm}, {"nonce", c.Nonce}, {"uri", c.URI}, {"response", c.Response},
			{"algorithm", c.Algorithm}, {"cnonce", c.CNonce}, {"qop", c.QOP}, {"nc", c.NC},
		} {
			total += len(p.value)
			require.Contains(t, text, p.value)
			if p.value != "" {
				require.Contains(t, strings.ToLower(text), p.name)
				fmt.Fprintf(&again, `, %s="%s"`, p.name, p.value)
			}
		}
		require.Less(t, total, len(text))
		require.NotEqual(t, Right, a.Check(&c, "INVITE", true, start))
		require.NotEqual(t, Stale, a.Check(&c, "INVITE", true, start.Add(time.Hour)))
		if again.Len() <= headerMax {
			same, err := Parse(again.String())
			require.NoError(t, err)
			require.Equal(t, c, same)
		}
	})
}
