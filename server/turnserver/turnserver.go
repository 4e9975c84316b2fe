// Package turnserver is the relay for performers whose networks let nothing else through (TURN,
// RFC 8656) and answers where they come from (STUN, RFC 8489), over UDP, TCP and TLS. It relays UDP
// only, for participants with credentials of limited life, within quotas, and never to addresses that
// are nobody's on the Internet.
package turnserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

const (
	realm              = "gasso"
	relaySocketBuffer  = 256 << 10 // bytes
	serverSocketBuffer = 4 << 20
	maxBytesPerSecond  = 2500000 // of one allocation each way: 20 Mbit/s, 32 performers' music
	burstBytes         = 512 << 10
	perParticipant     = 32  // allocations: 7 performers and the server, each by UDP, TCP and two ports with TLS
	shareOfAddress     = 4   // of all, that one network may have: a hall behind one address
	maxPeers           = 128 // permissions of one allocation
	maxChannels        = 256
	grace              = 24 * time.Hour // an allocation may outlive its credentials, RFC-less custom of TURN REST
)

// PortRange is a range of UDP ports, both ends included.
type PortRange struct{ Min, Max uint16 }

// Relay is an address of this machine to relay from, and how others know it.
type Relay struct{ Local, Public netip.Addr }

// Config says where a Server listens and what it relays.
type Config struct {
	Packets []net.PacketConn // UDP sockets
	Streams []net.Listener   // TCP, TLS already ended where there is any
	Secret  []byte           // of Credentials
	Relays  []Relay          // one for each address family
	Ports   PortRange        // of relayed addresses

	OwnPorts []int            // UDP ports of this server's media, which may be relayed to
	Own      []netip.Addr     // further addresses under which this server's media is announced
	Closed   []netip.Addr     // other addresses of this machine, which nothing is relayed to
	Allow    []netip.Prefix   // networks that may be relayed to although they are private
	Now      func() time.Time // time.Now when nil
	Log      *slog.Logger     // discarded when nil
}

// Server is a TURN server. It runs from New to Close.
type Server struct {
	cfg     Config
	log     *slog.Logger
	policy  policy
	quota   *quota
	guard   *guard
	streams streams
	counts  struct {
		refused, forbidden, limited, flooded, malformed, quota, unauthorized, bytes, allocations, panics atomic.Int64
	}
	turn *turn.Server

	mu      sync.RWMutex // guards what follows
	relays  map[netip.AddrPort]*relayConn
	clients map[client]*relayConn
	void    map[string]time.Time // by participant: credentials that expire before are none
	swept   time.Time            // void, last
}

// client is where a client comes from.
type client struct {
	network string
	from    netip.AddrPort
}

func clientOf(a net.Addr) client {
	switch a := a.(type) {
	case *net.UDPAddr:
		p := a.AddrPort()
		return client{"udp", netip.AddrPortFrom(p.Addr().WithZone("").Unmap(), p.Port())}
	case *net.TCPAddr:
		p := a.AddrPort()
		return client{"tcp", netip.AddrPortFrom(p.Addr().WithZone("").Unmap(), p.Port())}
	}
	return client{}
}

// Stats counts what a Server did.
type Stats struct {
	Allocations      int   // now
	AllocationsTotal int64 // ever
	Streams          int   // connections over TCP and TLS now
	Bytes            int64 // relayed, both ways
	Unauthorized     int64 // requests with wrong or expired credentials
	OverQuota        int64 // allocations refused for lack of room
	Forbidden        int64 // datagrams and permissions to or from addresses on the deny list
	OverRate         int64 // datagrams above an allocation's bandwidth
	Flooded          int64 // datagrams of strangers that were not looked at
	RefusedStreams   int64 // connections above the bounds
	Malformed        int64 // datagrams and messages that are no TURN
	Panics           int64 // mistakes of the server over one of them; should stay 0
}

// New starts a server. It owns the sockets from now on, also when it fails.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, guard: newGuard(), policy: newPolicy(&cfg),
		streams: streams{open: map[*stream]struct{}{}, hosts: map[netip.Addr]int{}},
		relays:  map[netip.AddrPort]*relayConn{}, clients: map[client]*relayConn{},
		void: map[string]time.Time{},
	}
	s.quota = quotaOf(cfg.Ports)
	var err error
	if s.turn, err = turn.NewServer(s.turnConfig()); err != nil {
		return nil, errors.Join(fmt.Errorf("start TURN server: %w", err), s.closeSockets())
	}
	return s, nil
}

