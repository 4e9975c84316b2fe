package session

import (
	"context"
	"sync"
	"time"

	"gasso/net/netwatch"
	"gasso/net/signaling"
)

const (
	pongGrace   = 100 * time.Millisecond // for an old connection to prove itself once a new one is there
	redialGap   = time.Second            // between looks for a successor that all failed
	nameRecheck = 10 * time.Second
)

// nameIsWrong is said while the server's last known address stands in for its name; the window
// translates it.
const nameIsWrong = "The server's name cannot be looked up or leads elsewhere, so its last known address is used. Check the DNS of your network."

// runNetwork follows the network of this machine until ctx ends.
func (s *Session) runNetwork(ctx context.Context) {
	for change := range s.watchNetwork(ctx) {
		s.log.Info("network changed", "what", change.Kind)
		s.networkChanged()
	}
}

// networkChanged has everything look at once whether it still works: no wait goes on, the server is
// dialled beside the connection that may have died, and silent links are restarted.
func (s *Session) networkChanged() {
	s.kickSignaling()
	select {
	case s.linkHint <- struct{}{}:
	default:
	}
}

// kickSignaling has a new connection to the server tried now.
func (s *Session) kickSignaling() {
	select {
	case s.redial <- struct{}{}:
	default:
	}
}

// runSuccessor waits for doubts about a connection. When it does not prove to be alive before a new one
// has been made, it ends it and returns the new one; otherwise it returns nil once ctx has ended.
func (s *Session) runSuccessor(ctx context.Context, conn *signaling.Conn) *dialled {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.redial:
		}
		if next := s.succeed(ctx, conn); next != nil {
			s.log.Info("signaling goes over a new connection")
			conn.Abort()
			return next
		}
	}
}

// succeed races the answer of a connection against a new one, which it returns if that wins.
func (s *Session) succeed(ctx context.Context, conn *signaling.Conn) *dialled {
	ctx, cancel := context.WithCancel(ctx)
	alive, found := make(chan struct{}), make(chan *dialled, 1)
	var racing sync.WaitGroup
	racing.Go(func() {
		if conn.Probe(ctx) == nil {
			close(alive)
		}
	})
	racing.Go(func() { found <- s.dialUntil(ctx) })
	defer racing.Wait()
	defer cancel()
	select {
	case <-alive:
		cancel()
		if late := <-found; late != nil {
			late.Abort()
		}
		return nil
	case next := <-found:
		select {
		case <-alive:
			if next != nil {
				next.Abort()
			}
			return nil
		case <-time.After(pongGrace):
		case <-ctx.Done():
		}
		return next
	}
}

// dialUntil dials until there is a connection, or ctx ends: nil then.
func (s *Session) dialUntil(ctx context.Context) *dialled {
	for ctx.Err() == nil {
		conn, err := s.connector.connect(ctx, nil)
		if err == nil {
			return conn
		}
		select {
		case <-ctx.Done():
		case <-time.After(redialGap):
		}
	}
	return nil
}

// runNameCheck says so while a connection stands that the server's name did not lead to.
func (s *Session) runNameCheck(ctx context.Context) {
	for s.connector.nameIsWrong(ctx) && ctx.Err() == nil {
		s.setNetworkProblem(nameIsWrong)
		select {
		case <-ctx.Done():
		case <-time.After(nameRecheck):
		}
	}
	s.setNetworkProblem("")
}

func (s *Session) setNetworkProblem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems.network = text
}

// networkWatch is netwatch.Watch, replaced in tests.
type networkWatch func(context.Context) <-chan netwatch.Change
