package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/turnserver"
)

// linked connects two performers with these servers; it returns once both links are connected.
func linked(t *testing.T, cfg peer.Config) {
	t.Helper()
	cfg.Loopback = true
	factory, err := peer.NewFactory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = factory.Close() })
	var links [2]*peer.Link
	var inboxes [2]chan *signaling.Signal
	states := make(chan peer.State, 64)
	for i := range links {
		inboxes[i] = make(chan *signaling.Signal, 256)
	}
	names := [2]string{"p1", "p2"}
	for i := range links {
		links[i], err = factory.NewLink(peer.LinkConfig{
			LocalID: names[i], RemoteID: names[1-i], Offerer: i == 0,
			Send:    func(s *signaling.Signal) { inboxes[1-i] <- s },
			OnState: func(s peer.State) { states <- s },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var pumps sync.WaitGroup
	t.Cleanup(func() { stop(); pumps.Wait() })
	for i, l := range links {
		pumps.Go(func() {
			for {
				select {
				case s := <-inboxes[i]:
					_ = l.Handle(s)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	if err := links[0].Negotiate(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for n := 0; n < 2; {
		select {
		case s := <-states:
			if s == peer.StateConnected {
				n++
			}
		case <-deadline:
			t.Fatal("no connection within 30 s")
		}
	}
}

// only keeps the servers' URLs that contain a text.
func only(servers []signaling.ICEServer, text string) (kept []signaling.ICEServer) {
	for _, s := range servers {
		var urls []string
		for _, u := range s.URLs {
			if strings.Contains(u, text) {
				urls = append(urls, u)
			}
		}
		if s.URLs = urls; len(urls) > 0 {
			kept = append(kept, s)
		}
	}
	return kept
}

func TestPerformersMeetThroughTheRelayByEachWay(t *testing.T) {
	s, _, _, roots := tlsServer(t)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	_, https, err := net.SplitHostPort(s.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"transport=udp", "transport=tcp", fmt.Sprintf("turns:127.0.0.1:%d?", s.turnPorts.tls), "turns:127.0.0.1:" + https + "?"} {
		t.Run(way, func(t *testing.T) {
			before := s.turn.Stats()
			servers := only(s.transportOptions("p1").ICEServers, way)
			if len(servers) != 1 || !strings.HasPrefix(servers[0].URLs[0], "turn") {
				t.Fatalf("%+v", servers)
			}
			linked(t, peer.Config{ICEServers: servers, Ways: peer.WaysRelay, TLS: trust})
			after := s.turn.Stats()
			if after.AllocationsTotal < before.AllocationsTotal+2 || after.Bytes == before.Bytes {
				t.Errorf("not through the relay: %+v", after)
			}
		})
	}
}

// coturn runs a real TURN server on loopback with a shared secret and returns its addresses: one for UDP
// and TCP, one for TLS with a certificate of nobody but roots.
func coturn(t *testing.T, secret string) (plain, secured string, roots *x509.CertPool) {
	t.Helper()
	path, err := exec.LookPath("turnserver")
	if err != nil {
		t.Fatal("coturn is missing: run make setup")
	}
	plain, secured = freeAddress(t), freeAddress(t)
	port, tlsPort := portOf(plain), portOf(secured)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots = writeCert(t, certFile, keyFile, 1, time.Now())
	c := exec.Command(path, "-n", "--use-auth-secret", "--static-auth-secret="+secret, "--realm=test", "--listening-ip=127.0.0.1",
		"--relay-ip=127.0.0.1", "--listening-port="+port, "--allow-loopback-peers", "--tls-listening-port="+tlsPort, "--cert="+certFile, "--pkey="+keyFile, "--no-dtls", "--no-cli", "--no-rfc5780",
		"--pidfile="+dir+"/pid", "--userdb="+dir+"/db", "--log-file="+dir+"/log", "--simple-log")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	for _, address := range []string{plain, secured} {
		waitFor(t, 20*time.Second, "coturn listens", func() bool {
			conn, err := net.Dial("tcp4", address)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
	return plain, secured, roots
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func TestPerformersMeetThroughCoturnWithASharedSecret(t *testing.T) {
	const secret = "of-coturn-and-ours"
	address, secured, roots := coturn(t, secret)
	cfg := testConfig(t)
	cfg.FFmpeg, cfg.TURNListen, cfg.TURNSecret = off, off, secret
	cfg.ICEServers = []ICEServer{{URLs: []string{"stun:" + address}}, {URLs: []string{"turn:" + address + "?transport=udp", "turn:" + address + "?transport=tcp", "turns:" + secured + "?transport=tcp"}}}
	s, _ := start(t, cfg)
	for _, way := range []string{"transport=udp", "turn:" + address + "?transport=tcp", "turns:"} {
		options := s.transportOptions("p1")
		if options.TTLSeconds != int(credentialLife.Seconds()) || options.ICEServers[0].Username != "" {
			t.Fatalf("%+v", options)
		}
		linked(t, peer.Config{ICEServers: only(options.ICEServers, way), Ways: peer.WaysRelay, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	}
}

func TestWhoIsTakenOutLosesTheRelay(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, _ := start(t, cfg)
	p, other := joinRoom(t, linkOf(t, s, "performer"), "Ai", 0), joinRoom(t, linkOf(t, s, "performer"), "Ben", 0)
	own := only(p.joined.TransportOptions.ICEServers, "transport=udp")
	linked(t, peer.Config{ICEServers: own, Ways: peer.WaysRelay})
	if n := s.turn.Stats().Allocations; n == 0 {
		t.Fatal("no relay is in use")
	}
	linked(t, peer.Config{ICEServers: only(other.joined.TransportOptions.ICEServers, "transport=udp"), Ways: peer.WaysRelay})
	both := s.turn.Stats().Allocations
	must(t, s.registry.Remove(demoRoom, p.joined.ParticipantID))
	waitFor(t, 10*time.Second, "its relays end", func() bool { return s.turn.Stats().Allocations <= both/2 })
	if n := s.turn.Stats().Allocations; n == 0 {
		t.Error("another participant's relays ended, too")
	}
}

func TestPerformersAreToldOfRelaysInOrder(t *testing.T) {
	s := &Server{cfg: Default(), base: "https://live.example.org", turn: &turnserver.Server{}, split: &turnserver.Splitter{}, turnSecret: []byte("x")}
	s.turnPorts.plain, s.turnPorts.tls = 3478, 5349
	s.cfg.ICEServers = []ICEServer{{URLs: []string{"stun:stun.example.org"}}, {URLs: []string{"turn:fixed.example.org"}, Username: "u", Credential: "c"}}
	got := s.transportOptions("p1").ICEServers
	var urls [][]string
	for _, server := range got {
		urls = append(urls, server.URLs)
	}
	want := [][]string{
		{"stun:live.example.org:3478"},
		{"turn:live.example.org:3478?transport=udp", "turn:live.example.org:3478?transport=tcp", "turns:live.example.org:5349?transport=tcp", "turns:live.example.org:443?transport=tcp"},
		{"stun:stun.example.org"}, {"turn:fixed.example.org"},
	}
	if !reflect.DeepEqual(urls, want) {
		t.Errorf("%q", urls)
	}
	if !strings.HasSuffix(got[1].Username, ":p1") || got[1].Credential == "" || got[3].Username != "u" || got[0].Username != "" {
		t.Errorf("%+v", got)
	}
	s.cfg.BehindProxy, s.cfg.Announce, s.split = []string{"10.0.0.0/8"}, []string{"203.0.113.7"}, nil
	s.turnPorts.tls = 0
	if _, turn := s.turnURLs(); !reflect.DeepEqual(turn, []string{"turn:203.0.113.7:3478?transport=udp", "turn:203.0.113.7:3478?transport=tcp"}) {
		t.Errorf("behind a proxy: %q", turn)
	}
}

func TestTURNConfigurationIsChecked(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.TURNListen = "x" }, "turn-listen"},
		{func(c *Config) { c.TURNListen = "0.0.0.0:3478"; c.Dev = true }, "turn-listen"},
		{func(c *Config) { c.TURNTLS = "5349" }, "turn-tls"},
		{func(c *Config) { c.TURNRelayPorts = "50000" }, "turn-relay-ports"},
		{func(c *Config) { c.TURNRelayPorts = "50010-50000" }, "turn-relay-ports"},
		{func(c *Config) { c.TURNRelayPorts = "80-90" }, "turn-relay-ports"},
		{func(c *Config) { c.TURNAllow = []string{"10.0.0.0/99"} }, "turn-allow"},
		{func(c *Config) { c.ICEServers = []ICEServer{{URLs: []string{"turn:a"}}} }, "turn-secret"},
	} {
		cfg := Default()
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
	cfg := Default()
	cfg.TURNSecret, cfg.TURNAllow = "s", []string{"10.0.0.0/8", "192.168.1.1"}
	cfg.ICEServers = []ICEServer{{URLs: []string{"turn:a"}}}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDoctorLooksAtTheRelaysPorts(t *testing.T) {
	busy, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	cfg := testConfig(t)
	if found, err := examineTURN(&cfg); err != nil || !strings.Contains(found, "49152-49407") {
		t.Error(found, err)
	}
	cfg.TURNListen = busy.Addr().String()
	if _, err := examineTURN(&cfg); err == nil || !strings.Contains(err.Error(), "--turn-listen") {
		t.Error(err)
	}
	cfg.TURNListen = off
	if found, err := examineTURN(&cfg); err != nil || !strings.HasPrefix(found, off) {
		t.Error(found, err)
	}
}
