package pemfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// made is a certificate that signs itself, and its key, both in PEM.
func made(t *testing.T, number int64) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(number), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	require.NoError(t, err)
	bare, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", bare)
}

func pemOf(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}

// written is a file with the texts one behind the other.
func written(t *testing.T, name string, texts ...string) File {
	t.Helper()
	f := File{"option", filepath.Join(t.TempDir(), name)}
	require.NoError(t, os.WriteFile(f.Name, []byte(strings.Join(texts, "")), 0o600))
	return f
}

var hollow = pemOf("CERTIFICATE", []byte("none"))

func cutOff(text string) string { return text[:len(text)/2] + "\n" }

func altered(text string) string { return strings.Replace(text, "M", "!", 1) }

// requireTold requires an error that begins with the option and says what is told, with
// FILE for the file's name; without words it requires none.
func requireTold(t *testing.T, err error, f File, told string) {
	t.Helper()
	if told == "" {
		require.NoError(t, err)
		return
	}
	require.ErrorContains(t, err, strings.ReplaceAll(told, "FILE", f.Name))
	require.True(t, strings.HasPrefix(err.Error(), f.Option+": "), err)
}

func TestAChainIsReadWholeOrNotAtAll(t *testing.T) {
	own, key := made(t, 1)
	above, another := made(t, 2)
	const damaged = "the certificate in line 1 of FILE is damaged: its text was cut off or altered; write it there again"
	for name, row := range map[string]struct {
		chain []string
		told  string
	}{
		"it alone": {[]string{own}, ""},
		"with a remark and the line ends of Windows": {[]string{"# -----BEGIN CERTIFICATE-----\n", strings.ReplaceAll(own, "\n", "\r\n"), above}, ""},
		"what nobody reads behind it":                {[]string{own, hollow}, ""},
		"nothing":                                    {nil, "FILE holds no certificate in PEM; write star97's own there first"},
		"a key":                                      {[]string{another}, "FILE holds no certificate in PEM; write star97's own there first"},
		"altered":                                    {[]string{altered(own), above}, damaged},
		"cut off":                                    {[]string{cutOff(own), above}, damaged},
		"cut off, with nothing behind it":            {[]string{cutOff(own)}, damaged},
		"altered, and standing to the right":         {[]string{"# ours\n  ", altered(own), above}, "the certificate in line 2 of FILE is damaged"},
		"none within":                                {[]string{hollow, above}, "the certificate in line 1 of FILE is damaged: x509: "},
		"altered, behind it":                         {[]string{own, altered(above)}, fmt.Sprintf("the certificate in line %d of FILE is damaged", 1+strings.Count(own, "\n"))},
		"cut off, behind it":                         {[]string{own, cutOff(above)}, fmt.Sprintf("the certificate in line %d of FILE is damaged", 1+strings.Count(own, "\n"))},
		"the authority's first, to whom no key belongs": {[]string{above, own}, "cannot be used with the certificate FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			f := written(t, "chain.pem", row.chain...)
			pair, err := KeyPair(f, written(t, "own.key", key))
			requireTold(t, err, f, row.told)
			if row.told == "" {
				require.Equal(t, big.NewInt(1), pair.Leaf.SerialNumber)
			}
		})
	}
}

func TestAKeyIsToldByItsOwnName(t *testing.T) {
	own, _ := made(t, 1)
	_, another := made(t, 2)
	chain := written(t, "chain.pem", own)
	absent := File{"key", filepath.Join(t.TempDir(), "none.key")}
	_, err := KeyPair(chain, absent)
	requireTold(t, err, absent, "key: there is no file FILE; check the name")
	for _, text := range []string{another, own, ""} {
		key := written(t, "own.key", text)
		_, err = KeyPair(chain, key)
		requireTold(t, err, key, "FILE cannot be used with the certificate "+chain.Name+": tls: ")
	}
}

func TestAuthoritiesAreReadWholeOrNotAtAll(t *testing.T) {
	first, _ := made(t, 1)
	second, key := made(t, 2)
	for name, row := range map[string]struct {
		all  []string
		told string
	}{
		"two":                      {[]string{first, second}, ""},
		"some that nobody reads":   {[]string{hollow, second}, ""},
		"none that anybody reads":  {[]string{hollow}, "the certificate in line 1 of FILE is damaged: x509: "},
		"a key":                    {[]string{key}, "FILE holds no certificate in PEM; write the authority's there"},
		"nothing":                  {nil, "FILE holds no certificate in PEM"},
		"the second one altered":   {[]string{first, altered(second)}, fmt.Sprintf("the certificate in line %d of FILE is damaged", 1+strings.Count(first, "\n"))},
		"the first one cut off":    {[]string{cutOff(first), second}, "the certificate in line 1 of FILE is damaged"},
		"the only one is cut off ": {[]string{cutOff(first)}, "the certificate in line 1 of FILE is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			f := written(t, "ca.pem", row.all...)
			pool, err := Authorities(f.Option, f.Name)
			requireTold(t, err, f, row.told)
			require.Equal(t, row.told == "", pool != nil)
		})
	}
	folder := File{"ca_file", t.TempDir()}
	_, err := Authorities(folder.Option, folder.Name)
	requireTold(t, err, folder, "let star97's user read the file")
	_, err = Authorities("ca_file", "nowhere.pem")
	require.EqualError(t, err, "ca_file: there is no file nowhere.pem; check the name")
	system, err := Authorities("ca_file", "")
	require.NoError(t, err)
	require.Nil(t, system)
}

// Whatever a file holds is taken whole, or refused with a sentence that names its line.
func FuzzPEMFile(f *testing.F) {
	f.Add([]byte(hollow))
	f.Add([]byte(beginCertificate + "\nMIIB\n-----END CERTIFICATE-----\n" + hollow))
	f.Add([]byte("\ufeff" + beginCertificate))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := File{"option", "chain.pem"}
		all, err := file.blocks(text)
		if err != nil {
			require.Regexp(t, `^option: the certificate in line [1-9][0-9]* of chain\.pem is damaged: `, err.Error())
			return
		}
		lines := 1 + strings.Count(string(text), "\n")
		before := 0
		for _, b := range all {
			require.Greater(t, b.line, before)
			require.LessOrEqual(t, b.line, lines)
			before = b.line
		}
	})
}
