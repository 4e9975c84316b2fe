package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"gasso/net/intake"
)

// Sizes of a server's buffers in bytes. The TCP write buffer is short: what waits there is late, and
// what does not fit is dropped, so that a stuck receiver never holds a sender.
const (
	udpSocketBuffer = 4 << 20
	tcpWriteBuffer  = 128 << 10
	tcpReadPackets  = 64
	freePortTries   = 16

	maxTCPConnections = 2048 // ICE-TCP
	maxTCPSilent      = 256  // of them, without a first message
)

// PortRange is a range of ports, both ends included. {0, 0} is any free port.
type PortRange struct{ Min, Max uint16 }

// String returns PORT or MIN-MAX.
func (r PortRange) String() string {
	if r.Min == r.Max {
		return strconv.Itoa(int(r.Min))
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}

// MuxConfig says which ports a server listens on for media.
type MuxConfig struct {
	UDP      *PortRange   // one shard for a port, several for a range; nil: no UDP
	TCP      *PortRange   // ICE-TCP on the first free port of the range; nil: no TCP
	Loopback bool         // listen on 127.0.0.1 alone
	Announce []netip.Addr // tell these addresses in place of local ones (a server behind NAT)
	Log      *slog.Logger // nil: discard
}

// Mux is a server's shared media sockets: all links go through one UDP port, or a few (shards) of a
// range, and one TCP port. A range spreads links over sockets; it is never one port for each.
type Mux struct {
	cfg    MuxConfig
	rules  []webrtc.ICEAddressRewriteRule
	locals map[netip.Addr]bool // listen on these alone; empty: on all
	shards []shard
	tcp    *ice.TCPMuxDefault
	intake *intake.Listener // of tcp

	counted muxCounters
	fanOuts atomic.Int32 // under way

	closing  sync.Once
	closeErr error
}

// shard is one UDP port, on every local address. mux is nil where there is no UDP.
type shard struct {
	port int
	mux  *udpMux
}

// NewMux opens the sockets. A single port that is in use is an error that names it.
func NewMux(cfg MuxConfig) (*Mux, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.UDP == nil && cfg.TCP == nil {
		return nil, errors.New("media needs a UDP or a TCP port; set at least one")
	}
	m := &Mux{cfg: cfg, locals: map[netip.Addr]bool{}}
	for _, announced := range cfg.Announce {
		if err := m.announce(announced); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(m.openUDP(), m.openTCP()); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// announce finds the local address behind an announced one and listens on it alone: a rule for all
// addresses would give the announced one to whichever interface comes first.
func (m *Mux) announce(announced netip.Addr) error {
	local, err := LocalAddressFor(announced, m.cfg.Loopback)
	if err != nil {
		return fmt.Errorf("find the local address for announced address %s: %w", announced, err)
	}
	m.locals[local] = true
	for i := range m.rules {
		if m.rules[i].Local == local.String() {
			m.rules[i].External = append(m.rules[i].External, announced.String())
			return nil
		}
	}
	m.rules = append(m.rules, webrtc.ICEAddressRewriteRule{
		External:        []string{announced.String()},
		Local:           local.String(),
		AsCandidateType: webrtc.ICECandidateTypeHost,
		Mode:            webrtc.ICEAddressRewriteReplace,
	})
	return nil
}

// LocalAddressFor returns announced itself when an interface has it, else the address from which
// this machine would send there. Nothing is sent.
func LocalAddressFor(announced netip.Addr, loopback bool) (netip.Addr, error) {
	if loopback {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	conn, err := net.Dial("udp", netip.AddrPortFrom(announced, 9).String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// openUDP opens at most two shards for each processor: more of them share no work any better.
func (m *Mux) openUDP() error {
	if m.cfg.UDP == nil {
		m.shards = []shard{{}}
		return nil
	}
	wanted := min(int(m.cfg.UDP.Max)-int(m.cfg.UDP.Min)+1, 2*runtime.GOMAXPROCS(0))
	var last error
	for port := int(m.cfg.UDP.Min); port <= int(m.cfg.UDP.Max) && len(m.shards) < wanted; port++ {
		s, err := m.openShard(port)
		if err != nil {
			last = err
			continue
		}
		m.shards = append(m.shards, s)
	}
	if len(m.shards) == 0 {
		return portError("UDP", *m.cfg.UDP, last)
	}
	return nil
}

// openShard listens on one port of every address. For port 0 the first address chooses, and
// where another address has that port in use already, it chooses again.
func (m *Mux) openShard(port int) (s shard, err error) {
	for range freePortTries {
		chosen := port
		if port == 0 {
			if chosen, err = freeUDPPort(); err != nil {
				return shard{}, err
			}
		}
		if s, err = m.listenUDP(chosen); err == nil || port != 0 {
			return s, err
		}
	}
	return shard{}, err
}

// listenUDP opens a socket on each local address.
func (m *Mux) listenUDP(port int) (shard, error) {
	locals, err := m.localAddresses()
	if err != nil {
		return shard{}, err
	}
	if len(locals) == 0 {
		return shard{}, errors.New("no network interface with an address is up")
	}
	var sockets []*udpSocket
	for _, local := range locals {
		socket, err := listenUDPSocket(local, port)
		if err != nil {
			for _, s := range sockets {
				err = errors.Join(err, s.conn.Close())
			}
			return shard{}, err
		}
		sockets = append(sockets, socket)
	}
	return shard{port: port, mux: newUDPMux(sockets, &m.counted, &m.fanOuts, m.cfg.Log)}, nil
}

// localAddresses are those to listen on.
func (m *Mux) localAddresses() (locals []netip.Addr, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 && !m.cfg.Loopback {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has gone
		}
		for _, a := range addresses {
			ip, ok := a.(*net.IPNet)
			if !ok || !m.keepIP(ip.IP) || m.cfg.Loopback && ip.IP.To4() == nil {
				continue
			}
			addr, _ := netip.AddrFromSlice(ip.IP) // keepIP took it
			locals = append(locals, addr.Unmap())
		}
	}
	return locals, nil
}

// keepIP tells whether to listen on a local address.
func (m *Mux) keepIP(ip net.IP) bool {
	addr, ok := netip.AddrFromSlice(ip)
	addr = addr.Unmap()
	switch {
	case !ok || addr.IsLinkLocalUnicast():
		return false
	case len(m.locals) > 0:
		return m.locals[addr]
	case m.cfg.Loopback:
		return addr.IsLoopback()
	}
	return true
}

func freeUDPPort() (int, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).Port, nil
}

func (m *Mux) openTCP() error {
	if m.cfg.TCP == nil {
		return nil
	}
	host := ""
	if m.cfg.Loopback {
		host = "127.0.0.1"
	}
	var last error
	for port := int(m.cfg.TCP.Min); port <= int(m.cfg.TCP.Max); port++ {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		m.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener:                     m.bounded(listener),
			Logger:                       pionLog{log: m.cfg.Log}.NewLogger("ice-tcp"),
			ReadBufferSize:               tcpReadPackets,
			WriteBufferSize:              tcpWriteBuffer,
			FirstStunBindTimeout:         5 * time.Second,
			AliveDurationForConnFromStun: 10 * time.Second,
		})
		return nil
	}
	return portError("TCP", *m.cfg.TCP, last)
}

// bounded bounds ICE-TCP connections and closes them with the listener: pion waits for those that have not
// said who they are yet.
func (m *Mux) bounded(l net.Listener) net.Listener {
	m.intake = intake.New(l, intake.Config{Most: maxTCPConnections, Silent: maxTCPSilent, CloseAll: true})
	return m.intake
}

func portError(network string, ports PortRange, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("media port %s %s is in use; stop the other program or choose another port: %w", network, ports, err)
	}
	return fmt.Errorf("listen on media port %s %s: %w", network, ports, err)
}

// configure makes PeerConnections use the shared sockets.
func (m *Mux) configure(e *webrtc.SettingEngine, s shard) error {
	e.SetIPFilter(m.keepIP)
	if m.cfg.Loopback {
		e.SetIncludeLoopbackCandidate(true)
	}
	var networks []webrtc.NetworkType
	if s.mux != nil {
		e.SetICEUDPMux(s.mux)
		networks = append(networks, webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6)
	}
	if m.tcp != nil {
		e.SetICETCPMux(m.tcp)
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	if s.mux != nil && m.tcp != nil {
		e.SetHostAcceptanceMinWait(150 * time.Millisecond) // UDP wins although a TCP check came first
	}
	e.SetNetworkTypes(networks)
	e.DisableActiveTCP(true)
	if err := e.SetICEAddressRewriteRules(m.rules...); err != nil {
		return fmt.Errorf("announce addresses: %w", err)
	}
	return nil
}

// UDPPorts are the UDP ports in use, one for each shard; none without UDP.
func (m *Mux) UDPPorts() (ports []int) {
	for _, s := range m.shards {
		if s.mux != nil {
			ports = append(ports, s.port)
		}
	}
	return ports
}

// TCPPort is the ICE-TCP port, 0 without TCP.
func (m *Mux) TCPPort() int {
	if m.tcp == nil {
		return 0
	}
	return m.tcp.LocalAddr().(*net.TCPAddr).Port
}

// Counters may be polled.
func (m *Mux) Counters() MuxCounters {
	c := &m.counted
	refused := int64(0)
	if m.intake != nil {
		refused = m.intake.Refused()
	}
	return MuxCounters{
		Refused: refused,
		Unknown: c.unknown.Load(), Unvalidated: c.unvalidated.Load(), Limited: c.limited.Load(),
		Overflow: c.overflow.Load(), Unsent: c.unsent.Load(), Unproven: c.unproven.Load(), Panics: c.panics.Load(),
	}
}

// Close closes the sockets. A Factory that got the Mux does it at its own end; closing again, or
// closing no Mux, does nothing.
func (m *Mux) Close() error {
	if m == nil {
		return nil
	}
	m.closing.Do(func() { m.closeErr = m.closeSockets() })
	return m.closeErr
}

func (m *Mux) closeSockets() error {
	var errs []error
	for _, s := range m.shards {
		if s.mux != nil {
			errs = append(errs, s.mux.Close())
		}
	}
	if m.tcp != nil {
		errs = append(errs, m.tcp.Close())
	}
	return errors.Join(errs...)
}
