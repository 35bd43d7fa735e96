package syslog

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"star97/internal/backend/httpapi"
	"star97/internal/strictyaml"
)

// Options say which collector gets the records.
type Options struct {
	Address  string      `yaml:"address"`   // host:port of the collector; empty, the default: none
	Network  string      `yaml:"network"`   // tls, the default (RFC 5425, usually port 6514); tcp; udp (RFC 5426)
	Plain    bool        `yaml:"plain"`     // tcp and udp also to another machine: whoever is on the way reads and alters everything
	TLS      httpapi.TLS `yaml:"tls"`       // how the collector is known
	CertFile string      `yaml:"cert_file"` // PEM file of the certificate that star97 shows the collector; empty: none
	KeyFile  string      `yaml:"key_file"`  // PEM file of its key
	Facility string      `yaml:"facility"`  // auth, authpriv, audit or local0 to local7, default authpriv
	// EnterpriseID is the private enterprise number (IANA) of whoever runs star97. With it
	// the fields are structured data too, named star97@NUMBER; 0, the default: in the
	// message alone, since no other name is ours to use.
	EnterpriseID uint32 `yaml:"enterprise_id"`
}

// The values of Network.
const (
	overTLS = "tls"
	overTCP = "tcp"
	overUDP = "udp"
)

// facilities have the numbers of RFC 5424 section 6.2.1.
var facilities = map[string]uint8{
	"auth": 4, "authpriv": 10, "audit": 13,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// DefaultOptions have no collector.
func DefaultOptions() Options { return Options{Network: overTLS, Facility: "authpriv"} }

// On tells whether there is a collector.
func (o Options) On() bool { return o.Address != "" }

// In returns o with its relative paths taken from dir.
func (o Options) In(dir string) Options {
	for _, f := range []*string{&o.TLS.CAFile, &o.CertFile, &o.KeyFile} {
		if *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(dir, *f)
		}
	}
	return o
}

// Validate tells everything that is wrong with o. It opens nothing.
func (o Options) Validate() error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{overTLS, overTCP, overUDP}, o.Network) {
		say("network is %q; use tls, tcp or udp", o.Network)
	}
	if _, known := facilities[o.Facility]; !known {
		say("facility is %q; use auth, authpriv, audit or local0 to local7", o.Facility)
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		say("cert_file and key_file belong together: name both or neither")
	}
	if o.On() {
		host, port, err := net.SplitHostPort(o.Address)
		number, notNumber := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || strings.ContainsAny(host, " \t") || notNumber != nil || number == 0 {
			say("address is %q; write the collector as host:port, as logs.example.com:6514", o.Address)
		} else if slices.Contains([]string{overTCP, overUDP}, o.Network) && !o.Plain && !here(host) {
			say("address is %s, and %s is not encrypted; use network tls, or say plain: true", o.Address, o.Network)
		}
	}
	return errors.Join(append(errs, strictyaml.Under("tls", o.TLS.Validate()))...)
}

// here tells whether a host is this machine, as far as its name says.
func here(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
