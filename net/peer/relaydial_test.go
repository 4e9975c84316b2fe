package peer

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
)

// stuckConn fails to write once it is stuck, as after a deadline.
type stuckConn struct {
	net.Conn
	stuck, closed atomic.Bool
	tried         atomic.Int64 // writes since
}

func (c *stuckConn) Write(b []byte) (int, error) {
	if c.stuck.Load() {
		c.tried.Add(1)
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(b)
}

func (c *stuckConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// A relay over TLS that cannot be written to is left at once: an alert would hold the ICE agent for five
// seconds more.
func TestARelayOverTLSThatStandsIsLeftAtOnce(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	config := web.TLS.Clone()
	web.Close()
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	beneath := &stuckConn{Conn: near}
	secured := tls.Client(beneath, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own
	met := make(chan error, 1)
	go func() { met <- tls.Server(far, config).Handshake() }()
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-met; err != nil {
		t.Fatal(err)
	}
	s := &relayStream{Conn: secured}
	beneath.stuck.Store(true)
	if _, err := s.Write([]byte("check")); err == nil {
		t.Error("no error")
	}
	_ = s.Close()
	if !beneath.closed.Load() || beneath.tried.Load() != 1 {
		t.Errorf("closed %v, %d writes to a connection that stands", beneath.closed.Load(), beneath.tried.Load())
	}
}
