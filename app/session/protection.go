package session

import (
	"time"

	"gasso/audio/jitter"
	"gasso/net/packet"
	"gasso/net/peer"
)

// mostAsked is how many missing packets are asked for at once.
const mostAsked = 64

// source is the track that brings a performer's packets on one path, while it does.
type source struct{ subscriber }

type subscriber interface {
	Request(generation uint8, numbers []int64)
	Decline(wish time.Duration)
	Counters() peer.SubscriberCounters
}

// noteSource keeps what brings packets on a path now.
func (p *performer) noteSource(path int, s *source) {
	if p.sources[path].Load() != s {
		p.sources[path].Store(s)
	}
}

// endSource keeps the counts of a track that has ended.
func (p *performer) endSource(path int, s *source) {
	p.sources[path].CompareAndSwap(s, nil)
	p.endedUnusable.Add(unusable(s.Counters()))
}

// unusableOnTracks counts the packets that never reached a jitter buffer.
func (p *performer) unusableOnTracks() int64 {
	n := p.endedUnusable.Load()
	for path := range p.sources {
		if s := p.sources[path].Load(); s != nil {
			n += unusable(s.Counters())
		}
	}
	return n
}

func unusable(c peer.SubscriberCounters) int64 { return c.Malformed + c.Unidentified + c.NoClock }

// missingPackets counts what both paths, copies and repetitions together did not bring in time.
func (p *performer) missingPackets() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countsLocked().lost
}

// aimRequests decides whom to ask for missing packets: the performer itself, or the server, which keeps
// the newest packets of everybody. A round trip of 0 is unknown. The answer waits for the next packet.
func (p *performer) aimRequests(serverRTT time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path, rtt := jitter.PathForwarded, serverRTT
	if p.link != nil {
		if stats := p.link.LastStats(); stats.State == peer.StateConnected && stats.RTT > 0 {
			path, rtt = jitter.PathDirect, stats.RTT
		}
	}
	s := p.sources[path].Load()
	p.asked.Store(s)
	for _, v := range *p.voices.Load() {
		if s == nil || rtt <= 0 {
			v.player.SetRoundTrip(-1)
			continue
		}
		v.player.SetRoundTrip(rtt + time.Duration(v.publication.FrameSamples)*time.Second/packet.SampleRate)
	}
}

// askLocked asks for the packets that a voice misses; whoever holds delivering is the only one.
func (p *performer) askLocked(v *voice) {
	n := v.player.TakeMissing(p.wanted[:])
	if n == 0 {
		return
	}
	if s := p.asked.Load(); s != nil {
		s.Request(v.publication.Generation, p.wanted[:n])
	}
}

// describeProtectionLocked writes how the loss between a performer and this machine is made up for.
func (s *Session) describeProtectionLocked(p *performer, out *Link) {
	link := p.currentLink()
	if link == nil || link.LastStats().State != peer.StateConnected {
		link = s.serverLink
	}
	if publisher := s.publisher.Load(); publisher != nil && link != nil {
		sent := publisher.Counters(link)
		out.RedundantDepth, out.RedundantSpread, out.Retransmitted = sent.RedundantDepth, sent.RedundantSpread, sent.Resent
		out.BadFeedback = sent.BadFeedback
	}
	var delivered, repaired int64
	for path := range p.sources {
		if source := p.sources[path].Load(); source != nil {
			c := source.Counters()
			delivered += c.Delivered
			repaired += c.Repaired
		}
	}
	if delivered > 0 {
		out.RepairedRatio = float64(repaired) / float64(delivered)
	}
}

// serverRTT is the round trip to the server's media connection, 0 while unknown.
func (s *Session) serverRTT() time.Duration {
	s.mu.Lock()
	link := s.serverLink
	s.mu.Unlock()
	if link == nil {
		return 0
	}
	if stats := link.Stats(); stats.State == peer.StateConnected {
		return stats.RTT
	}
	return 0
}
