package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"star97/internal/pemfile"
)

const (
	dialWithin  = 10 * time.Second // TLS included
	writeWithin = 10 * time.Second // one message
)

// collector is the other end.
type collector struct {
	o    Options
	conn net.Conn    // nil: not connected
	stop func() bool // ends the watch over the context of conn
}

// ready connects, if there is no connection; the connection ends with ctx.
func (c *collector) ready(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("the syslog collector %s cannot be reached: %w", c.o.Address, err)
	}
	// Closes the connection: started by the end of ctx, stops at once, owns nothing.
	c.conn, c.stop = conn, context.AfterFunc(ctx, func() { conn.Close() })
	return nil
}

func (c *collector) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	d := &net.Dialer{}
	if c.o.Network != overTLS && !c.o.Plain {
		d.Control = onlyHere
	}
	if c.o.Network == overUDP {
		return d.DialContext(ctx, "udp", c.o.Address)
	}
	if c.o.Network == overTCP {
		return d.DialContext(ctx, "tcp", c.o.Address)
	}
	secure, err := c.secure()
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: d, Config: secure}).DialContext(ctx, "tcp", c.o.Address)
}

// secure reads the files anew for each connection: certificates are replaced.
func (c *collector) secure() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(c.o.Address)
	if err != nil {
		return nil, err
	}
	secure, err := c.o.TLS.Config(host)
	if err != nil || c.o.CertFile == "" {
		return secure, err
	}
	own, err := c.o.own()
	if err != nil {
		return nil, err
	}
	secure.Certificates = []tls.Certificate{own}
	return secure, nil
}

// Readable tells why the certificate that star97 shows the collector cannot be used.
func (o Options) Readable() error {
	if o.CertFile == "" {
		return nil
	}
	_, err := o.own()
	return err
}

func (o Options) own() (tls.Certificate, error) {
	return pemfile.KeyPair(pemfile.File{Option: "cert_file", Name: o.CertFile}, pemfile.File{Option: "key_file", Name: o.KeyFile})
}

// onlyHere refuses other machines, whatever a name means.
func onlyHere(_, addr string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return errors.New("it is not this machine, and the network is not encrypted: use network tls, or say plain: true")
	}
	return nil
}

// send writes one message: a datagram, or a frame that begins with its length (RFC 5425
// section 4.3.1, and for TCP RFC 6587 section 3.4.1).
func (c *collector) send(message string) error {
	if c.o.Network != overUDP {
		message = strconv.Itoa(len(message)) + " " + message
	}
	err := c.conn.SetWriteDeadline(time.Now().Add(writeWithin))
	if err == nil {
		_, err = c.conn.Write([]byte(message))
	}
	if err != nil {
		return fmt.Errorf("the syslog collector %s takes nothing: %w", c.o.Address, err)
	}
	return nil
}

// open tells, after waiting a while, whether the collector still holds the connection.
// It says nothing itself; what it says all the same is not read further.
func (c *collector) open(wait time.Duration) error {
	var said [512]byte
	end := time.Now().Add(wait)
	for c.o.Network != overUDP {
		if err := c.conn.SetReadDeadline(end); err != nil {
			return err
		}
		_, err := c.conn.Read(said[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the syslog collector %s closed the connection: %w", c.o.Address, err)
		}
	}
	return nil
}

// drop closes the connection; the next send needs another.
func (c *collector) drop() {
	if c.conn != nil {
		c.stop()
		c.conn.Close()
	}
	c.conn = nil
}
