package turnserver

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

var testSecret = []byte("an-operators-secret")

// rig is a server on 127.0.0.1 and a peer behind the relay.
type rig struct {
	*Server
	address string // of UDP and TCP
	peer    net.PacketConn
	now     *testClock
}

// testClock is time that a test moves.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	stream, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp4", stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{address: stream.Addr().String(), peer: loopback(t), now: &testClock{now: time.Now()}}
	local := netip.MustParseAddr("127.0.0.1")
	cfg := Config{
		Packets: []net.PacketConn{packets}, Streams: []net.Listener{stream}, Secret: testSecret,
		Relays: []Relay{{local, local}}, Ports: PortRange{49408, 49663},
		OwnPorts: []int{r.peer.LocalAddr().(*net.UDPAddr).Port}, Now: r.now.Now,
	}
	if change != nil {
		change(&cfg)
	}
	if r.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// client is a TURN client of somebody with these credentials.
func (r *rig) client(t *testing.T, network, username, password string) *turn.Client {
	t.Helper()
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	cfg := turn.ClientConfig{TURNServerAddr: r.address, Username: username, Password: password, LoggerFactory: quiet}
	if network == "udp" {
		cfg.Conn = loopback(t)
	} else {
		c, err := net.Dial(network, r.address)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Conn = turn.NewSTUNConn(c)
	}
	c, err := turn.NewClient(&cfg)
	if err == nil {
		err = c.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); _ = cfg.Conn.Close() })
	return c
}

func (r *rig) participant(t *testing.T, network, id string) *turn.Client {
	t.Helper()
	username, password := Credentials(testSecret, id, r.now.Now().Add(time.Hour))
	return r.client(t, network, username, password)
}

func allocate(t *testing.T, c *turn.Client) net.PacketConn {
	t.Helper()
	relayed, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relayed.Close() })
	return relayed
}

func TestRelaysBothWays(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		r := newRig(t, nil)
		relayed := allocate(t, r.participant(t, network, "p1"))
		if port := relayed.LocalAddr().(*net.UDPAddr).Port; port < 49408 || port > 49663 {
			t.Errorf("%s: relayed port %d is out of the range", network, port)
		}
		exchange(t, relayed, r.peer)
		if s := r.Stats(); s.Allocations != 1 || s.Bytes == 0 {
			t.Errorf("%s: %+v", network, s)
		}
	}
}

// exchange sends through the relay to a peer and back.
func exchange(t *testing.T, relayed, peer net.PacketConn) {
	t.Helper()
	buf := make([]byte, 100)
	_ = peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	_ = relayed.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := relayed.WriteTo([]byte("there it goes"), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	n, from, err := peer.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "there it goes" {
		t.Fatalf("peer got %q, %v", buf[:n], err)
	}
	if _, err := peer.WriteTo([]byte("and back again"), from); err != nil {
		t.Fatal(err)
	}
	for { // what was under way before comes first
		n, from, err = relayed.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "open the door" {
			break
		}
	}
	if err != nil || string(buf[:n]) != "and back again" || from.String() != peer.LocalAddr().String() {
		t.Fatalf("client got %q from %v, %v", buf[:n], from, err)
	}
}

func TestRefusesWrongAndExpiredCredentials(t *testing.T) {
	r := newRig(t, nil)
	expired, password := Credentials(testSecret, "p1", r.now.Now().Add(-time.Second))
	good, _ := Credentials(testSecret, "p1", r.now.Now().Add(time.Hour))
	other, _ := Credentials(testSecret, "p2", r.now.Now().Add(time.Hour))
	_, stolen := Credentials(testSecret, "p1", r.now.Now().Add(time.Hour))
	for _, c := range [][2]string{{expired, password}, {good, "guess"}, {other, stolen}, {"p1", password}, {"x:p1", password}} {
		if _, err := r.client(t, "udp", c[0], c[1]).Allocate(); err == nil {
			t.Errorf("%q was let in", c[0])
		}
	}
	if s := r.Stats(); s.Allocations != 0 || s.Unauthorized < 5 {
		t.Errorf("%+v", s)
	}
}

func TestAllocationOutlivesItsCredentials(t *testing.T) {
	r := newRig(t, nil)
	relayed := allocate(t, r.participant(t, "udp", "p1"))
	r.now.move(2 * time.Hour)
	exchange(t, relayed, r.peer) // needs a new permission
	r.now.move(2 * grace)
	other := loopback(t)
	if _, err := relayed.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: other.LocalAddr().(*net.UDPAddr).Port}); err == nil {
		t.Error("credentials hold for ever")
	}
}

func TestBoundsAllocationsOfAParticipant(t *testing.T) {
	r := newRig(t, nil)
	for range perParticipant {
		allocate(t, r.participant(t, "udp", "greedy"))
	}
	if _, err := r.participant(t, "udp", "greedy").Allocate(); err == nil {
		t.Error("one more was given")
	}
	allocate(t, r.participant(t, "udp", "modest"))
	if s := r.Stats(); s.OverQuota == 0 || s.Allocations != perParticipant+1 {
		t.Errorf("%+v", s)
	}
}

