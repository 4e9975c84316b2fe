package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"gasso/internal/netsim"
)

const ms = time.Millisecond

func TestMain(m *testing.M) {
	Enter()
	os.Exit(m.Run())
}

func newWorld(t *testing.T) *World {
	t.Helper()
	w, err := New(1)
	if errors.Is(err, ErrRefused) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir("/run/netns"); len(left) > 0 {
			for _, e := range left {
				if strings.HasPrefix(e.Name(), w.name) {
					t.Errorf("%s is left", e.Name())
				}
			}
		}
	})
	return w
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// listen opens a UDP socket in a node.
func listen(t *testing.T, n *Node) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := n.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func at(n *Node, conn *net.UDPConn) netip.AddrPort {
	return netip.AddrPortFrom(n.Address(), uint16(conn.LocalAddr().(*net.UDPAddr).Port))
}

// seen sends from one socket to another one and returns the sender as the receiver sees it.
func seen(t *testing.T, from, to *net.UDPConn, address netip.AddrPort, within time.Duration) (netip.AddrPort, bool) {
	t.Helper()
	text := fmt.Sprint(time.Now().UnixNano())
	if _, err := from.WriteToUDPAddrPort([]byte(text), address); err != nil {
		return netip.AddrPort{}, false
	}
	buffer := make([]byte, 100)
	_ = to.SetReadDeadline(time.Now().Add(within))
	for {
		n, sender, err := to.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return netip.AddrPort{}, false
		}
		if string(buffer[:n]) == text {
			return sender, true
		}
	}
}

func TestHostsReachEachOtherUnderConditions(t *testing.T) {
	w := newWorld(t)
	a, b := must[*Node](t)(w.Host("a")), must[*Node](t)(w.Host("b"))
	ca, cb := listen(t, a), listen(t, b)
	if _, ok := seen(t, ca, cb, at(b, cb), 2*time.Second); !ok {
		t.Fatal("nothing arrives")
	}
	a.SetUp(netsim.Conditions{Delay: 60 * ms})
	b.SetDown(netsim.Conditions{Delay: 40 * ms})
	w.SetBetween(a, b, netsim.Conditions{Delay: 50 * ms})
	begun := time.Now()
	if _, ok := seen(t, ca, cb, at(b, cb), 2*time.Second); !ok || time.Since(begun) < 150*ms {
		t.Errorf("arrives %v after %v, want 150 ms", ok, time.Since(begun))
	}
	for name, c := range map[string]netsim.Conditions{"blackout": {Blackout: true}, "UDP blocked": {UDPBlocked: true}, "loss": {Loss: 1}} {
		a.SetUp(c)
		if _, ok := seen(t, ca, cb, at(b, cb), 300*ms); ok {
			t.Errorf("%s: the packet arrives", name)
		}
	}
	a.SetUp(netsim.Conditions{})
	if _, ok := seen(t, ca, cb, at(b, cb), 2*time.Second); !ok {
		t.Error("nothing arrives after the blackout")
	}
	if up, _ := a.Counters(); up.Lost < 2 || up.Arrived < 3 {
		t.Errorf("counted %+v", up)
	}
}

func TestRoutersTranslate(t *testing.T) {
	w := newWorld(t)
	x, y := must[*Node](t)(w.Host("x")), must[*Node](t)(w.Host("y"))
	cx, cy := listen(t, x), listen(t, y)
	for _, c := range []struct {
		name string
		nat  NAT
		same bool // port toward different destinations
	}{{"restricted", PortRestricted, true}, {"symmetric", Symmetric, false}} {
		t.Run(c.name, func(t *testing.T) {
			r := must[*Node](t)(w.Router(c.name, c.nat))
			h := must[*Node](t)(r.Host(c.name + "1"))
			ch := listen(t, h)
			one, ok1 := seen(t, ch, cx, at(x, cx), 2*time.Second)
			two, ok2 := seen(t, ch, cy, at(y, cy), 2*time.Second)
			if !ok1 || !ok2 || one.Addr() != r.Address() || two.Addr() != r.Address() {
				t.Fatalf("seen as %v (%v) and %v (%v), want address %v", one, ok1, two, ok2, r.Address())
			}
			if same := one.Port() == two.Port(); same != c.same {
				t.Errorf("ports %d and %d", one.Port(), two.Port())
			}
			if _, ok := seen(t, cx, ch, one, 2*time.Second); !ok {
				t.Error("the answer does not come back")
			}
			if stranger := listen(t, x); c.same {
				if _, ok := seen(t, stranger, ch, one, 300*ms); ok {
					t.Error("a stranger is let in")
				}
			}
		})
	}
}

