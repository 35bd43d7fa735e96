package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Line returns what opens connections over TLS to a server at host:port that speaks no
// HTTP. The errors of both name the server, and say what is wrong with its certificate.
func (o TLS) Line(addr string) (dial func(ctx context.Context) (net.Conn, error), err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%q is no address: write host:port", addr)
	}
	secure, err := o.Config(host)
	if err != nil {
		return nil, err
	}
	dialer := &tls.Dialer{Config: secure}
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn, nil
		}
		if told := untrusted(addr, err); told != nil {
			return nil, told
		}
		if old(err) && !o.Legacy {
			return nil, fmt.Errorf("%s cannot be reached: %w; a server that knows only old TLS must be updated, or needs tls.legacy", addr, err)
		}
		return nil, fmt.Errorf("%s cannot be reached: %w", addr, err)
	}, nil
}

// Validate tells what is wrong with o. It opens nothing.
func (o TLS) Validate() error {
	if o.Fingerprint == "" {
		return nil
	}
	_, err := fingerprint(o.Fingerprint)
	if o.CAFile != "" {
		err = errors.Join(err, errors.New("tls.ca_file and tls.fingerprint are both set: keep one"))
	}
	return err
}
