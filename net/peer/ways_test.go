package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"gasso/net/signaling"
)

func testReach(t *testing.T, cfg Config, secure ...string) *reach {
	t.Helper()
	r, err := newReach(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	servers := map[string]bool{}
	for _, s := range secure {
		servers[s] = true
	}
	r.again(servers)
	return r
}

func TestRelaysWaitUntilTheyAreNeeded(t *testing.T) {
	r := testReach(t, Config{Ways: WaysAuto})
	r.began = time.Now().Add(time.Hour) // so that only what follows can end the wait
	asked := make(chan error, 2)
	go func() { _, err := r.ListenPacket("udp4", "127.0.0.1:0"); asked <- err }()
	go func() { _, err := r.Dial("tcp4", "127.0.0.1:1"); asked <- err }()
	r.found()
	for range 2 {
		if err := <-asked; !errors.Is(err, errNotNeeded) {
			t.Errorf("%v", err)
		}
	}
	r.again(nil)
	r.began = time.Now().Add(-time.Hour) // the direct way had its time
	c, err := r.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	r.close()
	r.again(nil)
	if _, err := r.ListenPacket("udp4", "127.0.0.1:0"); !errors.Is(err, errNotNeeded) {
		t.Errorf("a closed link asked for a relay: %v", err)
	}
}

func TestATCPRelayIsTriedOnceInEachLook(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	r := testReach(t, Config{})
	for look := range 2 {
		r.again(nil)
		r.began = time.Now().Add(-time.Hour)
		for n := range 3 { // pion asks for each local address
			c, err := r.Dial("tcp4", server.Addr().String())
			if (err == nil) != (n == 0) {
				t.Errorf("look %d, attempt %d: %v", look, n, err)
			}
			if c != nil {
				_ = c.Close()
			}
		}
	}
}

func TestOverTCPNothingGoesByUDP(t *testing.T) {
	r := testReach(t, Config{Ways: WaysTCP})
	if _, err := r.ListenUDP("udp4", nil); !errors.Is(err, errOnlyTCP) {
		t.Error(err)
	}
	if _, err := r.ListenPacket("udp4", "127.0.0.1:0"); !errors.Is(err, errOnlyTCP) {
		t.Error(err)
	}
}

// secureServer answers whoever gets through TLS with "hello".
func secureServer(t *testing.T) (address string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	config, certificate := s.TLS.Clone(), s.Certificate()
	s.Close()
	config.NextProtos = nil
	l, err := tls.Listen("tcp4", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello"))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	roots = x509.NewCertPool()
	roots.AddCert(certificate)
	return l.Addr().String(), roots
}

func hears(t *testing.T, c net.Conn) {
	t.Helper()
	if said, err := io.ReadAll(c); err != nil || string(said) != "hello" {
		t.Errorf("%q, %v", said, err)
	}
	_ = c.Close()
}

func direct(*http.Request) (*url.URL, error) { return nil, nil }

func TestRelaysOverTLSTrustAnOwnAuthority(t *testing.T) {
	address, roots := secureServer(t)
	d := relayDialer{tls: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, proxy: direct}
	c, err := d.dial(context.Background(), "tcp4", address, true)
	if err != nil {
		t.Fatal(err)
	}
	hears(t, c)
	d.tls = nil
	if _, err := d.dial(context.Background(), "tcp4", address, true); err == nil {
		t.Error("an unknown authority was trusted")
	}
}

// connectProxy is an HTTP proxy that wants a password.
func connectProxy(t *testing.T) (at *url.URL, tunnels func() int) {
	t.Helper()
	count := make(chan int, 1)
	count <- 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
			http.Error(w, "no", http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		defer func() { _ = there.Close() }()
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = here.Close() }()
		count <- <-count + 1
		_, _ = here.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		go func() { _, _ = io.Copy(there, here) }()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at, func() int { n := <-count; count <- n; return n }
}

func TestRelaysAreReachedThroughAProxy(t *testing.T) {
	address, roots := secureServer(t)
	at, tunnels := connectProxy(t)
	d := relayDialer{
		tls:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		proxy: func(*http.Request) (*url.URL, error) { return at, nil },
	}
	if _, err := d.dial(context.Background(), "tcp4", address, true); err == nil {
		t.Error("the proxy let somebody without a password through")
	}
	at.User = url.UserPassword("me", "secret")
	c, err := d.dial(context.Background(), "tcp4", address, true)
	if err != nil {
		t.Fatal(err)
	}
	hears(t, c)
	if tunnels() != 1 {
		t.Errorf("%d tunnels", tunnels())
	}
}

func TestADialEndsWithTheNeedForIt(t *testing.T) {
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := silent.Accept()
		_, _ = bufio.NewReader(c).ReadByte() // TLS has begun
		accepted <- c
	}()
	r := testReach(t, Config{Proxy: direct}, silent.Addr().String())
	r.began = time.Now().Add(-time.Hour)
	ended := make(chan error, 1)
	go func() { _, err := r.Dial("tcp4", silent.Addr().String()); ended <- err }()
	under := <-accepted
	defer func() { _ = under.Close() }()
	r.found()
	if err := <-ended; err == nil {
		t.Error("a server that says nothing was reached")
	}
}

func TestServersForPion(t *testing.T) {
	servers, mayBlock, secure, err := iceServers([]signaling.ICEServer{
		{URLs: []string{"stun:a.example:3478"}},
		{URLs: []string{"turn:a.example:3478?transport=udp", "turns:a.example:443?transport=tcp", "turns:[2001:db8::1]"}, Username: "u", Credential: "c"},
	})
	if err != nil || len(servers) != 2 || !mayBlock {
		t.Fatal(servers, mayBlock, err)
	}
	if len(secure) != 2 || !secure["a.example:443"] || !secure["[2001:db8::1]:5349"] {
		t.Errorf("%v", secure)
	}
	if _, mayBlock, _, err = iceServers([]signaling.ICEServer{{URLs: []string{"turn:a.example"}}}); err != nil || mayBlock {
		t.Error(mayBlock, err)
	}
	if _, _, _, err = iceServers([]signaling.ICEServer{{URLs: []string{"http://a.example"}}}); err == nil {
		t.Error("a web address was taken for a server")
	}
}
