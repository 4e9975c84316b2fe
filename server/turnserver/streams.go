package turnserver

import (
	"bufio"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of connections over TCP and TLS.
const (
	maxStreams        = 2048
	maxStreamsPerHost = 256
	strangerLife      = 15 * time.Second // for TLS, credentials and an allocation
	silence           = 11 * time.Minute // an allocation is refreshed more often
	writePatience     = 2 * time.Second  // what waits longer is of no use any more
	streamWriteBuffer = 64 << 10         // bytes: what waits there is late
)

// streamListener bounds connections and how long they may do nothing.
type streamListener struct {
	net.Listener
	s *Server
}

// Accept returns the next connection that there is room for.
func (l *streamListener) Accept() (net.Conn, error) {
	for {
		c, err := acceptPatiently(l.Listener)
		if err != nil {
			return nil, err
		}
		if taken := l.s.streams.take(c, l.s); taken != nil {
			return taken, nil
		}
		l.s.counts.refused.Add(1)
		_ = c.Close()
	}
}

// streams are the open connections.
type streams struct {
	mu     sync.Mutex // guards what follows
	open   map[*stream]struct{}
	hosts  map[netip.Addr]int
	closed bool
}

// take bounds a connection; nil when there is no room.
func (t *streams) take(c net.Conn, s *Server) *stream {
	host := sourceOf(clientOf(c.RemoteAddr()).from.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.open) >= maxStreams || t.hosts[host] >= maxStreamsPerHost {
		return nil
	}
	st := &stream{Conn: c, s: s, host: host, since: s.cfg.Now()}
	if limit, ok := beneathTLS(c).(interface{ SetWriteBuffer(int) error }); ok {
		_ = limit.SetWriteBuffer(streamWriteBuffer)
	}
	t.open[st] = struct{}{}
	t.hosts[host]++
	return st
}

func (t *streams) forget(st *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.open[st]; !ok {
		return
	}
	delete(t.open, st)
	if t.hosts[st.host]--; t.hosts[st.host] == 0 {
		delete(t.hosts, st.host)
	}
}

// expire has the connections of some clients end.
func (t *streams) expire(clients map[client]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for st := range t.open {
		if clients[clientOf(st.RemoteAddr())] {
			_ = st.SetReadDeadline(time.Unix(1, 0)) // the reader closes it
		}
	}
}

// close ends all connections and takes no more.
func (t *streams) close() {
	t.mu.Lock()
	t.closed = true
	all := make([]*stream, 0, len(t.open))
	for st := range t.open {
		all = append(all, st)
	}
	t.mu.Unlock()
	for _, st := range all {
		_ = st.Close()
	}
}

// stream is one client's connection.
type stream struct {
	net.Conn
	s        *Server
	host     netip.Addr
	since    time.Time
	buffered *bufio.Reader // nil until the first Read; one goroutine reads
	message  []byte        // what of a message is still to be read
}

// Read returns what there is of one message that is well-formed. Anything else ends the connection.
func (c *stream) Read(p []byte) (n int, err error) {
	defer c.s.recovered()
	err = errPanicked
	if len(c.message) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n = copy(p, c.message)
	c.message = c.message[n:]
	return n, nil
}

// next waits for a whole message, as long as the client deserves: those without an allocation only at first.
func (c *stream) next() error {
	wait := strangerLife - c.s.cfg.Now().Sub(c.since)
	if c.s.isClient(clientOf(c.RemoteAddr())) {
		wait = silence
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if c.buffered == nil {
		c.buffered = bufio.NewReaderSize(c.Conn, maxMessage)
	}
	head, err := c.buffered.Peek(4)
	if err != nil {
		return err
	}
	size := streamedBytes(head)
	if size > maxMessage {
		c.s.counts.malformed.Add(1)
		return errMalformed
	}
	b, err := c.buffered.Peek(size)
	if err != nil {
		return err
	}
	if !wellFormed(b) {
		c.s.counts.malformed.Add(1)
		return errMalformed
	}
	c.message = append([]byte(nil), b...)
	_, err = c.buffered.Discard(size)
	return err
}

// Write ends the connection when the client does not read: half a message would garble what follows.
func (c *stream) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(writePatience))
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = beneathTLS(c.Conn).Close()
	}
	return n, err
}

// Close ends the connection at once: the farewell of TLS would wait for a client that does not read.
func (c *stream) Close() error {
	c.s.streams.forget(c)
	return beneathTLS(c.Conn).Close()
}

// beneathTLS is the connection that carries one with TLS, and any other itself.
func beneathTLS(c net.Conn) net.Conn {
	if secured, ok := c.(interface{ NetConn() net.Conn }); ok {
		return secured.NetConn()
	}
	return c
}
