package media

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"star97/internal/metrics"
)

// Options set up an engine. The zero value of a field is not its default: start
// from DefaultOptions.
type Options struct {
	// PortMin and PortMax bound the RTP ports, both even, 1024 to 65534; each call
	// takes one even port for RTP and the next one for RTCP (RFC 3550 section 11).
	// Default 40000 to 43998: room for 1000 calls while as many ports rest that were
	// just used, or are somebody else's.
	PortMin uint16 `yaml:"port_min"`
	PortMax uint16 `yaml:"port_max"`
	// Bind lists the addresses for RTP instead of the one that a call came in at: that
	// one if it is listed, else the first of its family. Default none.
	Bind []netip.Addr `yaml:"bind"`
	// DSCP marks outgoing RTP and RTCP, 0 to 63; 0 leaves packets unmarked.
	// Default 46, EF (RFC 3246).
	DSCP int `yaml:"dscp"`
	// Timeout is how long nothing may be heard of a caller, 5s to 1h, before the call
	// counts as lost (Silent). Default 60s.
	Timeout time.Duration `yaml:"timeout"`
	// Engine carries the packets: auto takes the better one that the system can have;
	// reactor, for Linux, a few threads that read, keep time and send, by io_uring where the
	// system allows that; portable, goroutines, two that read for each call. Default auto.
	Engine string `yaml:"engine"`
	// Pacers is the largest number of sending goroutines or, of the reactor, threads, 1
	// to 8. The second one gets work only above 1000 calls, the third above 2000. Default 2.
	Pacers int `yaml:"pacers"`
	// KernelFilter is auto, which leaves the audio of a caller whose keys come as events, or
	// whose peer says inband: never, to the kernel but for one packet in 64: it need not be
	// read then, and how much of it was lost is not known. off reads everything. Default
	// auto; systems without such a filter read everything.
	KernelFilter string `yaml:"kernel_filter"`
	// Listen opens one port for the portable engine, whatever Engine says; nil means UDP of
	// the system. The simulation puts its in-memory network here. A port that is taken is an error that wraps
	// syscall.EADDRINUSE.
	Listen func(netip.AddrPort) (PacketConn, error) `yaml:"-"`
	// Metrics counts how late packets leave; nil counts nothing.
	Metrics *metrics.Metrics `yaml:"-"`
	// OnPanic is told what ended a session that met a program error, within the
	// deferred call that caught it. The cause can hold a digit of a code: its type
	// and the stack's places may be logged, its value may not. nil: nobody is told.
	OnPanic func(cause any) `yaml:"-"`
	// OnRingLost is told, by a goroutine of its own, when a thread of the reactor goes on
	// without io_uring, because the system has failed it. nil: nobody is told.
	OnRingLost func(why error) `yaml:"-"`

	noRing bool // tests: no io_uring
}

// The words of Options.KernelFilter.
const (
	FilterAuto = "auto"
	FilterOff  = "off"
)

// DefaultOptions returns the documented defaults.
func DefaultOptions() Options {
	return Options{PortMin: 40000, PortMax: 43998, DSCP: 46, Timeout: time.Minute, Engine: EngineAuto, Pacers: 2, KernelFilter: FilterAuto}
}

// Pairs is the number of port pairs, and so of calls at a time.
func (o Options) Pairs() int { return (int(o.PortMax)-int(o.PortMin))/2 + 1 }

// Validate names every value that is out of its range.
func (o Options) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("media: "+format, args...)) }
	for _, p := range []struct {
		name string
		port uint16
	}{{"port_min", o.PortMin}, {"port_max", o.PortMax}} {
		if p.port < 1024 || p.port%2 != 0 {
			wrong("%s is %d; give an even port from 1024 to 65534", p.name, p.port)
		}
	}
	if o.PortMax < o.PortMin {
		wrong("port_max %d is below port_min %d; exchange them", o.PortMax, o.PortMin)
	}
	for _, a := range o.Bind {
		if !a.IsValid() || a.IsMulticast() {
			wrong("bind holds %s; give addresses of this machine", a)
		}
	}
	if o.DSCP < 0 || o.DSCP > 63 {
		wrong("dscp is %d; give 0 to 63 (46 is EF)", o.DSCP)
	}
	if o.Timeout < 5*time.Second || o.Timeout > time.Hour {
		wrong("timeout is %s; give 5s to 1h", o.Timeout)
	}
	if o.Engine != EngineAuto && o.Engine != EnginePortable && o.Engine != EngineReactor {
		wrong("engine is %q; give auto, reactor or portable", o.Engine)
	}
	if o.Pacers < 1 || o.Pacers > 8 {
		wrong("pacers is %d; give 1 to 8", o.Pacers)
	}
	if o.KernelFilter != FilterAuto && o.KernelFilter != FilterOff {
		wrong("kernel_filter is %q; give auto or off", o.KernelFilter)
	}
	return errors.Join(errs...)
}

// Unfiltered is why audio that nobody listens to is read all the same; nil: the kernel
// drops it.
func (o Options) Unfiltered() error {
	switch {
	case o.KernelFilter == FilterOff:
		return errors.New("media kernel_filter is off")
	case o.Listen != nil:
		return errors.New("the sockets are not the system's")
	}
	return tryFilter()
}

// bindFor picks the address to bind for a call that came in at local.
func (o Options) bindFor(local netip.Addr) (netip.Addr, error) {
	local = local.Unmap()
	if !local.IsValid() {
		return local, errors.New("media: no local address given to bind RTP to")
	}
	if len(o.Bind) == 0 {
		return local, nil
	}
	var same netip.Addr
	for _, a := range o.Bind {
		a = a.Unmap()
		if a == local {
			return a, nil
		}
		if !same.IsValid() && a.Is4() == local.Is4() {
			same = a
		}
	}
	if !same.IsValid() {
		return same, fmt.Errorf("media: bind lists no address of the family of %s; add one", local)
	}
	return same, nil
}
