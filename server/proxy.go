package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks from which requests come on others' behalf.
type proxies []netip.Prefix

// handler lets only requests from the stated proxies through, and gives each the address of the client
// that the nearest proxy names. Without proxies it changes nothing.
func (p proxies) handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.trusted(hostOf(r.RemoteAddr)) {
			http.Error(w, "This port is for the proxy only.", http.StatusForbidden)
			return
		}
		if client := p.client(r.Header.Values("X-Forwarded-For")); client != "" {
			r.RemoteAddr = net.JoinHostPort(client, "0")
		}
		next.ServeHTTP(w, r)
	})
}

// client is the last address that no stated proxy has; what stands before it may be made up.
func (p proxies) client(headers []string) string {
	hops := strings.Split(strings.Join(headers, ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if ip, err := netip.ParseAddr(hop); err != nil {
			return ""
		} else if !p.trusted(hop) {
			return ip.Unmap().String()
		}
	}
	return ""
}

func (p proxies) trusted(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(ip) })
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// clientAddress is who asks, without the port.
func clientAddress(r *http.Request) string { return hostOf(r.RemoteAddr) }
