package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options of one server.
type Options struct {
	URL        string        `yaml:"url"`         // https://host[:port][/prefix]; http only to this machine
	TLS        TLS           `yaml:"tls"`         // how the server is known
	Timeout    time.Duration `yaml:"timeout"`     // of one request, 100ms-30s, default 3s
	Retries    int           `yaml:"retries"`     // further tries of a request that changes nothing, 0-5, default 2
	Concurrent int           `yaml:"concurrent"`  // requests at a time, 1-1000, default 16
	PerSecond  float64       `yaml:"per_second"`  // requests a second at most, 0-10000; 0, the default: any
	BreakAfter int           `yaml:"break_after"` // failures in a row after which the server is left alone, 1-100, default 5
	BreakPause time.Duration `yaml:"break_pause"` // how long, 1s-5m, default 10s
	// What an adapter sets, since it knows the system.
	LargestBody int          `yaml:"-"` // bytes of an answer, default 1 MiB
	Cookies     bool         `yaml:"-"` // keep the server's session cookies; a 401 ends a session
	Tracking    string       `yaml:"-"` // header with the server's id of a request; TrackingID, X-Request-Id and X-Correlation-Id are known
	Log         *slog.Logger `yaml:"-"` // told of each request at debug, of a server left alone at warn; nil: of nothing
}

// TLS says how a server is known.
type TLS struct {
	CAFile      string `yaml:"ca_file"`     // PEM file of the authorities to trust instead of the system's
	Fingerprint string `yaml:"fingerprint"` // SHA-256 of the server's certificate in hex, instead of any authority
	ServerName  string `yaml:"server_name"` // name in the certificate where it is not the URL's host
	Legacy      bool   `yaml:"legacy"`      // also TLS 1.0 and 1.1, and ciphers that RFC 9325 advises against: only for servers that know no better
}

// DefaultOptions has every default but URL.
func DefaultOptions() Options {
	return Options{
		Timeout: 3 * time.Second, Retries: 2, Concurrent: 16, BreakAfter: 5, BreakPause: 10 * time.Second, LargestBody: 1 << 20,
	}
}

// In returns o with its relative paths taken from dir.
func (o Options) In(dir string) Options {
	if f := o.TLS.CAFile; f != "" && !filepath.IsAbs(f) {
		o.TLS.CAFile = filepath.Join(dir, f)
	}
	return o
}

// Validate tells every field that is out of its range.
func (o Options) Validate() error {
	var all []error
	if _, err := address(o.URL); err != nil {
		all = append(all, err)
	}
	if err := o.TLS.Validate(); err != nil {
		all = append(all, err)
	}
	for _, f := range []struct {
		name        string
		value, a, b float64
	}{
		{"retries", float64(o.Retries), 0, 5},
		{"concurrent", float64(o.Concurrent), 1, 1000},
		{"per_second", o.PerSecond, 0, 10000},
		{"break_after", float64(o.BreakAfter), 1, 100},
	} {
		if !(f.value >= f.a && f.value <= f.b) {
			all = append(all, fmt.Errorf("%s is %v: use %v to %v", f.name, f.value, f.a, f.b))
		}
	}
	if o.Timeout < 100*time.Millisecond || o.Timeout > 30*time.Second {
		all = append(all, fmt.Errorf("timeout is %v: use 100ms to 30s", o.Timeout))
	}
	if o.BreakPause < time.Second || o.BreakPause > 5*time.Minute {
		all = append(all, fmt.Errorf("break_pause is %v: use 1s to 5m", o.BreakPause))
	}
	if o.LargestBody < 1 {
		all = append(all, fmt.Errorf("the largest body is %d bytes: start from DefaultOptions", o.LargestBody))
	}
	return errors.Join(all...)
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// address reads Options.URL.
func address(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("url is empty: write https://host[:port][/prefix] of the system")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("url cannot be read: write https://host[:port][/prefix]")
	case u.User != nil:
		return nil, errors.New("url holds a user or a password: keep them in their own options")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("url has no host: write https://host[:port][/prefix]")
	case u.Port() != "" && !isPort(u.Port()), strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("url has a port that is none: write 1 to 65535, or leave it out")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("url has a query or a fragment: write https://host[:port][/prefix]")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("url begins with %q: write https://", u.Scheme)
	case u.Scheme == "http" && !local(u.Hostname()):
		return nil, errors.New("url is http to another machine, where codes could be read on the way: write https://")
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	u.Path, err = url.PathUnescape(u.RawPath)
	return u, err
}

// local tells whether host is this machine.
func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
