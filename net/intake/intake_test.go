package intake

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

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

// dial connects and waits until the listener has so many connections that nobody has taken.
func dial(t *testing.T, l *Listener, silent int) net.Conn {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	await(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.silent.Len() == silent
	})
	return client
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not happen in time")
		}
	}
}

var hello = []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")

// speak says something and returns the other end, where it arrives whole.
func speak(t *testing.T, l *Listener, client net.Conn) net.Conn {
	t.Helper()
	if _, err := client.Write(hello); err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	heard := make([]byte, len(hello))
	for i := range heard { // byte by byte, as slowly as anybody may read
		if _, err := io.ReadFull(server, heard[i:i+1]); err != nil {
			t.Fatalf("a connection that spoke was closed: %v", err)
		}
	}
	if !bytes.Equal(heard, hello) {
		t.Fatalf("heard %q", heard)
	}
	return server
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
	if err := client.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	if timeout, ok := err.(net.Error); err == nil || ok && timeout.Timeout() {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestTheOldestSilentConnectionGoes(t *testing.T) {
	l := listen(t, Config{Silent: 2})
	first := dial(t, l, 1)
	firstServer := speak(t, l, first)
	second := dial(t, l, 1)
	if _, err := second.Write(hello[:enough-1]); err != nil { // a trickle is no speech
		t.Fatal(err)
	}
	third, fourth := dial(t, l, 2), dial(t, l, 2)
	ended(t, second)
	fifth := dial(t, l, 2)
	ended(t, third)
	for _, c := range []net.Conn{first, fourth, fifth} {
		if !open(t, c) {
			t.Error("a connection was closed without need")
		}
	}
	if _, err := firstServer.Write(hello); err != nil {
		t.Error(err)
	}
	if l.Refused() != 2 {
		t.Errorf("%d refused", l.Refused())
	}
	speak(t, l, fourth) // late, but not too late
}

func TestNoMoreThanAllowed(t *testing.T) {
	l := listen(t, Config{Most: 2, Silent: 2, CloseAll: true})
	firstServer := speak(t, l, dial(t, l, 1))
	silent := dial(t, l, 1)
	second := dial(t, l, 1)
	ended(t, silent)
	speak(t, l, second)
	ended(t, dial(t, l, 0))
	if err := firstServer.Close(); err != nil {
		t.Fatal(err)
	}
	third := dial(t, l, 1)
	speak(t, l, third)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, second)
	ended(t, third)
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

func TestClosingLeavesConnectionsWhereAsked(t *testing.T) {
	l := listen(t, Config{Silent: 2})
	client := dial(t, l, 1)
	server, silent := speak(t, l, client), dial(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, silent) // nobody's
	if _, err := server.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, len(hello))); err != nil {
		t.Error(err)
	}
}

func TestMoreThanThereArePlacesForWait(t *testing.T) {
	l := listen(t, Config{Silent: 2, Taken: 1})
	first := speak(t, l, dial(t, l, 1))
	second := dial(t, l, 1)
	if _, err := second.Write(hello); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 2)
	accept := func() {
		c, err := l.Accept()
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		accepted <- err
	}
	go accept()
	select {
	case err := <-accepted:
		t.Fatalf("two were taken at once, %v", err)
	case <-time.After(100 * time.Millisecond): // time to go wrong
	}
	for range 2 { // closing twice gives one place back
		_ = first.Close()
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	go accept() // waits for a place, and no longer when the listener ends
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err == nil {
		t.Error("a closed listener accepts")
	}
}
