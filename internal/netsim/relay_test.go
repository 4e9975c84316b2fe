package netsim

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echoUDP answers every packet with itself and returns its address.
func echoUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c.LocalAddr().String()
}

// echoTCP answers every byte with itself.
func echoTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func relay(t *testing.T, network, target string) *Relay {
	t.Helper()
	r, err := NewRelay(network, target, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// echoed sends and waits for the answer.
func echoed(c net.Conn, within time.Duration) bool {
	text := []byte(time.Now().String())
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write(text); err != nil {
		return false
	}
	answer := make([]byte, len(text))
	_, err := io.ReadFull(c, answer)
	return err == nil && bytes.Equal(answer, text)
}

func TestRelayPassesUDPUnderConditions(t *testing.T) {
	r := relay(t, "udp", echoUDP(t))
	a, b := dial(t, "udp", r.Addr()), dial(t, "udp", r.Addr())
	if !echoed(a, 5*time.Second) || !echoed(b, 5*time.Second) {
		t.Fatal("no answer")
	}
	for name, c := range map[string]Conditions{"blackout": {Blackout: true}, "UDP blocked": {UDPBlocked: true}, "loss": {Loss: 1}} {
		r.SetDown(c)
		if echoed(a, 200*ms) {
			t.Errorf("%s: an answer", name)
		}
	}
	r.Set(Conditions{Delay: 50 * ms})
	begun := time.Now()
	if !echoed(a, 5*time.Second) || time.Since(begun) < 100*ms {
		t.Errorf("the answer takes %v, want 100 ms", time.Since(begun))
	}
	if c := r.Counters(); c.Flows != 2 || c.Up.Packets != 6 || c.Down.Lost != 2 || c.Refused != 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestRelayPassesTCPWhole(t *testing.T) {
	r := relay(t, "tcp", echoTCP(t))
	r.Set(Conditions{Delay: 5 * ms, Jitter: 5 * ms, Loss: 0.5, RateBPS: 16_000_000})
	c := dial(t, "tcp", r.Addr())
	sent := make([]byte, 300_000)
	for i := range sent {
		sent[i] = byte(i * i >> 7)
	}
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	begun := time.Now()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes come back, %v", len(got), err)
	}
	if took := time.Since(begun); took < 150*ms {
		t.Errorf("took %v, want 150 ms at that rate", took)
	}
}

func TestRelayHoldsTCPInABlackoutAndResets(t *testing.T) {
	r := relay(t, "tcp", echoTCP(t))
	c := dial(t, "tcp", r.Addr())
	if !echoed(c, 5*time.Second) {
		t.Fatal("no answer")
	}
	r.Set(Conditions{Blackout: true})
	_ = c.SetDeadline(time.Now().Add(200 * ms))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, _ := c.Read(make([]byte, 1)); n != 0 {
		t.Error("a byte passes the blackout")
	}
	r.Set(Conditions{})
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 1 {
		t.Error("what the blackout held does not come:", err)
	}
	r.Reset()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the reset: %v", err)
	}
	if !echoed(dial(t, "tcp", r.Addr()), 5*time.Second) {
		t.Error("no new connection after the reset")
	}
}

func TestRelayRefusesWhatItCannotDo(t *testing.T) {
	if _, err := NewRelay("sctp", "127.0.0.1:1", 1); err == nil {
		t.Error("a relay for SCTP")
	}
	r := relay(t, "tcp", "127.0.0.1:1") // nobody is there
	if echoed(dial(t, "tcp", r.Addr()), 5*time.Second) {
		t.Error("an answer of nobody")
	}
	if c := r.Counters(); c.Refused != 1 {
		t.Errorf("counted %+v", c)
	}
}
