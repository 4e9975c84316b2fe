package intake

import (
	"net"
	"testing"
	"time"
)

const patience = 10 * time.Second

func listen(t *testing.T, cfg Config) *Listener {
	t.Helper()
	base, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := New(base, cfg)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// connect gives both ends of a new connection.
func connect(t *testing.T, l *Listener) (client, server net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// say sends n bytes and reads them at the other end.
func say(t *testing.T, client, server net.Conn, n int) {
	t.Helper()
	if _, err := client.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	for range n {
		if _, err := server.Read(buf); err != nil {
			t.Fatalf("a connection that spoke was closed: %v", err)
		}
	}
}

func open(t *testing.T, client net.Conn) bool {
	t.Helper()
	if err := client.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func ended(t *testing.T, client net.Conn) {
	t.Helper()
	if err := client.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	if timeout, ok := err.(net.Error); err == nil || ok && timeout.Timeout() {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestTheOldestSilentConnectionGoes(t *testing.T) {
	l := listen(t, Config{Silent: 2})
	first, firstServer := connect(t, l)
	say(t, first, firstServer, enough)
	second, secondServer := connect(t, l)
	say(t, second, secondServer, enough-1) // a trickle is no speech
	third, thirdServer := connect(t, l)
	fourth, _ := connect(t, l)
	ended(t, second)
	fifth, _ := connect(t, l)
	ended(t, third)
	if _, err := thirdServer.Read(make([]byte, 1)); err == nil {
		t.Error("the server reads from a connection that was closed")
	}
	for _, c := range []net.Conn{first, fourth, fifth} {
		if !open(t, c) {
			t.Error("a connection was closed without need")
		}
	}
	say(t, first, firstServer, 100)
	if l.Refused() != 2 {
		t.Errorf("%d refused", l.Refused())
	}
}

func TestNoMoreThanAllowed(t *testing.T) {
	l := listen(t, Config{Most: 2, Silent: 2, CloseAll: true})
	first, firstServer := connect(t, l)
	say(t, first, firstServer, enough)
	silent, _ := connect(t, l)
	second, secondServer := connect(t, l)
	ended(t, silent)
	say(t, second, secondServer, enough)

	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
		close(accepted)
	}()
	surplus, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ended(t, surplus)
	_ = firstServer.Close()
	third, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if c := <-accepted; c == nil {
		t.Error("a place that became free was not given")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, second)
	ended(t, third)
}

func TestClosingLeavesConnectionsWhereAsked(t *testing.T) {
	l := listen(t, Config{Silent: 2})
	client, server := connect(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	say(t, client, server, 3)
}
