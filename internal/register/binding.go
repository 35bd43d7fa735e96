package register

import (
	"cmp"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// seconds reads delta-seconds (RFC 3261 section 25.1); false for what is none. More than
// longest is that.
func seconds(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil { // all digits, so it is only too large
		return longest, true
	}
	return min(time.Duration(n)*time.Second, longest), true
}

// longest bounds what a registrar may grant, or ask for.
const longest = 24 * time.Hour

// headerSeconds reads a header that holds them, with what may stand behind them.
func headerSeconds(res *sip.Response, name string) (time.Duration, bool) {
	h := res.GetHeader(name)
	if h == nil {
		return 0, false
	}
	value, _, _ := strings.Cut(h.Value(), ";")
	value, _, _ = strings.Cut(value, "(") // Retry-After: 120 (maintenance)
	return seconds(value)
}

// granted is how long a 2xx keeps the binding of a Contact (RFC 3261 section 10.2.4): the
// Contacts of others that it lists say nothing. false if the binding is not there.
func granted(res *sip.Response, own sip.Uri, asked time.Duration) (time.Duration, bool) {
	whole := asked
	if d, ok := headerSeconds(res, "Expires"); ok {
		whole = d
	}
	listed, alike, found := 0, time.Duration(0), false
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		listed++
		d := contactSeconds(c, whole)
		switch {
		case same(c.Address, own):
			return d, d > 0
		case userOf(c.Address) == userOf(own): // a border controller has put its own address there
			if !found || d < alike {
				alike, found = d, true
			}
		}
	}
	if listed == 0 {
		return whole, whole > 0
	}
	return alike, found && alike > 0
}

func contactSeconds(c *sip.ContactHeader, whole time.Duration) time.Duration {
	for _, p := range c.Params {
		if strings.EqualFold(strings.TrimSpace(p.K), "expires") {
			if d, ok := seconds(p.V); ok {
				return d
			}
		}
	}
	return whole
}

// same compares Contacts as far as a registrar keeps them (RFC 3261 section 19.1.4).
func same(a, b sip.Uri) bool {
	port := func(u sip.Uri) int {
		if u.Port == 0 && strings.EqualFold(u.Scheme, "sips") {
			return 5061
		}
		return cmp.Or(u.Port, 5060)
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && userOf(a) == userOf(b) && port(a) == port(b) &&
		hostOf(a) == hostOf(b) && transportOf(a) == transportOf(b)
}

// hostOf is the host in one form: an address may be written in several.
func hostOf(u sip.Uri) string {
	host := strings.ToLower(strings.Trim(u.Host, "[]"))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String()
	}
	return host
}

// userOf is the user part without escapes.
func userOf(u sip.Uri) string {
	if user, err := url.PathUnescape(u.User); err == nil {
		return user
	}
	return u.User
}

func transportOf(u sip.Uri) string {
	for _, p := range u.UriParams {
		if strings.EqualFold(p.K, "transport") {
			return strings.ToLower(p.V)
		}
	}
	return "udp"
}

// outer is the address that a request came from, as its answer says in Via (RFC 3261
// section 18.2.1, RFC 3581 section 4).
func outer(res *sip.Response) (netip.AddrPort, bool) {
	via := res.Via()
	if via == nil {
		return netip.AddrPort{}, false
	}
	host := strings.Trim(via.Host, "[]")
	port := via.Port
	for _, p := range via.Params {
		switch {
		case strings.EqualFold(p.K, "received"):
			host = strings.Trim(p.V, "[]")
		case strings.EqualFold(p.K, "rport"):
			if n, err := strconv.ParseUint(p.V, 10, 16); err == nil && n > 0 {
				port = int(n)
			}
		}
	}
	a, err := netip.ParseAddr(host)
	if err != nil || port <= 0 || port > 65535 || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), true
}
