package console

import (
	"fmt"
	"net/netip"
	"strings"
)

// Options of the HTTP side. Start from DefaultOptions.
type Options struct {
	// Listen is the address, IP:port, of /healthz, /readyz and /metrics. Empty: none.
	// They have no password: choose a loopback address, or a network that only the
	// monitoring reaches.
	Listen string `yaml:"listen"`
	// Hosts are further names or addresses by which these pages may be asked for, as in
	// the Host header without a port. The address of listen, localhost and loopback
	// addresses are always answered; any other gets 421, so that no page of the Web can
	// read these with a name that it leads here (DNS rebinding).
	Hosts []string `yaml:"hosts"`
}

// DefaultOptions are the documented defaults.
func DefaultOptions() Options { return Options{Listen: "127.0.0.1:9797", Hosts: []string{}} }

// Validate returns nil or one sentence with its key and remedy.
func (o Options) Validate() error {
	if o.Listen == "" {
		return nil
	}
	if _, err := netip.ParseAddrPort(o.Listen); err != nil {
		return fmt.Errorf("listen is %q; write IP:port, like 127.0.0.1:9797, or \"\" for none", o.Listen)
	}
	for i, h := range o.Hosts {
		if canonical(h) == "" || strings.ContainsAny(h, " /@*") {
			return fmt.Errorf("hosts[%d] is %q; write a name or an IP address without a port, like star97.example.org", i, h)
		}
	}
	return nil
}

// network keeps "0.0.0.0" from meaning IPv6 as well.
func (o Options) network() string {
	if at, err := netip.ParseAddrPort(o.Listen); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// Warning is a sentence about options that are valid and yet perhaps not meant.
func (o Options) Warning() string {
	at, err := netip.ParseAddrPort(o.Listen)
	if err != nil || at.Addr().Unmap().IsLoopback() {
		return ""
	}
	return fmt.Sprintf("listen is %s, which other machines may reach: whoever does can read the metrics, without a password; "+
		"write 127.0.0.1:%d unless only the monitoring is on that network", o.Listen, at.Port())
}
