package cue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"star97/internal/mailbox"
)

// columns is the width of the terminal that is asked for: no command is broken in it.
const columns, rows = 500, 500

// hostKeys tells which host key is the server's.
type hostKeys struct {
	pinned string              // fingerprint as ssh-keygen -l prints it
	known  ssh.HostKeyCallback // of a known_hosts file, where there is no fingerprint
	file   string
	addr   string
}

// errKey is that the server showed another host key than it should.
type errKey struct {
	seen ssh.PublicKey
	text string
}

func (e *errKey) Error() string { return e.text }

// check is an ssh.HostKeyCallback that never trusts a key because it is the first one.
func (k *hostKeys) check(host string, remote net.Addr, key ssh.PublicKey) error {
	seen := ssh.FingerprintSHA256(key)
	if k.pinned != "" {
		if seen == k.pinned {
			return nil
		}
		return &errKey{key, fmt.Sprintf("%s shows the host key %s (%s), which is not host_key: compare it at the system's console; if it is right write it into host_key, else somebody stands in between", k.addr, seen, key.Type())}
	}
	err := k.known(host, remote, key)
	var unknown *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown) && len(unknown.Want) == 0:
		return &errKey{key, fmt.Sprintf("%s shows the host key %s (%s), and known_hosts %s has none for it: compare it at the system's console and add it there", k.addr, seen, key.Type(), k.file)}
	}
	return &errKey{key, fmt.Sprintf("%s shows the host key %s (%s), and known_hosts %s has another one for it: compare it at the system's console; somebody may stand in between", k.addr, seen, key.Type(), k.file)}
}

// keyAlgorithms are those of host keys, best first. Certificates are left out: a
// fingerprint is of a key.
func keyAlgorithms(legacy bool) []string {
	all := []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	if legacy {
		all = append(all, ssh.KeyAlgoRSA)
	}
	return all
}

// without leaves out the algorithms of a type of key. Those of RSA keys bear three names
// (RFC 8332 section 3).
func without(algorithms []string, kind string) (rest []string) {
	for _, a := range algorithms {
		if a != kind && (kind != ssh.KeyAlgoRSA || a != ssh.KeyAlgoRSASHA512 && a != ssh.KeyAlgoRSASHA256) {
			rest = append(rest, a)
		}
	}
	return rest
}

// algorithms are those that are still considered safe, and with legacy those that old
// systems have, but for RC4, DSA and what nobody needs.
func algorithms(legacy bool) ssh.Config {
	a := ssh.SupportedAlgorithms()
	if legacy {
		a.KeyExchanges = append(a.KeyExchanges, ssh.InsecureKeyExchangeDHGEXSHA1, ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDH1SHA1)
		a.Ciphers = append(a.Ciphers, ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC)
		a.MACs = append(a.MACs, ssh.InsecureHMACSHA196)
	}
	return ssh.Config{KeyExchanges: a.KeyExchanges, Ciphers: a.Ciphers, MACs: a.MACs}
}

// dial connects and signs in: SSH first, then the command line's own dialogue. Its
// errors have a Code and the server's address.
func (s *Store) dial(ctx context.Context) (*shell, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Connect)
	defer cancel()
	h, err := s.connect(ctx)
	if err == nil {
		stop := h.until(ctx)
		if err = s.signIn(ctx, h); !stop() {
			err = ended(ctx)
		}
		if err != nil {
			h.close()
		}
	}
	if err != nil {
		return nil, s.failed("sign-in", err)
	}
	h.last = time.Now()
	return h, nil
}

// connect makes the SSH connection with a shell on a terminal. Where the server has host
// keys of several types the one that is known need not be the first that it shows.
func (s *Store) connect(ctx context.Context) (*shell, error) {
	offer := keyAlgorithms(s.o.Legacy)
	if known := s.offer.Load(); known != nil {
		offer = *known
	}
	var first *errKey
	for {
		h, err := s.handshake(ctx, offer)
		var other *errKey
		switch {
		case err == nil:
			s.offer.Store(&offer)
			return h, nil
		case errors.As(err, &other):
			if first == nil {
				first = other
			}
			if offer = without(offer, other.seen.Type()); len(offer) > 0 {
				continue
			}
		case first == nil || !strings.Contains(err.Error(), "no common algorithm"):
			return nil, err
		}
		s.offer.Store(nil)
		return nil, first
	}
}

