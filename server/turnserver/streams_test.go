package turnserver

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// sized is a connection that notes the size of its buffer and fails to write once it is stuck.
type sized struct {
	net.Conn
	buffer atomic.Int64
	stuck  atomic.Bool
	tried  atomic.Int64 // writes since
	closed atomic.Bool
}

func (c *sized) SetWriteBuffer(bytes int) error {
	c.buffer.Store(int64(bytes))
	return nil
}

func (c *sized) Write(b []byte) (int, error) {
	if c.stuck.Load() {
		c.tried.Add(1)
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(b)
}

func (c *sized) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *sized) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7} }

// securedPair is a connection with TLS after its handshake, and what is beneath it.
func securedPair(t *testing.T) (*tls.Conn, *sized) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	config := web.TLS.Clone()
	web.Close()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	beneath := &sized{Conn: near}
	secured := tls.Server(beneath, config)
	met := make(chan error, 1)
	go func() { met <- tls.Client(far, &tls.Config{InsecureSkipVerify: true}).Handshake() }() //nolint:gosec // the test's own
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-met; err != nil {
		t.Fatal(err)
	}
	return secured, beneath
}

// Over TLS, too, little may wait, and a client that does not read is left at once: an alert of TLS would
// wait for five seconds more.
func TestSlowClientsOverTLSAreLeftAtOnce(t *testing.T) {
	for name, wrap := range map[string]func(*tls.Conn) net.Conn{
		"TLS":            func(c *tls.Conn) net.Conn { return c },
		"the HTTPS port": func(c *tls.Conn) net.Conn { return &peekedConn{Conn: c} },
	} {
		secured, beneath := securedPair(t)
		s := &Server{cfg: Config{Now: time.Now}, streams: streams{open: map[*stream]struct{}{}, hosts: map[netip.Addr]int{}}}
		st := s.streams.take(wrap(secured), s)
		if got := beneath.buffer.Load(); got != streamWriteBuffer {
			t.Errorf("%s: %d bytes may wait", name, got)
		}
		beneath.stuck.Store(true)
		if _, err := st.Write([]byte("media")); err == nil {
			t.Errorf("%s: no error", name)
		}
		if !beneath.closed.Load() {
			t.Errorf("%s: still open", name)
		}
		_ = st.Close()
		if got := beneath.tried.Load(); got != 1 {
			t.Errorf("%s: %d writes to a connection that is stuck", name, got)
		}
	}
}
