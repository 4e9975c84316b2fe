package session

import (
	"time"

	"gasso/net/signaling"
)

// askAgain is how long an answer about transports may take before it is asked for once more.
const askAgain = time.Minute

// useTransport has connections made or restarted from now on use these servers, and asks for new
// credentials when a quarter of their life is left.
func (s *Session) useTransport(t *signaling.TransportOptions) {
	s.mu.Lock()
	factory := s.factory
	s.stopRenewalLocked()
	if t.TTLSeconds > 0 {
		s.renewal = time.AfterFunc(renewAfter(t.TTLSeconds), s.renewTransport)
	}
	s.mu.Unlock()
	if factory == nil || len(t.ICEServers) == 0 {
		return
	}
	if err := factory.SetICEServers(t.ICEServers); err != nil {
		s.log.Warn("servers for connections refused", "error", err)
	}
}

// renewAfter is when to ask for what takes the place of credentials.
func renewAfter(ttlSeconds int) time.Duration {
	return max(time.Duration(ttlSeconds)*time.Second*3/4, time.Second)
}

// renewTransport asks for new credentials. Without a connection the next join brings them.
func (s *Session) renewTransport() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewal == nil {
		return
	}
	s.renewal.Reset(askAgain)
	if s.conn != nil {
		_ = s.conn.Send(&signaling.TransportOptions{}) // a lost connection brings new ones with the next join
	}
}

// stopRenewalLocked ends what useTransport began.
func (s *Session) stopRenewalLocked() {
	if s.renewal != nil {
		s.renewal.Stop()
		s.renewal = nil
	}
}
