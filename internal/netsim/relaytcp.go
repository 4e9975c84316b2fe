package netsim

import (
	"errors"
	"io"
	"net"
	"time"
)

const (
	piece      = 1400                  // bytes of a stream that travel as one packet
	pieces     = 64                    // under way on one connection; then its sender has to wait
	headersTCP = 52                    // bytes of IPv4 and TCP headers with time stamps
	blackWait  = 20 * time.Millisecond // how often the end of a blackout is looked for
	dialTarget = 10 * time.Second
)

// runTCP takes connections.
func (r *Relay) runTCP(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.running.Go(func() { r.runConnection(client) })
	}
}

// runConnection passes one connection on, both ways, until one way ends or breaks.
func (r *Relay) runConnection(client net.Conn) {
	target, err := net.DialTimeout("tcp", r.target, dialTarget)
	if err != nil || !r.enter(client, target) {
		r.mu.Lock()
		r.counters.Refused++
		r.mu.Unlock()
		_ = client.Close()
		if target != nil {
			_ = target.Close()
		}
		return
	}
	ended := make(chan struct{}, 2)
	both := func(path *Path, from, to net.Conn) {
		r.running.Go(func() { r.passStream(path, from, to); ended <- struct{}{} })
	}
	both(r.up, client, target)
	both(r.down, target, client)
	<-ended
	<-ended
	_ = client.Close()
	_ = target.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, client)
	delete(r.conns, target)
}

// enter counts a connection, false when it is one too many.
func (r *Relay) enter(client, target net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.conns) >= 2*relayFlows {
		return false
	}
	r.counters.Flows++
	r.conns[client], r.conns[target] = true, true
	return true
}

// timed is a piece of a stream and when it arrives.
type timed struct {
	data []byte
	at   time.Time
}

// passStream passes one direction on until its sender ends it, then ends it at the receiver.
func (r *Relay) passStream(path *Path, from, to net.Conn) {
	under, written := make(chan timed, pieces), make(chan struct{})
	r.running.Go(func() { r.runWrites(path, under, to); close(written) })
	defer func() { close(under); <-written }()
	var latest time.Time
	for {
		data := make([]byte, piece)
		n, err := from.Read(data)
		if n > 0 {
			at := path.stream(n + headersTCP)
			if at.Before(latest) {
				at = latest
			}
			latest = at
			select {
			case under <- timed{data[:n], at}:
			case <-r.closing:
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) { // a reset goes through at once
				_ = to.Close()
			}
			return
		}
	}
}

// runWrites writes what arrives, when it does. After an error it only takes, so that nobody waits.
func (r *Relay) runWrites(path *Path, under <-chan timed, to net.Conn) {
	broken := false
	for next := range under {
		if broken = broken || !r.pause(path, next.at); broken {
			continue
		}
		if _, err := to.Write(next.data); err != nil {
			broken = true
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// pause waits until a moment and for the end of a blackout, false when the relay closes.
func (r *Relay) pause(path *Path, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for {
		select {
		case <-r.closing:
			return false
		case <-timer.C:
		}
		if !path.Conditions().Blackout {
			return true
		}
		timer.Reset(blackWait)
	}
}

// stream returns when a piece of a stream of some bytes arrives: nothing of it is lost, and a queue
// that is full is one that is waited for.
func (p *Path) stream(bytes int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.begun)
	p.link.follow(now)
	before := p.link.now
	p.link.now.Loss, p.link.now.LossBetween, p.link.now.Blackout = 0, 0, false
	p.link.now.QueueBytes = pathBytes
	times, _ := p.link.Pass(now, bytes)
	p.link.now = before
	p.counters.Packets++
	p.counters.Bytes += int64(bytes)
	p.counters.Arrived++
	return p.begun.Add(times[0])
}
