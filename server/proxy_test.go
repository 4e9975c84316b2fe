package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestProxyIsBelievedAndNobodyElse(t *testing.T) {
	p := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, remote, forwarded string
		code                    int
		client                  string
	}{
		{"through the proxy", "10.0.0.1:5", "203.0.113.7", 200, "203.0.113.7"},
		{"IPv6 in IPv4 clothes", "[::ffff:10.0.0.1]:5", "203.0.113.7", 200, "203.0.113.7"},
		{"through two proxies", "10.0.0.1:5", "203.0.113.7, 10.9.9.9", 200, "203.0.113.7"},
		{"made up by the client", "10.0.0.1:5", "198.51.100.1, 203.0.113.7", 200, "203.0.113.7"},
		{"proxy that names nobody", "10.0.0.1:5", "", 200, "10.0.0.1"},
		{"nonsense", "10.0.0.1:5", "x", 200, "10.0.0.1"},
		{"IPv6 proxy", "[fd00::1]:5", "2001:db8::7", 200, "2001:db8::7"},
		{"past the proxy", "203.0.113.7:5", "10.0.0.9", 403, ""},
	} {
		client := ""
		h := p.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { client = clientAddress(r) }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.code || client != c.client {
			t.Errorf("%s: %d for %q, want %d for %q", c.name, w.Code, client, c.code, c.client)
		}
	}
}

// A proxy that passes on whatever name it was asked for must not make a foreign page our own.
func TestBehindAProxyOnlyThePublicNameIsOurOwn(t *testing.T) {
	direct := &Server{base: "https://live.example"}
	proxied := &Server{base: "https://live.example", proxies: proxies{netip.MustParsePrefix("127.0.0.1/32")}}
	for _, c := range []struct {
		origin, host    string
		direct, proxied bool
	}{
		{"https://live.example", "live.example", true, true},
		{"https://LIVE.example", "127.0.0.1:8080", true, true},
		{"https://evil.example", "evil.example", true, false},
		{"https://evil.example", "live.example", false, false},
		{"http://live.example", "127.0.0.1:8080", false, false},
		{"null", "live.example", false, false},
		{"", "live.example", true, true}, // an app
	} {
		r := httptest.NewRequest(http.MethodGet, "/ws", nil)
		r.Host = c.host
		r.Header.Set("Origin", c.origin)
		if got := direct.sameOrigin(r); got != c.direct {
			t.Errorf("%s at %s: %v, want %v", c.origin, c.host, got, c.direct)
		}
		if got := proxied.sameOrigin(r); got != c.proxied {
			t.Errorf("%s at %s behind a proxy: %v, want %v", c.origin, c.host, got, c.proxied)
		}
	}
}
