// Package intake bounds what connections cost that say nothing.
//
// Whoever means it sends its first bytes as soon as it is connected. Until then a connection is nobody's:
// it has neither TLS nor buffers, and only a few are kept. When there are more the oldest is closed: a
// flood of half-open connections pushes itself out, and a client that speaks is never in its way.
package intake

import (
	"container/list"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	enough      = 16               // bytes for a connection to count as one that speaks: any request, TLS hello or STUN message has more
	patience    = 10 * time.Second // until those bytes are there
	acceptPause = 50 * time.Millisecond
)

// Config bounds a Listener.
type Config struct {
	Most     int  // connections at once; one more is closed at once; 0: any number
	Silent   int  // of them, such as nobody has taken yet, mostly since they have said nothing
	Taken    int  // connections that Accept has handed out and that are open; more wait; 0: any number
	CloseAll bool // the connections end with the listener
}

// Listener accepts connections that speak, within bounds.
type Listener struct {
	base    net.Listener
	cfg     Config
	refused atomic.Int64
	spoken  chan *conn
	places  chan struct{} // holds one for each connection that is taken; nil: there is always a place
	ended   chan struct{}
	closing sync.Once
	wg      sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[*conn]struct{}
	silent *list.List // of *conn, the oldest first
	closed bool
}

// New bounds what l accepts, from now on until Close.
func New(l net.Listener, cfg Config) *Listener {
	i := &Listener{
		base: l, cfg: cfg, conns: map[*conn]struct{}{}, silent: list.New(),
		spoken: make(chan *conn), ended: make(chan struct{}),
	}
	if cfg.Taken > 0 {
		i.places = make(chan struct{}, cfg.Taken)
	}
	i.wg.Go(i.runAccept)
	return i
}

// Refused counts connections that were closed because there were too many.
func (l *Listener) Refused() int64 { return l.refused.Load() }

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.base.Addr() }

// Accept returns the next connection that has spoken, once there is a place for it.
func (l *Listener) Accept() (net.Conn, error) {
	if l.places != nil {
		select {
		case l.places <- struct{}{}:
		case <-l.ended:
			return nil, net.ErrClosed
		}
	}
	for {
		select {
		case c := <-l.spoken:
			if l.take(c) {
				return c, nil
			}
		case <-l.ended:
			return nil, net.ErrClosed
		}
	}
}

// runAccept takes connections until the listener is closed. It waits while the system has nothing left
// to accept with (files, memory).
func (l *Listener) runAccept() {
	for {
		accepted, err := l.base.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
			continue
		}
		c := &conn{Conn: accepted, listener: l}
		surplus := l.add(c)
		if surplus != nil {
			l.refused.Add(1)
			_ = surplus.Conn.Close()
		}
		if surplus != c {
			l.wg.Go(c.runWait)
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

// take makes a connection somebody's; false when it was closed before, in favour of another one.
func (l *Listener) take(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place == nil {
		return false
	}
	l.silent.Remove(c.place)
	c.place, c.taken = nil, true
	return true
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
	if c.taken && l.places != nil {
		<-l.places // its own: that never waits
	}
	c.taken = false
}

// Close ends the listener and the connections that nobody has taken.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.closing.Do(func() {
		err = l.base.Close()
		close(l.ended)
		l.mu.Lock()
		l.closed = true
		var open []*conn
		for c := range l.conns {
			if l.cfg.CloseAll || c.place != nil {
				open = append(open, c)
			}
		}
		l.mu.Unlock()
		for _, c := range open {
			_ = c.Close()
		}
		l.wg.Wait()
	})
	return err
}

// conn is one connection. What was read before it was taken is read again.
type conn struct {
	net.Conn
	listener *Listener
	first    [enough]byte
	again    int           // bytes of first that are still to be read; one goroutine reads
	place    *list.Element // among the silent; nil: taken, or closed; guarded by listener.mu
	taken    bool          // somebody's, and open; guarded by listener.mu
}

// runWait hands the connection over when it has spoken, and closes it when it does not.
func (c *conn) runWait() {
	if !c.hear() || !c.hand() {
		_ = c.Close()
	}
}

func (c *conn) hear() bool {
	if c.Conn.SetReadDeadline(time.Now().Add(patience)) != nil {
		return false
	}
	if _, err := io.ReadFull(c.Conn, c.first[:]); err != nil {
		return false
	}
	c.again = enough
	return c.Conn.SetReadDeadline(time.Time{}) == nil
}

// hand waits until somebody accepts the connection.
func (c *conn) hand() bool {
	select {
	case c.listener.spoken <- c:
		return true
	case <-c.listener.ended:
		return false
	}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if c.again > 0 && len(b) > 0 {
		n := copy(b, c.first[enough-c.again:])
		c.again -= n
		return n, nil
	}
	return c.Conn.Read(b)
}

// SetWriteBuffer sets the system's buffer in bytes, where the connection has one.
func (c *conn) SetWriteBuffer(bytes int) error {
	if sized, ok := c.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		return sized.SetWriteBuffer(bytes)
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.forget(c)
	return c.Conn.Close()
}
