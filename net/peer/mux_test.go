package peer

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"gasso/net/signaling"
)

func anyPort() *PortRange { return &PortRange{} }

// freeRange finds n neighbouring UDP ports.
func freeRange(t *testing.T, n int) *PortRange {
	t.Helper()
	for first := 20000; first < 60000; first += 97 {
		free := true
		for port := first; port < first+n && free; port++ {
			conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				free = conn.Close() == nil
			}
		}
		if free {
			return &PortRange{Min: uint16(first), Max: uint16(first + n - 1)}
		}
	}
	t.Fatal("no free range of ports")
	return nil
}

func newMux(t *testing.T, cfg MuxConfig) *Mux {
	t.Helper()
	cfg.Loopback = true
	m, err := NewMux(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestServerSockets(t *testing.T) {
	for _, c := range []struct {
		name     string
		cfg      MuxConfig
		protocol string
		shards   int
	}{
		{"one UDP port", MuxConfig{UDP: anyPort(), TCP: anyPort()}, "udp", 1},
		{"sharded UDP range", MuxConfig{UDP: freeRange(t, 2)}, "udp", 2},
		{"TCP only", MuxConfig{TCP: anyPort()}, "tcp", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMux(t, c.cfg)
			if len(m.UDPPorts()) != c.shards || (m.TCPPort() != 0) != (c.cfg.TCP != nil) {
				t.Fatalf("UDP ports %v, TCP port %d", m.UDPPorts(), m.TCPPort())
			}
			server := newFactory(t, Config{Mux: m})
			performers := newFactory(t, Config{})
			ports := map[string]bool{}
			for i := range 3 {
				a, b := connect(t, server, performers)
				watch := recordPorts(a, ports)
				pa, pb := NewPublisher("anna"), NewPublisher("bela")
				mustAttach(t, pa, a.link)
				mustAttach(t, pb, b.link)
				if err := a.link.Negotiate(); err != nil {
					t.Fatal(err)
				}
				connected(t, a, b)
				stopA, stopB := flow(pa, 1), flow(pb, 2)
				eventually(t, "packets both ways", func() bool { return a.count("bela") > 10 && b.count("anna") > 10 })
				stopA()
				stopB()
				checkIdentity(t, b.packets("anna"), 1)
				if got := a.link.Stats().Protocol; got != c.protocol {
					t.Errorf("link %d goes over %s", i, got)
				}
				a.link.Close()
				watch()
			}
			for _, port := range m.UDPPorts() {
				if !ports[fmt.Sprint(port)] {
					t.Errorf("UDP port %d was never offered, only %v", port, ports)
				}
			}
			delete(ports, fmt.Sprint(m.TCPPort()))
			if len(ports) != c.shards {
				t.Errorf("%d UDP ports offered: %v", len(ports), ports)
			}
		})
	}
}

// recordPorts notes the ports of the candidates that a side sends, until the returned call.
func recordPorts(s *side, ports map[string]bool) (stop func()) {
	done, found := make(chan struct{}), make(chan string, 64)
	keep := func(m *signaling.Signal) bool {
		if m.Candidate != nil && m.Candidate.Candidate != "" {
			if fields := strings.Fields(m.Candidate.Candidate); len(fields) > 5 {
				found <- fields[5] // RFC 8839, section 5.1: foundation component transport priority address port
			}
		}
		return true
	}
	s.filter.Store(&keep)
	go func() {
		defer close(done)
		for port := range found {
			ports[port] = true
		}
	}()
	return func() {
		close(found)
		<-done
	}
}

func TestAnnouncedAddressReplacesTheLocalOne(t *testing.T) {
	m := newMux(t, MuxConfig{UDP: anyPort(), TCP: anyPort(), Announce: []netip.Addr{netip.MustParseAddr("203.0.113.7")}})
	f := newFactory(t, Config{Mux: m})
	candidates := make(chan string, 64)
	l, err := f.NewLink(LinkConfig{RemoteID: "bela", Offerer: true, Send: func(s *signaling.Signal) {
		if s.Candidate != nil {
			candidates <- s.Candidate.Candidate
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Negotiate(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for c := range candidates {
		if c == "" {
			break
		}
		got = append(got, c)
	}
	if len(got) != 2 {
		t.Errorf("candidates %q, want one for UDP and one for TCP", got)
	}
	for _, c := range got {
		if !strings.Contains(c, " 203.0.113.7 ") || strings.Contains(c, "127.0.0.1") {
			t.Errorf("candidate %q", c)
		}
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	first := newMux(t, MuxConfig{UDP: anyPort(), TCP: anyPort()})
	udp, tcp := uint16(first.UDPPorts()[0]), uint16(first.TCPPort())
	for _, cfg := range []MuxConfig{
		{UDP: &PortRange{udp, udp}, Loopback: true}, {TCP: &PortRange{tcp, tcp}, Loopback: true},
	} {
		m, err := NewMux(cfg)
		if err == nil {
			m.Close()
			t.Fatal("two servers on one port")
		}
		port := udp
		if cfg.TCP != nil {
			port = tcp
		}
		if !strings.Contains(err.Error(), fmt.Sprint(port)) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := NewMux(MuxConfig{}); err == nil {
		t.Error("a server without ports")
	}
}

func TestPortRange(t *testing.T) {
	for want, r := range map[string]PortRange{"10000": {10000, 10000}, "10000-10100": {10000, 10100}, "0": {}} {
		if got := r.String(); got != want {
			t.Errorf("%+v is written %s", r, got)
		}
	}
}

func TestCloseEndsSilentTCPConnections(t *testing.T) {
	m := newMux(t, MuxConfig{TCP: anyPort()})
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.TCPPort()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(conn)
		ended <- err
	}()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}
