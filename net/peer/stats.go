package peer

import (
	"math"
	"time"

	"github.com/pion/webrtc/v4"
)

// LinkStats is what a link counted until now.
type LinkStats struct {
	State               State
	RTT                 time.Duration // of the nominated pair, measured once a second; 0 while unknown
	BytesSent           uint64        // over the nominated pair
	BytesReceived       uint64
	RestartedAt         time.Time // when either side last asked for another way; zero if never
	LocalCandidateType  string    // host, srflx, prflx or relay; empty without a nominated pair
	RemoteCandidateType string
	Protocol            string  // udp or tcp
	Relay               bool    // through a TURN server, ours or the other side's
	FractionLost        float64 // of one of our publishers' packets, as the other side reported last, 0 to 1
}

// Stats is cheap enough to poll some times a second. It waits for the ICE agent: call it under no lock.
func (l *Link) Stats() LinkStats {
	s := l.stats()
	l.lastStats.Store(&s)
	return s
}

// LastStats is what Stats returned last, with the state of now. It waits for nobody.
func (l *Link) LastStats() (s LinkStats) {
	if last := l.lastStats.Load(); last != nil {
		s = *last
	}
	s.State, s.FractionLost = *l.state.Load(), math.Float64frombits(l.lossBits.Load())
	return s
}

func (l *Link) stats() LinkStats {
	s := LinkStats{State: *l.state.Load(), RestartedAt: l.lastRestart(), FractionLost: math.Float64frombits(l.lossBits.Load())}
	transport := l.pc.SCTP().Transport().ICETransport() // there with or without data channels
	if transport.State() == webrtc.ICETransportStateNew {
		return s // pion sets the transport up without a lock
	}
	pair, err := transport.GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return s
	}
	s.LocalCandidateType, s.RemoteCandidateType = pair.Local.Typ.String(), pair.Remote.Typ.String()
	s.Protocol = pair.Local.Protocol.String()
	s.Relay = pair.Local.Typ == webrtc.ICECandidateTypeRelay || pair.Remote.Typ == webrtc.ICECandidateTypeRelay
	if counted, ok := transport.GetSelectedCandidatePairStats(); ok {
		s.BytesSent, s.BytesReceived = counted.BytesSent, counted.BytesReceived
		s.RTT = time.Duration(counted.CurrentRoundTripTime * float64(time.Second))
	}
	return s
}