func newPolicy(cfg *Config) policy {
	p := policy{allow: cfg.Allow, own: map[netip.Addr]bool{}, closed: map[netip.Addr]bool{}, ownPorts: map[uint16]bool{}, relay: cfg.Ports}
	for _, a := range cfg.Own {
		p.own[a.WithZone("").Unmap()] = true
	}
	for _, a := range cfg.Closed {
		p.closed[a.WithZone("").Unmap()] = true
	}
	for _, r := range cfg.Relays {
		p.own[r.Local], p.own[r.Public] = true, true
	}
	for _, port := range cfg.OwnPorts {
		p.ownPorts[uint16(port)] = true
	}
	return p
}

func (s *Server) turnConfig() turn.ServerConfig {
	quiet := logging.NewDefaultLoggerFactory() // what matters is counted here
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	c := turn.ServerConfig{
		Realm: realm, AuthHandler: s.authenticate, QuotaHandler: s.hasRoom, LoggerFactory: quiet,
		EventHandler: turn.EventHandler{
			OnAuth: func(_, _ net.Addr, _, _, _, _ string, verdict bool) {
				if !verdict {
					s.counts.unauthorized.Add(1)
				}
			},
			OnAllocationCreated: s.allocationCreated, OnAllocationDeleted: s.allocationDeleted,
			OnPermissionCreated: s.permissionCreated, OnPermissionDeleted: s.permissionDeleted,
			OnChannelCreated: s.channelCreated, OnChannelDeleted: s.channelDeleted,
		},
	}
	for _, p := range s.cfg.Packets {
		if socket, ok := p.(*net.UDPConn); ok { // as much of it as the system grants
			_ = errors.Join(socket.SetReadBuffer(serverSocketBuffer), socket.SetWriteBuffer(serverSocketBuffer))
		}
		c.PacketConnConfigs = append(c.PacketConnConfigs, turn.PacketConnConfig{
			PacketConn: &guardedPackets{PacketConn: p, s: s}, RelayAddressGenerator: relays{s}, PermissionHandler: s.permits,
		})
	}
	for _, l := range s.cfg.Streams {
		c.ListenerConfigs = append(c.ListenerConfigs, turn.ListenerConfig{
			Listener: &streamListener{Listener: l, s: s}, RelayAddressGenerator: relays{s}, PermissionHandler: s.permits,
		})
	}
	return c
}

// authenticate implements turn.AuthHandler. What exists goes on with the credentials that it was made
// with, since a client cannot change them.
func (s *Server) authenticate(ra *turn.RequestAttributes) (participant string, key []byte, ok bool) {
	defer s.recovered()
	participant, expiry, known := parseUsername(ra.Username)
	known = known && !s.isVoid(participant, expiry)
	if known && !s.cfg.Now().Before(expiry) {
		c := s.clientAt(clientOf(ra.SrcAddr))
		known = c != nil && c.participant == participant && s.cfg.Now().Before(expiry.Add(grace))
	}
	if !known || ra.Realm != realm {
		s.counts.unauthorized.Add(1)
		return "", nil, false
	}
	return participant, turn.GenerateAuthKey(ra.Username, realm, passwordOf(s.cfg.Secret, ra.Username)), true
}

// hasRoom implements turn.QuotaHandler.
func (s *Server) hasRoom(participant, _ string, from net.Addr) (ok bool) {
	defer s.recovered()
	ok = s.quota.has(participant, clientOf(from).from.Addr())
	if !ok {
		s.counts.quota.Add(1)
		s.log.Debug("relay refused: quota reached", "participant", participant)
	}
	return ok
}

// permits implements turn.PermissionHandler, for new permissions and those that are renewed.
func (s *Server) permits(from net.Addr, peer net.IP) (ok bool) {
	defer s.recovered()
	a, ok := netip.AddrFromSlice(peer)
	c := s.clientAt(clientOf(from))
	if !ok || c == nil || !s.policy.allowsHost(a) {
		s.counts.forbidden.Add(1)
		return false
	}
	a = a.Unmap()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peers[a] || len(c.peers) < maxPeers
}

func (s *Server) relayAddress(six bool) (Relay, bool) {
	for _, r := range s.cfg.Relays {
		if r.Public.Is6() == six {
			return r, true
		}
	}
	return Relay{}, false
}

