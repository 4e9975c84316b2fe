package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gasso/net/intake"
	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/turnserver"
)

const (
	turnPort       = "3478" // RFC 8656, section 16
	turnTLSPort    = "5349"
	credentialLife = 2 * time.Hour // of TURN credentials; apps ask for new ones in time
	samePortTries  = 16
	maxTURNSilent  = 256 // connections without a first message, of each port
)

// turnAddress is where TURN listens over UDP and TCP, "" for nowhere.
func (c *Config) turnAddress() string { return c.portAddress(c.TURNListen, turnPort) }

// turnTLSAddress is where TURN listens over TLS, "" for nowhere.
func (c *Config) turnTLSAddress() string {
	if c.TURNListen == off || !c.tls() {
		return ""
	}
	return c.portAddress(c.TURNTLS, turnTLSPort)
}

// portAddress completes PORT or HOST:PORT. Servers that take any port elsewhere do so here.
func (c *Config) portAddress(value, usual string) string {
	if value == off {
		return ""
	}
	if value == "" {
		value = usual
		if _, port, err := net.SplitHostPort(c.httpAddress()); c.Dev || err == nil && port == "0" || c.RTCUDP == "0" {
			value = "0"
		}
	}
	if strings.Contains(value, ":") {
		return value
	}
	if c.Dev {
		return net.JoinHostPort("127.0.0.1", value)
	}
	return net.JoinHostPort("", value)
}

// relayPorts are the ports of TURNRelayPorts.
func (c *Config) relayPorts() (turnserver.PortRange, error) {
	a, b, ranged := strings.Cut(c.TURNRelayPorts, "-")
	first, err := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	if err != nil || !ranged {
		return turnserver.PortRange{}, errors.New("no range")
	}
	last, err := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	if err != nil || first < 1024 || last < first {
		return turnserver.PortRange{}, errors.New("no range")
	}
	return turnserver.PortRange{Min: uint16(first), Max: uint16(last)}, nil
}

func (c *Config) checkTURN() error {
	for key, address := range map[string]string{"turn-listen": c.turnAddress(), "turn-tls": c.turnTLSAddress()} {
		if address == "" {
			continue
		}
		if err := checkAddress(address); err != nil {
			return fmt.Errorf("%s: %w: use PORT as in 3478, HOST:PORT, or off", key, err)
		}
		if c.Dev && !loopbackHost(address) {
			return fmt.Errorf("%s: %s can be reached from other machines: under --dev leave the host out", key, address)
		}
	}
	if c.TURNTLS != "" && c.TURNTLS != off && !c.tls() {
		return errors.New("turn-tls: TLS needs a certificate: add --domain NAME, or --tls-cert and --tls-key, or leave it out")
	}
	if _, err := c.relayPorts(); err != nil {
		return fmt.Errorf("turn-relay-ports: %q is no range of ports from 1024 to 65535: use MIN-MAX as in 49152-49407", c.TURNRelayPorts)
	}
	if _, err := networks(c.TURNAllow); err != nil {
		return fmt.Errorf("turn-allow: %w: give networks that may be relayed to, as in 10.1.0.0/16", err)
	}
	return nil
}

