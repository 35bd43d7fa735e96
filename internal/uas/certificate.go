package uas

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"star97/internal/pemfile"
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
	pair, err := pemfile.KeyPair(pemfile.File{Option: "certificate", Name: c.listen.Certificate}, pemfile.File{Option: "key", Name: c.listen.Key})
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.listen.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = pemfile.Authorities("client_ca", c.listen.ClientCA); err != nil {
		return nil, err
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}