func TestRouterForgetsMappings(t *testing.T) {
	w := newWorld(t)
	x, r := must[*Node](t)(w.Host("x")), must[*Node](t)(w.Router("r", PortRestricted))
	h := must[*Node](t)(r.Host("h"))
	if err := r.SetMappings(time.Second); err != nil {
		t.Fatal(err)
	}
	cx, ch := listen(t, x), listen(t, h)
	as, ok := seen(t, ch, cx, at(x, cx), 2*time.Second)
	if !ok {
		t.Fatal("nothing arrives")
	}
	until := time.Now().Add(20 * time.Second)
	for wait := 2 * time.Second; ; wait *= 2 {
		time.Sleep(wait) // the kernel's clock cannot be a parameter
		if _, ok := seen(t, cx, ch, as, 200*ms); !ok {
			return
		}
		if time.Now().After(until) {
			t.Fatal("the mapping is never forgotten")
		}
	}
}

func TestFirewallLetsOnlyHTTPSThrough(t *testing.T) {
	w := newWorld(t)
	a, b := must[*Node](t)(w.Host("a")), must[*Node](t)(w.Host("b"))
	ca, cb := listen(t, a), listen(t, b)
	for _, port := range []int{443, 8443} {
		err := b.Do(func() error {
			l, err := net.Listen("tcp4", fmt.Sprint(":", port))
			if err == nil {
				t.Cleanup(func() { _ = l.Close() })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dial := func(port int) error {
		return a.Do(func() error {
			c, err := net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", b.Address(), port), 500*ms)
			if err == nil {
				_ = c.Close()
			}
			return err
		})
	}
	for _, c := range []struct {
		rules             string
		udp, https, other bool
	}{{"", true, true, true}, {NoUDP, false, true, true}, {OnlyHTTPS, false, true, false}} {
		if err := a.Firewall(c.rules); err != nil {
			t.Fatal(err)
		}
		if _, udp := seen(t, ca, cb, at(b, cb), 300*ms); udp != c.udp {
			t.Errorf("%q: UDP passes: %v", c.rules, udp)
		}
		if err := dial(443); (err == nil) != c.https {
			t.Errorf("%q: tcp/443: %v", c.rules, err)
		}
		if err := dial(8443); (err == nil) != c.other {
			t.Errorf("%q: tcp/8443: %v", c.rules, err)
		}
	}
}

func TestAddressesAndLinksChange(t *testing.T) {
	w := newWorld(t)
	x := must[*Node](t)(w.Host("x"))
	r1, r2 := must[*Node](t)(w.Router("r1", PortRestricted)), must[*Node](t)(w.Router("r2", PortRestricted))
	h := must[*Node](t)(r1.Host("h"))
	cx := listen(t, x)
	as := func() netip.AddrPort {
		from, _ := seen(t, listen(t, h), cx, at(x, cx), 2*time.Second)
		return from
	}
	if from := as(); from.Addr() != r1.Address() {
		t.Fatalf("comes from %v, want %v", from, r1.Address())
	}
	before := h.Address()
	if err := h.ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	if from := as(); from.Addr() != r1.Address() || h.Address() == before {
		t.Errorf("with address %v comes from %v", h.Address(), from)
	}
	if err := h.MoveTo(r2); err != nil {
		t.Fatal(err)
	}
	if from := as(); from.Addr() != r2.Address() {
		t.Errorf("comes from %v after the move, want %v", from, r2.Address())
	}
	if err := r2.ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	if from := as(); from.Addr() != r2.Address() {
		t.Errorf("comes from %v, want the new %v", from, r2.Address())
	}
	if err := h.LinkDown(); err != nil {
		t.Fatal(err)
	}
	if from := as(); from.IsValid() {
		t.Error("a packet passes a link that is down")
	}
	if err := h.LinkUp(); err != nil {
		t.Fatal(err)
	}
	if from := as(); from.Addr() != r2.Address() {
		t.Errorf("comes from %v after the link came up", from)
	}
}

func TestCommandsRunInTheirNode(t *testing.T) {
	w := newWorld(t)
	a := must[*Node](t)(w.Host("a"))
	out, err := a.Command("ip", "-o", "addr", "show", "dev", lineName).Output()
	if err != nil || !strings.Contains(string(out), a.Address().String()) {
		t.Errorf("says %q, %v", out, err)
	}
	left := a.Command("sleep", "1000")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * ms) {
		if out, _ := a.Command("ip", "netns", "identify", fmt.Sprint(left.Process.Pid)).Output(); strings.TrimSpace(string(out)) == a.space {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the command does not reach its node")
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := left.Wait(); err == nil {
		t.Error("a process that was left ends well")
	}
}

func FuzzDestination(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0x60})
	f.Fuzz(func(t *testing.T, packet []byte) {
		to, udp, ok := destination(packet)
		if ok != to.IsValid() || udp && !ok {
			t.Errorf("%v %v %v", to, udp, ok)
		}
	})
}