func TestBoundsTotalByPortsAndGivesThemBack(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Ports = PortRange{49700, 49701} })
	first := allocate(t, r.participant(t, "udp", "p1"))
	allocate(t, r.participant(t, "udp", "p2"))
	if _, err := r.participant(t, "udp", "p3").Allocate(); err == nil {
		t.Fatal("more allocations than ports")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return r.Stats().Allocations == 1 })
	allocate(t, r.participant(t, "udp", "p3"))
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not happen in time")
		}
	}
}

func TestNeverRelaysToForbiddenAddresses(t *testing.T) {
	r := newRig(t, nil)
	relayed := allocate(t, r.participant(t, "udp", "p1"))
	for _, host := range []string{"10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.2", "224.0.0.1", "0.0.0.0", "255.255.255.255"} {
		before := r.Stats().Forbidden
		if _, err := relayed.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(host), Port: 53}); err == nil {
			t.Errorf("%s: no error", host)
		}
		if r.Stats().Forbidden == before {
			t.Errorf("%s: not counted", host)
		}
	}
	// An own address has a permission, but only for media.
	forbidden := loopback(t)
	if _, err := relayed.WriteTo([]byte("x"), forbidden.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	exchange(t, relayed, r.peer) // what was sent before would be there by now
	_ = forbidden.SetReadDeadline(time.Now())
	if n, _, err := forbidden.ReadFrom(make([]byte, 10)); !errors.Is(err, errTimeout(err)) || n > 0 {
		t.Error("a port of this machine was reached")
	}
}

func errTimeout(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return errors.New("another error")
}

func TestRelaysBetweenOwnRelaysBehindNAT(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.7")
	r := newRig(t, func(c *Config) { c.Relays = []Relay{{netip.MustParseAddr("127.0.0.1"), public}} })
	one, two := allocate(t, r.participant(t, "udp", "p1")), allocate(t, r.participant(t, "tcp", "p2"))
	if got := one.LocalAddr().(*net.UDPAddr).IP.String(); got != public.String() {
		t.Fatalf("relayed address %s", got)
	}
	// Each side permits the other, as connectivity checks do.
	_, _ = two.WriteTo([]byte("open the door"), one.LocalAddr())
	exchange(t, one, two)
}

func TestBoundsBandwidth(t *testing.T) {
	r := newRig(t, nil)
	relayed := allocate(t, r.participant(t, "udp", "p1"))
	exchange(t, relayed, r.peer)
	datagram := make([]byte, 1400)
	waitFor(t, func() bool { // the system drops some, too; the clock stands still
		for range 50 {
			if _, err := relayed.WriteTo(datagram, r.peer.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		return r.Stats().OverRate > 0
	})
	if s := r.Stats(); s.Bytes > burstBytes+1400 {
		t.Errorf("%d bytes at once", s.Bytes)
	}
}

func TestEndsAllocationWithTooManyChannels(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	relayed := allocate(t, r.participant(t, "tcp", "p1"))
	for port := 20000; port < 20000+2*maxChannels; port++ { // a client binds a channel for each peer that it writes to
		if _, err := relayed.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err != nil {
			break
		}
	}
	waitFor(t, func() bool { return r.Stats().Allocations == 0 })
}

func TestClosesConnectionsThatSayNothing(t *testing.T) {
	var clock testClock
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { clock.move(strangerLife); return clock.Now() } })
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, errTimeout(err)) {
		t.Errorf("still open: %v", err)
	}
	waitFor(t, func() bool { return r.Stats().Streams == 0 })
}

func TestBoundsConnectionsOfAHost(t *testing.T) {
	r := newRig(t, nil)
	for range maxStreamsPerHost + 5 {
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	waitFor(t, func() bool { return r.Stats().RefusedStreams == 5 })
}

func TestAnswersFewStrangers(t *testing.T) {
	r := newRig(t, nil)
	relayed := allocate(t, r.participant(t, "udp", "p1"))
	stranger := loopback(t)
	to, err := net.ResolveUDPAddr("udp4", r.address)
	if err != nil {
		t.Fatal(err)
	}
	binding := []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	sent := 0
	waitFor(t, func() bool { // the system drops some, too
		for range 100 {
			if _, err := stranger.WriteTo(binding, to); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		return r.Stats().Flooded > 0
	})
	answers := 0
	for buf := make([]byte, 1500); ; answers++ {
		_ = stranger.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, _, err := stranger.ReadFrom(buf); err != nil {
			break
		}
	}
	if answers > sourceBurst {
		t.Errorf("%d answers to %d datagrams", answers, sent)
	}
	exchange(t, relayed, r.peer) // who has an allocation is not held back
}