func (s *Server) clientAt(c client) *relayConn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clients[c]
}

// isClient tells whether somebody has an allocation.
func (s *Server) isClient(c client) bool { return s.clientAt(c) != nil }

func (s *Server) relayAt(public net.Addr) *relayConn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.relays[clientOf(public).from]
}

func (s *Server) opened(c *relayConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relays[c.public] = c
}

func (s *Server) ended(c *relayConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relays[c.public] == c {
		delete(s.relays, c.public)
	}
}

func (s *Server) allocationCreated(src, _ net.Addr, _, participant, _ string, public net.Addr, _ int) {
	defer s.recovered()
	s.counts.allocations.Add(1)
	from, c := clientOf(src), s.relayAt(public)
	if c == nil {
		return
	}
	s.mu.Lock()
	s.clients[from] = c
	s.mu.Unlock()
	s.quota.at(from.from.Addr(), 1)
	s.log.Debug("relay opened", "participant", participant, "client", from.from.String(), "over", from.network, "relayed", public.String())
}

func (s *Server) allocationDeleted(src, _ net.Addr, _, participant, _ string) {
	defer s.recovered()
	from := clientOf(src)
	s.mu.Lock()
	c := s.clients[from]
	delete(s.clients, from)
	s.mu.Unlock()
	if c != nil {
		s.quota.at(from.from.Addr(), -1)
		s.log.Debug("relay closed", "participant", participant, "client", from.from.String())
	}
}

func (s *Server) permissionCreated(_, _ net.Addr, _, _, _ string, public net.Addr, peer net.IP) {
	s.withPeer(public, peer, func(c *relayConn, a netip.Addr) { c.peers[a] = true })
}

func (s *Server) permissionDeleted(_, _ net.Addr, _, _, _ string, public net.Addr, peer net.IP) {
	s.withPeer(public, peer, func(c *relayConn, a netip.Addr) { delete(c.peers, a) })
}

func (s *Server) withPeer(public net.Addr, peer net.IP, do func(*relayConn, netip.Addr)) {
	defer s.recovered()
	a, ok := netip.AddrFromSlice(peer)
	c := s.relayAt(public)
	if !ok || c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c, a.Unmap())
}

// channelCreated ends an allocation that binds more channels than anybody needs: each is looked
// through for each datagram.
func (s *Server) channelCreated(_, _ net.Addr, _, participant, _ string, public, _ net.Addr, _ uint16) {
	defer s.recovered()
	c := s.relayAt(public)
	if c == nil {
		return
	}
	c.mu.Lock()
	c.channels++
	many := c.channels > maxChannels
	c.mu.Unlock()
	if many {
		s.counts.quota.Add(1)
		s.log.Warn("relay ended: too many channels", "participant", participant)
		_ = c.UDPConn.Close() // the reader ends, and with it the allocation
	}
}

func (s *Server) channelDeleted(_, _ net.Addr, _, _, _ string, public, _ net.Addr, _ uint16) {
	defer s.recovered()
	if c := s.relayAt(public); c != nil {
		c.mu.Lock()
		c.channels--
		c.mu.Unlock()
	}
}

// Stats are the figures so far.
func (s *Server) Stats() Stats {
	s.streams.mu.Lock()
	streams := len(s.streams.open)
	s.streams.mu.Unlock()
	return Stats{
		Allocations: s.quota.count(), AllocationsTotal: s.counts.allocations.Load(), Streams: streams,
		Bytes: s.counts.bytes.Load(), Unauthorized: s.counts.unauthorized.Load(), OverQuota: s.counts.quota.Load(),
		Forbidden: s.counts.forbidden.Load(), OverRate: s.counts.limited.Load(), Flooded: s.counts.flooded.Load(),
		RefusedStreams: s.counts.refused.Load(), Malformed: s.counts.malformed.Load(), Panics: s.counts.panics.Load(),
	}
}

// Close ends every relay and connection.
func (s *Server) Close() error {
	err := s.closeSockets()
	s.streams.close()
	s.mu.Lock()
	all := make([]*relayConn, 0, len(s.relays))
	for _, c := range s.relays {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // its reader ends the allocation
	}
	return err
}

func (s *Server) closeSockets() error {
	var errs []error
	for _, p := range s.cfg.Packets {
		errs = append(errs, p.Close())
	}
	for _, l := range s.cfg.Streams {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
