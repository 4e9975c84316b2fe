// Package intake bounds what connections cost that say nothing.
//
// Whoever means it sends its first bytes as soon as it is connected. So of those that have not, only a
// few are kept, and when there are more the oldest is closed: a flood of half-open connections pushes
// itself out, and a client that speaks is never in its way.
package intake

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
)

// enough bytes for a connection to count as one that speaks: less than any request, TLS hello or STUN
// message has.
const enough = 16

// Config bounds a Listener.
type Config struct {
	Most     int  // connections at once; one more is closed at once; 0: any number
	Silent   int  // of them, such as have said nothing yet
	CloseAll bool // the connections end with the listener
}

// Listener accepts connections within bounds.
type Listener struct {
	net.Listener
	cfg     Config
	refused atomic.Int64

	mu     sync.Mutex // guards what follows
	conns  map[*conn]struct{}
	silent *list.List // of *conn, the oldest first
	closed bool
}

// New bounds what l accepts.
func New(l net.Listener, cfg Config) *Listener {
	return &Listener{Listener: l, cfg: cfg, conns: map[*conn]struct{}{}, silent: list.New()}
}

// Refused counts connections that were closed because there were too many.
func (l *Listener) Refused() int64 { return l.refused.Load() }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: accepted, listener: l}
		surplus := l.add(c)
		if surplus == nil {
			return c, nil
		}
		l.refused.Add(1)
		_ = surplus.Conn.Close() // its owner learns of it when it reads
		if surplus != c {
			return c, nil
		}
	}
}

// add keeps a connection and returns the one to close for it: itself where there is no room.
func (l *Listener) add(c *conn) (surplus *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.cfg.Most > 0 && len(l.conns) >= l.cfg.Most && l.silent.Len() == 0 {
		return c
	}
	if l.silent.Len() >= l.cfg.Silent || l.cfg.Most > 0 && len(l.conns) >= l.cfg.Most {
		surplus = l.silent.Front().Value.(*conn)
		l.forgetLocked(surplus)
	}
	l.conns[c] = struct{}{}
	c.place = l.silent.PushBack(c)
	return surplus
}

// heard notes that a connection speaks.
func (l *Listener) heard(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != nil {
		l.silent.Remove(c.place)
		c.place = nil
	}
}

func (l *Listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(c)
}

func (l *Listener) forgetLocked(c *conn) {
	delete(l.conns, c)
	if c.place != nil {
		l.silent.Remove(c.place)
		c.place = nil
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	var open []*conn
	for c := range l.conns {
		if l.cfg.CloseAll {
			open = append(open, c)
		}
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	return l.Listener.Close()
}

type conn struct {
	net.Conn
	listener *Listener
	bytes    atomic.Int64  // read, until they are enough
	place    *list.Element // among the silent; nil: it speaks; guarded by listener.mu
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.bytes.Load() < enough && c.bytes.Add(int64(n)) >= enough {
		c.listener.heard(c)
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.forget(c)
	return c.Conn.Close()
}
