package turnserver

import "time"

const sweepEvery = time.Minute

// Release ends a participant's relayed addresses and voids its credentials that expire before a moment.
// It does not block.
func (s *Server) Release(participant string, before time.Time) {
	clients := map[client]bool{}
	s.mu.Lock()
	now := s.cfg.Now()
	if now.Sub(s.swept) >= sweepEvery {
		s.swept = now
		for who, until := range s.void {
			if !now.Before(until) { // those have expired by themselves
				delete(s.void, who)
			}
		}
	}
	s.void[participant] = before
	for from, c := range s.clients {
		if c.participant == participant {
			clients[from] = true
		}
	}
	var ending []*relayConn
	for _, c := range s.relays {
		if c.participant == participant {
			ending = append(ending, c)
		}
	}
	s.mu.Unlock()
	for _, c := range ending {
		_ = c.UDPConn.Close() // the reader ends, and with it the allocation
	}
	s.streams.expire(clients)
}

// isVoid tells whether credentials were voided.
func (s *Server) isVoid(participant string, expiry time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	before, voided := s.void[participant]
	return voided && expiry.Before(before)
}
