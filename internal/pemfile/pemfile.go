// Package pemfile reads certificates, their keys and authorities from files in PEM (RFC
// 7468). It never passes over a damaged certificate, as crypto/tls and crypto/x509 do:
// what an administrator has put into a file counts, or its line is told. It opens no
// connection and does not watch its files.
package pemfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"star97/internal/plainfile"
)

// File is a file in PEM. Errors about it begin with the option that names it, and say
// what to do.
type File struct{ Option, Name string }

// KeyPair is what star97 shows of itself: its own certificate, behind it those that lead
// to its authority, and the private key of the first.
func KeyPair(certificate, key File) (none tls.Certificate, err error) {
	shown, err := certificate.read()
	if err != nil {
		return none, err
	}
	chain, err := certificate.blocks(shown)
	if err != nil {
		return none, err
	}
	if len(chain) == 0 {
		return none, certificate.wrong("%s holds no certificate in PEM; write star97's own there first, then those that lead to its authority", certificate.Name)
	}
	if _, err := x509.ParseCertificate(chain[0].der); err != nil {
		return none, certificate.damaged(chain[0].line, err)
	}
	private, err := key.read()
	if err != nil {
		return none, err
	}
	defer clear(private)
	pair, err := tls.X509KeyPair(shown, private)
	if err != nil {
		return none, key.wrong("%s cannot be used with the certificate %s: %w; write the certificate's own private key there, in PEM and without a passphrase", key.Name, certificate.Name, err)
	}
	return pair, nil
}

// Authorities are the certificates of those whom star97 believes, from a file that option
// names. Without a name they are nil: those of the system.
func Authorities(option, name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	f := File{option, name}
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	all, err := f.blocks(text)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	switch {
	case pool.AppendCertsFromPEM(text): // of many, some may be of a kind that nobody reads any more
		return pool, nil
	case len(all) == 0:
		return nil, f.wrong("%s holds no certificate in PEM; write the authority's there", f.Name)
	}
	_, err = x509.ParseCertificate(all[0].der)
	return nil, f.damaged(all[0].line, err)
}

// block is a certificate in PEM.
type block struct {
	line int // of the file, that it begins in
	der  []byte
}

const beginCertificate = "-----BEGIN CERTIFICATE-----"

// blocks finds the certificates in f's text. One that is damaged is an error.
func (f File) blocks(text []byte) (all []block, err error) {
	var begins []int // offsets of the lines
	at, line := 0, 0
	for part := range bytes.SplitAfterSeq(text, []byte("\n")) {
		line++
		if bytes.HasPrefix(bytes.TrimLeft(part, " \t\ufeff"), []byte(beginCertificate)) {
			all = append(all, block{line: line})
			begins = append(begins, at)
		}
		at += len(part)
	}
	begins = append(begins, len(text))
	for i := range all {
		found, _ := pem.Decode(text[begins[i]:begins[i+1]])
		if found == nil {
			return nil, f.damaged(all[i].line, errors.New("its text was cut off or altered"))
		}
		all[i].der = found.Bytes
	}
	return all, nil
}

func (f File) damaged(line int, why error) error {
	return f.wrong("the certificate in line %d of %s is damaged: %w; write it there again as its authority gave it, from -----BEGIN to -----END", line, f.Name, why)
}

func (f File) read() ([]byte, error) {
	file, err := plainfile.Open(f.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, f.wrong("there is no file %s; check the name", f.Name)
	case err != nil:
		return nil, f.wrong("%w; let star97's user read the file", err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, f.wrong("%w; let star97's user read the file", err)
	}
	return text, nil
}

func (f File) wrong(format string, args ...any) error {
	return fmt.Errorf(f.Option+": "+format, args...)
}
