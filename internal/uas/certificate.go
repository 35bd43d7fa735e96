package uas

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is what a TLS listener shows and whom it believes, read again when its
// files change.
type certificate struct {
	listen Listen
	log    *slog.Logger

	mu     sync.Mutex
	looked time.Time
	stamps [3]time.Time // of the files when they were read
	config *tls.Config
}

// lookAgain is how old the knowledge of the files' times may be.
const lookAgain = 2 * time.Second

// newCertificate reads the files; the error says which one cannot be used.
func newCertificate(l Listen, log *slog.Logger) (*certificate, error) {
	c := &certificate{listen: l, log: log, looked: time.Now()}
	c.stamps = c.times()
	var err error
	c.config, err = c.read()
	return c, err
}

// base is the configuration of a listener: each connection asks for the current one.
func (c *certificate) base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return c.current(time.Now()), nil
	}}
}

// current is the newest configuration that could be read. Files that cannot be used
// leave the one before in force, and are told once.
func (c *certificate) current(now time.Time) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < lookAgain {
		return c.config
	}
	c.looked = now
	stamps := c.times()
	if stamps == c.stamps {
		return c.config
	}
	c.stamps = stamps
	config, err := c.read()
	if err != nil {
		c.log.Error("a changed certificate cannot be used; the one before stays in force", "listen", c.listen.Address, "error", err)
		return c.config
	}
	c.log.Info("a changed certificate is in use", "listen", c.listen.Address)
	c.config = config
	return config
}

func (c *certificate) files() [3]string {
	return [3]string{c.listen.Certificate, c.listen.Key, c.listen.ClientCA}
}

// times are those of the files' last changes; zero for one that is not there.
func (c *certificate) times() (all [3]time.Time) {
	for i, name := range c.files() {
		if info, err := os.Stat(name); name != "" && err == nil {
			all[i] = info.ModTime()
		}
	}
	return all
}

// read reads the files. Errors begin with the key that names the file and say what to do.
func (c *certificate) read() (*tls.Config, error) {
	pair, err := keyPair(c.listen.Certificate, c.listen.Key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.listen.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = authorities("client_ca", c.listen.ClientCA); err != nil {
		return nil, err
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

func keyPair(certificate, key string) (none tls.Certificate, err error) {
	shown, err := readPEM("certificate", certificate)
	if err != nil {
		return none, err
	}
	chain, err := blocksOf("certificate", certificate, shown)
	if err != nil {
		return none, err
	}
	if len(chain) == 0 {
		return none, fmt.Errorf("certificate: %s holds no certificate in PEM; write star97's own there first, then those that lead to its authority", certificate)
	}
	if _, err := x509.ParseCertificate(chain[0].der); err != nil {
		return none, damaged("certificate", certificate, chain[0].line, err)
	}
	private, err := readPEM("key", key)
	if err != nil {
		return none, err
	}
	defer clear(private)
	pair, err := tls.X509KeyPair(shown, private)
	if err != nil {
		return none, fmt.Errorf("key: %s cannot be used with the certificate %s: %w; write the certificate's own private key there, in PEM and without a passphrase", key, certificate, err)
	}
	return pair, nil
}

// authorities reads a file of CA certificates in PEM, which option names.
func authorities(option, name string) (*x509.CertPool, error) {
	text, err := readPEM(option, name)
	if err != nil {
		return nil, err
	}
	all, err := blocksOf(option, name, text)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	switch {
	case pool.AppendCertsFromPEM(text): // of many, some may be of a kind that nobody reads any more
		return pool, nil
	case len(all) == 0:
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM; write the authority's there", option, name)
	}
	_, err = x509.ParseCertificate(all[0].der)
	return nil, damaged(option, name, all[0].line, err)
}

// block is a certificate in PEM.
type block struct {
	line int // of the file, that it begins in
	der  []byte
}

const beginCertificate = "-----BEGIN CERTIFICATE-----"

// blocksOf finds the certificates of a file in PEM, which option names. One whose text is
// damaged is an error: crypto/tls and crypto/x509 pass over it, and take the next one for it.
func blocksOf(option, name string, text []byte) (all []block, err error) {
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
			return nil, damaged(option, name, all[i].line, errors.New("its text was cut off or altered"))
		}
		all[i].der = found.Bytes
	}
	return all, nil
}

// damaged tells of a certificate that cannot be read.
func damaged(option, name string, line int, why error) error {
	return fmt.Errorf("%s: the certificate in line %d of %s is damaged: %w; write it there again as its authority gave it, from -----BEGIN to -----END", option, line, name, why)
}

func readPEM(option, name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no file %s; check the name, which is taken from the configuration's folder", option, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; let star97's user read the file", option, err)
	}
	return text, nil
}
