package console

import (
	"fmt"
	"net/netip"
)

// Options of the HTTP side. Start from DefaultOptions.
type Options struct {
	// Listen is the address, IP:port, of /healthz, /readyz and /metrics. Empty: none.
	// They have no password: choose a loopback address, or a network that only the
	// monitoring reaches.
	Listen string `yaml:"listen"`
}

// DefaultOptions are the documented defaults.
func DefaultOptions() Options { return Options{Listen: "127.0.0.1:9797"} }

// Validate returns nil or one sentence with its key and remedy.
func (o Options) Validate() error {
	if o.Listen == "" {
		return nil
	}
	if _, err := netip.ParseAddrPort(o.Listen); err != nil {
		return fmt.Errorf("listen is %q; write IP:port, like 127.0.0.1:9797, or \"\" for none", o.Listen)
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
