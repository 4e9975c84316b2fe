package turnserver

import (
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	handshakePatience = 10 * time.Second // for TLS and the first byte behind it
	maxHandshakes     = 512              // at once, about 20 KB each; when there are more the oldest is ended
	acceptPause       = 50 * time.Millisecond
	alpnTURN          = "stun.turn" // RFC 7443, section 3
	alpnHTTP2         = "h2"
)

// Splitter shares one TLS port between HTTP and TURN: after the handshake a first byte with the top
// bits 00 is a STUN message (RFC 8489, section 5), anything else is HTTP. TURN clients begin with one;
// no HTTP method does. A protocol that was negotiated (ALPN) decides at once.
type Splitter struct {
	base       net.Listener
	config     *tls.Config
	http, turn *handedOver
	closing    sync.Once
	wg         sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting *list.List // of net.Conn, in the handshake, the oldest first
	closed  bool
}

// NewSplitter takes over a listener of plain TCP. Close ends it.
func NewSplitter(base net.Listener, config *tls.Config) *Splitter {
	config = config.Clone()
	config.NextProtos = append(config.NextProtos, alpnTURN)
	s := &Splitter{base: base, config: config, waiting: list.New()}
	s.http, s.turn = newHandedOver(base.Addr()), newHandedOver(base.Addr())
	s.wg.Go(s.runAccept)
	return s
}

// HTTP gives the connections that speak HTTP. They are *tls.Conn where HTTP/2 was negotiated.
func (s *Splitter) HTTP() net.Listener { return s.http }

// TURN gives the connections that speak TURN.
func (s *Splitter) TURN() net.Listener { return s.turn }

// Close ends the port and the connections that nobody has taken yet.
func (s *Splitter) Close() error {
	var err error
	s.closing.Do(func() {
		err = s.base.Close()
		s.mu.Lock()
		s.closed = true
		for e := s.waiting.Front(); e != nil; e = e.Next() {
			_ = e.Value.(net.Conn).Close()
		}
		s.mu.Unlock()
		_, _ = s.http.Close(), s.turn.Close()
		s.wg.Wait()
	})
	return err
}

func (s *Splitter) runAccept() {
	for {
		c, err := acceptPatiently(s.base)
		if err != nil {
			_, _ = s.http.Close(), s.turn.Close()
			return
		}
		place := s.hold(c)
		if place == nil {
			_ = c.Close()
			return
		}
		s.wg.Go(func() { s.runHandshake(c, place) })
	}
}

// acceptPatiently waits while the system has nothing left to accept with (files, memory).
func acceptPatiently(l net.Listener) (net.Conn, error) {
	for {
		c, err := l.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return c, err
		}
		time.Sleep(acceptPause)
	}
}

// hold notes a connection; nil when the port is closed. A flood of handshakes pushes itself out.
func (s *Splitter) hold(c net.Conn) *list.Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if s.waiting.Len() >= maxHandshakes {
		_ = s.waiting.Remove(s.waiting.Front()).(net.Conn).Close()
	}
	return s.waiting.PushBack(c)
}

// release forgets a connection; it may have been pushed out before.
func (s *Splitter) release(place *list.Element) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.Remove(place)
}

// runHandshake finds out who speaks and hands the connection over.
func (s *Splitter) runHandshake(c net.Conn, place *list.Element) {
	defer s.release(place)
	secured, to := s.sort(c)
	if to == nil || c.SetDeadline(time.Time{}) != nil || !to.put(secured) {
		_ = c.Close()
	}
}

// sort ends TLS and reads what decides. It returns nobody for a connection that came to nothing.
func (s *Splitter) sort(c net.Conn) (net.Conn, *handedOver) {
	_ = c.SetDeadline(time.Now().Add(handshakePatience))
	secured := tls.Server(c, s.config)
	if secured.Handshake() != nil {
		return nil, nil
	}
	switch secured.ConnectionState().NegotiatedProtocol {
	case alpnHTTP2:
		return secured, s.http
	case alpnTURN:
		return secured, s.turn
	}
	first := make([]byte, 1)
	if _, err := secured.Read(first); err != nil {
		return nil, nil
	}
	peeked := &peekedConn{Conn: secured, first: first}
	if isSTUN(first[0]) {
		return peeked, s.turn
	}
	return peeked, s.http
}

// isSTUN tells whether a connection that begins so speaks STUN.
func isSTUN(first byte) bool { return first&0xc0 == 0 }

// peekedConn is a connection whose first byte was read already.
type peekedConn struct {
	*tls.Conn
	first []byte // until it is read; one goroutine reads
}

// Read returns the first byte, then what follows.
func (c *peekedConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 && len(p) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// handedOver is a listener of connections that were accepted elsewhere.
type handedOver struct {
	address net.Addr
	conns   chan net.Conn
	ended   chan struct{}
	closing sync.Once
}

func newHandedOver(address net.Addr) *handedOver {
	return &handedOver{address: address, conns: make(chan net.Conn), ended: make(chan struct{})}
}

// put hands a connection over; false when nobody listens any more.
func (h *handedOver) put(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.ended:
		return false
	}
}

// Accept returns the next connection.
func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.ended:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *handedOver) Close() error {
	h.closing.Do(func() { close(h.ended) })
	return nil
}

// Addr is the port's address.
func (h *handedOver) Addr() net.Addr { return h.address }
