package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"gasso/net/signaling"
)

// Ways says which ways to the other side a link looks for.
type Ways string

// The ways: all of them, through relays only, over TCP only. The latter two are for tests and for
// finding out what a network lets through.
const (
	WaysAuto  Ways = "auto"
	WaysRelay Ways = "relay"
	WaysTCP   Ways = "tcp"
)

// How long each step of the ladder waits for the one before to connect: directly, by a relay over UDP,
// by one over TCP or TLS. A relay that nobody needs would take one of its ports for as long as the link lives.
const (
	relayAfter    = 400 * time.Millisecond
	tcpRelayAfter = 1200 * time.Millisecond
)

var (
	errNotNeeded = errors.New("the link needs no relay")
	errOnlyTCP   = errors.New("only TCP is to be used")
)

// reach is how one link's ICE agent reaches the network. It implements transport.Net, with addresses as
// they are now instead of when the link was made, and proxy.Dialer, over which pion opens TCP and TLS to
// TURN servers: that holds relays back until they are needed, trusts our own authority and knows proxies.
type reach struct {
	transport.Net
	ways     Ways
	toServer bool
	dialer   relayDialer

	mu     sync.Mutex // guards what follows
	secure map[string]bool
	began  time.Time
	tried  map[string]bool // since began
	needed context.Context // done when the link is connected, restarted or closed
	settle context.CancelFunc
	closed bool
}

func newReach(cfg *Config) (*reach, error) {
	network := cfg.network
	if network == nil {
		system, err := stdnet.NewNet()
		if err != nil {
			return nil, fmt.Errorf("look at network interfaces: %w", err)
		}
		network = system
	}
	r := &reach{Net: network, ways: cfg.Ways, dialer: relayDialer{tls: cfg.TLS, proxy: cfg.Proxy}}
	if r.dialer.proxy == nil {
		r.dialer.proxy = http.ProxyFromEnvironment
	}
	r.again(nil)
	return r, nil
}

// again begins a new look for ways, with the TURN servers that take TLS.
func (r *reach) again(secure map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if r.settle != nil {
		r.settle()
	}
	r.needed, r.settle = context.WithCancel(context.Background())
	r.secure, r.began, r.tried = secure, time.Now(), map[string]bool{}
}

// found says that the link is connected: what is under way ends.
func (r *reach) found() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
}

// close ends everything for good.
func (r *reach) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.settle()
}

// claim is the right to try a TURN server once in each look, and how long to wait before; pion asks for each
// local address, which makes no difference over TCP.
func (r *reach) claim(server string, after time.Duration) (needed context.Context, wait time.Duration, secure, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tried[server] {
		return nil, 0, false, false
	}
	r.tried[server] = true
	_, address, _ := cutNetwork(server)
	return r.needed, time.Until(r.began.Add(after)), r.secure[address], true
}

func cutNetwork(server string) (network, address string, ok bool) {
	if len(server) < len("tcp4 ") {
		return "", "", false
	}
	return server[:4], server[5:], true
}

// held waits until a relay is needed, or says that it is not.
func held(needed context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-needed.Done():
	case <-timer.C:
	}
	if needed.Err() != nil {
		return errNotNeeded
	}
	return nil
}

// Interfaces are those of now: addresses come and go while a link lives.
func (r *reach) Interfaces() ([]*transport.Interface, error) {
	if _, system := r.Net.(*stdnet.Net); !system {
		return r.Net.Interfaces()
	}
	now, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	return now.Interfaces()
}

// ListenUDP opens a socket for the direct way.
func (r *reach) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	if r.ways == WaysTCP {
		return nil, errOnlyTCP
	}
	return r.Net.ListenUDP(network, local)
}

// ListenPacket opens a socket toward a TURN server over UDP, once one is needed.
func (r *reach) ListenPacket(network, local string) (net.PacketConn, error) {
	if r.ways == WaysTCP {
		return nil, errOnlyTCP
	}
	r.mu.Lock()
	needed, wait := r.needed, time.Until(r.began.Add(r.patience(relayAfter)))
	r.mu.Unlock()
	if err := held(needed, wait); err != nil {
		return nil, err
	}
	return r.Net.ListenPacket(network, local)
}

// Dial connects to a TURN server over TCP or TLS, once one is needed.
func (r *reach) Dial(network, server string) (net.Conn, error) {
	needed, wait, secure, ok := r.claim(network+" "+server, r.patience(tcpRelayAfter))
	if !ok {
		return nil, errNotNeeded
	}
	if err := held(needed, wait); err != nil {
		return nil, err
	}
	return r.dialer.dial(needed, network, server, secure)
}

// patience leaves out what the ways do not offer.
func (r *reach) patience(after time.Duration) time.Duration {
	switch r.ways {
	case WaysRelay:
		return after - relayAfter
	case WaysTCP:
		return relayAfter
	}
	return after
}

// configure makes an ICE agent use the reach.
func (r *reach) configure(e *webrtc.SettingEngine) {
	e.SetNet(r)
	e.DisableActiveTCP(!r.toServer) // nobody else listens, so what a performer names would be somebody else's
	e.SetICEProxyDialer(r)
}

func (w Ways) policy() webrtc.ICETransportPolicy {
	if w == WaysRelay {
		return webrtc.ICETransportPolicyRelay
	}
	return webrtc.ICETransportPolicyAll
}

// renewWays looks for ways anew before an ICE restart, with the servers of now: credentials expire.
func (l *Link) renewWays() {
	if l.reach == nil {
		return
	}
	f := l.factory
	f.mu.Lock()
	servers, secure := f.servers, f.secure
	f.mu.Unlock()
	l.reach.again(secure)
	known := reflect.DeepEqual(l.pc.GetConfiguration().ICEServers, servers)
	if known || l.pc.ICEGatheringState() == webrtc.ICEGatheringStateGathering { // which reads those that pion has
		return
	}
	err := l.pc.SetConfiguration(webrtc.Configuration{ICEServers: servers, ICETransportPolicy: f.cfg.Ways.policy()})
	if err != nil {
		l.log.Info("servers for connections not renewed", "error", err)
	}
}

// iceServers converts servers for pion. mayBlock tells whether one is reached over TCP, where a write
// waits for the network; secure are those with TLS, as host:port.
func iceServers(servers []signaling.ICEServer) (converted []webrtc.ICEServer, mayBlock bool, secure map[string]bool, err error) {
	secure = map[string]bool{}
	for _, s := range servers {
		server := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
		if s.Credential != "" {
			server.Credential = s.Credential
		}
		converted = append(converted, server)
		for _, text := range s.URLs {
			url, err := stun.ParseURI(text)
			if err != nil {
				return nil, false, nil, fmt.Errorf("use ICE servers: %q: %w", text, err)
			}
			if url.Proto != stun.ProtoTypeTCP {
				continue
			}
			mayBlock = true
			if url.Scheme == stun.SchemeTypeTURNS {
				secure[net.JoinHostPort(url.Host, strconv.Itoa(url.Port))] = true
			}
		}
	}
	return converted, mayBlock, secure, nil
}

// tlsFor is the configuration toward one server.
func (d *relayDialer) tlsFor(host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.tls != nil {
		c = d.tls.Clone()
	}
	c.ServerName = host
	c.NextProtos = nil // what signaling speaks is not spoken here
	return c
}
