package console

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// hosts are the names under which the pages may be asked for, beside those of this machine.
type hosts []string

// only answers requests for a host of ours. A browser sends the name that a page was
// loaded by: one that was led to this address by its owner's DNS is no name of ours. A
// request without a host (HTTP/1.0) is no browser's.
func (h hosts) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" && !h.has(r) {
			answer(w, http.StatusMisdirectedRequest, struct {
				Problem string `json:"problem"`
			}{"This is not a host of star97; name it in http.hosts, or ask for the address itself."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h hosts) has(r *http.Request) bool {
	host := canonical(withoutPort(r.Host))
	if host == "localhost" || slices.ContainsFunc(h, func(own string) bool { return canonical(own) == host }) {
		return true
	}
	asked, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	at, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return asked.IsLoopback() || at != nil && at.AddrPort().Addr().Unmap().WithZone("") == asked
}

func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// canonical is a host in the form in which hosts are compared.
func canonical(host string) string {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return host
}