func (s *Store) handshake(ctx context.Context, offer []string) (*shell, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.o.Address)
	if err != nil {
		return nil, err
	}
	// Ends the handshake: started by the end of ctx; stops at once; owns nothing.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	config := &ssh.ClientConfig{
		Config: algorithms(s.o.Legacy), User: s.o.User, Auth: s.auth(), HostKeyAlgorithms: offer,
		HostKeyCallback: s.keys.check, ClientVersion: "SSH-2.0-star97",
	}
	c, chans, requests, err := ssh.NewClientConn(conn, s.o.Address, config)
	if err != nil {
		conn.Close()
		return nil, refusal(ctx, err)
	}
	client := ssh.NewClient(c, chans, requests)
	h, err := s.open(client)
	if err != nil || !stop() {
		client.Close()
		if err == nil {
			h.close()
			err = ended(ctx)
		}
		return nil, err
	}
	return h, nil
}

// refusal is why an SSH handshake failed.
func refusal(ctx context.Context, err error) error {
	var key *errKey
	switch {
	case errors.As(err, &key):
		return key
	case ctx.Err() != nil:
		return ended(ctx)
	case errors.Is(err, errDenied), strings.Contains(err.Error(), "authenticat"): // the library has no type for it
		return mailbox.Fail("", mailbox.ServiceRefused, errDenied)
	}
	return err
}

// open asks for a terminal and a shell on it.
func (s *Store) open(client *ssh.Client) (*shell, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	if err := session.RequestPty("vt100", rows, columns, ssh.TerminalModes{}); err != nil {
		return nil, fmt.Errorf("it gives no terminal: %w", err)
	}
	w, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	r, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Shell(); err != nil {
		return nil, fmt.Errorf("it gives no command line: %w", err)
	}
	return newShell(r, w, func() { client.Close() }, s.o, s.pace), nil
}

// failed is err with its Code and the server's address; Unavailable if it has no Code.
func (s *Store) failed(op string, err error) error {
	code := mailbox.Unavailable
	var e *mailbox.Error
	if errors.As(err, &e) {
		code, err = e.Code, e.Detail
	}
	return mailbox.Fail(op, code, fmt.Errorf("%s: %w", s.o.Address, err))
}

// auth are the ways to sign in. The password is said once, whichever way the server asks
// for it: it may count wrong ones.
func (s *Store) auth() (ways []ssh.AuthMethod) {
	if s.signer != nil {
		ways = append(ways, ssh.PublicKeys(s.signer))
	}
	if s.outer.password.Empty() {
		return ways
	}
	said := false
	password := func() (string, error) {
		if said {
			return "", errDenied
		}
		said = true
		return s.outer.password.Reveal(), nil
	}
	ask := func(_, _ string, questions []string, echos []bool) (answers []string, err error) {
		answers = make([]string, len(questions))
		for i := range questions {
			if !echos[i] {
				if answers[i], err = password(); err != nil {
					return nil, err
				}
			}
		}
		return answers, nil
	}
	return append(ways, ssh.PasswordCallback(password), ssh.KeyboardInteractive(ask))
}

// errDenied is that the password was said and not accepted.
var errDenied = errors.New("it did not accept user with password or key")

// readKey makes a signer of a private key in PEM.
func readKey(o Options) (ssh.Signer, error) {
	text, err := o.Key.Read()
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey([]byte(text.Reveal()))
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, errors.New("the private key has a passphrase: keep a copy without one that only star97's user can read, as ssh-keygen -p makes it")
	case err != nil:
		return nil, errors.New("it is no private key: name a file in OpenSSH's or PEM form")
	}
	return signer, nil
}

// readKnown reads a known_hosts file.
func readKnown(file string) (ssh.HostKeyCallback, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("known_hosts %s cannot be opened: %w; make it with ssh-keyscan and compare what is in it", file, err)
	}
	known, err := knownhosts.New(file)
	if err != nil {
		return nil, fmt.Errorf("known_hosts %s cannot be read: %w", file, err)
	}
	return known, nil
}