// openTURN starts the relay, on ports of its own and on that of HTTPS.
func (s *Server) openTURN() error {
	if s.cfg.turnAddress() == "" {
		return nil
	}
	c, err := s.cfg.turnConfig(s.mux)
	if err != nil {
		return err
	}
	c.Log = s.log
	if c.Secret, err = s.invites.Derive("turn"); err != nil {
		return err
	}
	packets, stream, err := listenTURN(s.cfg.turnAddress())
	if err != nil {
		return err
	}
	s.turnPorts.plain = packets.LocalAddr().(*net.UDPAddr).Port
	stream = intake.New(stream, intake.Config{Silent: maxTURNSilent})
	c.Packets, c.Streams = []net.PacketConn{packets}, []net.Listener{stream}
	closeAll := func() error { return errors.Join(packets.Close(), stream.Close()) }
	if a := s.cfg.turnTLSAddress(); a != "" {
		l, err := listen("turn-tls", a)
		if err != nil {
			return errors.Join(err, closeAll())
		}
		s.turnPorts.tls = l.Addr().(*net.TCPAddr).Port
		t := s.tls.Clone()
		t.NextProtos = nil
		c.Streams = append(c.Streams, tls.NewListener(intake.New(l, intake.Config{Silent: maxTURNSilent}), t))
	}
	if s.tls != nil {
		s.split = turnserver.NewSplitter(s.public, s.tls)
		s.closers = append(s.closers, s.split.Close)
		c.Streams = append(c.Streams, s.split.TURN())
	}
	if s.turn, err = turnserver.New(c); err != nil {
		return err
	}
	s.turnSecret = c.Secret
	s.closers = append(s.closers, s.turn.Close)
	return nil
}

// turnConfig is what may be relayed, and from where.
func (c *Config) turnConfig(mux *peer.Mux) (t turnserver.Config, err error) {
	if t.Ports, err = c.relayPorts(); err != nil {
		return t, err
	}
	if t.Allow, err = networks(c.TURNAllow); err != nil {
		return t, err
	}
	announced, err := c.announced()
	if err != nil {
		return t, err
	}
	if t.Relays, err = relayAddresses(announced, c.Dev); err != nil {
		return t, fmt.Errorf("turn-listen: %w: add --announce IP, or --turn-listen off", err)
	}
	t.OwnPorts = mux.UDPPorts()
	if c.Dev {
		t.Allow = append(t.Allow, netip.MustParsePrefix("127.0.0.0/8"))
		return t, nil
	}
	t.Own, t.Closed = announced, interfaceAddresses()
	return t, nil
}

