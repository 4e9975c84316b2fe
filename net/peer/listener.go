package peer

import (
	"net"
	"sync"
)

// maxTCPConnections bounds a server's ICE-TCP connections; one more is closed at once.
const maxTCPConnections = 2048

// boundedListener counts the connections that it accepted and closes them with itself: pion's TCP mux
// waits for those that have not said who they are yet.
type boundedListener struct {
	net.Listener

	mu     sync.Mutex
	conns  map[*boundedConn]struct{}
	closed bool
}

func newBoundedListener(l net.Listener) *boundedListener {
	return &boundedListener{Listener: l, conns: map[*boundedConn]struct{}{}}
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		bounded := &boundedConn{Conn: conn, listener: l}
		if l.add(bounded) {
			return bounded, nil
		}
		_ = conn.Close()
	}
}

func (l *boundedListener) add(c *boundedConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= maxTCPConnections {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *boundedListener) remove(c *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// Close implements net.Listener.
func (l *boundedListener) Close() error {
	l.mu.Lock()
	l.closed = true
	open := make([]*boundedConn, 0, len(l.conns))
	for c := range l.conns {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	listener *boundedListener
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.listener.remove(c)
	return c.Conn.Close()
}