// relayAddresses are the announced address of each family, else the one that this machine sends from.
func relayAddresses(announced []netip.Addr, loopback bool) (relays []turnserver.Relay, err error) {
	if len(announced) == 0 && !loopback {
		announced = sendingAddresses()
	}
	if len(announced) == 0 && loopback {
		announced = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	seen := map[bool]bool{}
	for _, public := range announced {
		public = public.Unmap()
		if seen[public.Is6()] {
			continue
		}
		local, err := peer.LocalAddressFor(public, loopback)
		if err != nil {
			return nil, fmt.Errorf("find the local address for %s: %w", public, err)
		}
		seen[public.Is6()] = true
		relays = append(relays, turnserver.Relay{Local: local, Public: public})
	}
	if len(relays) == 0 {
		return nil, errors.New("this machine has no address to relay from")
	}
	return relays, nil
}

// sendingAddresses are those from which this machine reaches the Internet; nothing is sent. Without
// a way there it is the first of an interface.
func sendingAddresses() (found []netip.Addr) {
	for _, elsewhere := range []string{"198.51.100.1", "2001:db8::1"} {
		if a, err := peer.LocalAddressFor(netip.MustParseAddr(elsewhere), false); err == nil {
			found = append(found, a)
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, a := range interfaceAddresses() {
		if a.IsGlobalUnicast() {
			return []netip.Addr{a}
		}
	}
	return nil
}

func interfaceAddresses() (found []netip.Addr) {
	all, _ := net.InterfaceAddrs() // none where the system does not tell
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			found = append(found, p.Addr().Unmap())
		}
	}
	return found
}

// listenTURN opens the same port over UDP and TCP.
func listenTURN(address string) (packets net.PacketConn, stream net.Listener, err error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	for range samePortTries {
		if stream, err = listen("turn-listen", address); err != nil {
			return nil, nil, err
		}
		if packets, err = net.ListenPacket("udp", stream.Addr().String()); err == nil {
			return packets, stream, nil
		}
		_ = stream.Close()
		if port != "0" {
			break
		}
	}
	return nil, nil, fmt.Errorf("turn-listen: UDP %s: %w: choose another port with --turn-listen, or off", address, err)
}

// transportOptions is what a performer is told about reaching others: nearest first, TURN in the
// order in which it should be tried.
func (s *Server) transportOptions(participant string) signaling.TransportOptions {
	options := signaling.TransportOptions{Loopback: s.cfg.Dev}
	expiry := time.Now().Add(credentialLife)
	if s.turn != nil {
		username, password := turnserver.Credentials(s.turnSecret, participant, expiry)
		stun, turn := s.turnURLs()
		options.ICEServers = append(options.ICEServers, signaling.ICEServer{URLs: stun},
			signaling.ICEServer{URLs: turn, Username: username, Credential: password})
		options.TTLSeconds = int(credentialLife.Seconds())
	}
	for _, ice := range s.cfg.ICEServers {
		server := signaling.ICEServer(ice)
		if s.cfg.TURNSecret != "" && server.Username == "" && hasTURN(server.URLs) {
			server.Username, server.Credential = turnserver.Credentials([]byte(s.cfg.TURNSecret), participant, expiry)
			options.TTLSeconds = int(credentialLife.Seconds())
		}
		options.ICEServers = append(options.ICEServers, server)
	}
	return options
}

// releaseRelays takes the relays from a participant that left. Credentials that it gets on coming back
// hold; one who was taken out gets none, so that those of this very second are void, too.
func (s *Server) releaseRelays(participant string, forGood bool) {
	if s.turn == nil {
		return
	}
	before := time.Now().Add(credentialLife).Truncate(time.Second)
	if forGood {
		before = before.Add(time.Second)
	}
	s.turn.Release(participant, before)
}

func hasTURN(urls []string) bool {
	for _, u := range urls {
		if strings.HasPrefix(u, "turn") {
			return true
		}
	}
	return false
}

// turnURLs are those of the own relay: UDP, TCP, TLS, TLS on the HTTPS port (RFC 7065).
func (s *Server) turnURLs() (stun, turn []string) {
	base, err := url.Parse(s.base)
	if err != nil {
		return nil, nil // validated
	}
	name := base.Hostname()
	plain := name
	if announced, err := s.cfg.announced(); err == nil && len(announced) > 0 && len(s.cfg.BehindProxy) > 0 {
		plain = announced[0].String() // the name is the proxy's
	}
	at := net.JoinHostPort(plain, strconv.Itoa(s.turnPorts.plain))
	stun = []string{"stun:" + at}
	turn = []string{"turn:" + at + "?transport=udp", "turn:" + at + "?transport=tcp"}
	if s.turnPorts.tls != 0 {
		turn = append(turn, "turns:"+net.JoinHostPort(name, strconv.Itoa(s.turnPorts.tls))+"?transport=tcp")
	}
	if s.split != nil {
		port := base.Port()
		if port == "" {
			port = "443"
		}
		turn = append(turn, "turns:"+net.JoinHostPort(name, port)+"?transport=tcp")
	}
	return stun, turn
}

// examineTURN checks that the relay's ports are free.
func examineTURN(cfg *Config) (string, error) {
	if cfg.turnAddress() == "" {
		return "off: performers behind strict firewalls need another TURN server in ice-servers", nil
	}
	ports, err := cfg.relayPorts()
	if err != nil {
		return "", cfg.checkTURN()
	}
	packets, stream, err := listenTURN(cfg.turnAddress())
	if err != nil {
		return "", err
	}
	found := fmt.Sprintf("UDP and TCP %d are free", packets.LocalAddr().(*net.UDPAddr).Port)
	if err := errors.Join(packets.Close(), stream.Close()); err != nil {
		return "", err
	}
	if a := cfg.turnTLSAddress(); a != "" {
		l, err := listen("turn-tls", a)
		if err != nil {
			return "", err
		}
		found += fmt.Sprintf(", TLS %d is free", l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s; relays on UDP %d-%d, open them in the firewall", found, ports.Min, ports.Max), nil
}
