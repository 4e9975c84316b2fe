package room

import (
	"time"

	"gasso/net/clocksync"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// channels are the data channels of a participant's link; none for those who did not say that they know
// them, since an older app takes no offer that names some.
func (r *Room) channels(p *participant) []peer.ChannelConfig {
	if !p.dataChannels {
		return nil
	}
	return append([]peer.ChannelConfig{r.clockChannel()}, r.backfillChannel(p)...)
}

// clockChannel answers pings with room time. An answer that cannot be sent is left out: the client asks
// again.
func (r *Room) clockChannel() peer.ChannelConfig {
	return peer.ChannelConfig{Name: "clock", ID: 0, OnMessage: func(c *peer.Channel, message []byte) {
		received := r.cfg.Clock.NowNS(r.cfg.Now())
		if id, err := clocksync.ParsePing(message); err == nil {
			_ = c.Send(clocksync.AppendPong(nil, id, received, r.cfg.Clock.NowNS(r.cfg.Now())))
		}
	}}
}

const (
	reportTicks  = 2               // between two link reports to everybody
	reportWindow = 5 * time.Second // that a report is about
	reportedMost = 256             // performers in one report
)

// linkCounts are what the server has of a participant's link at one moment.
type linkCounts struct {
	at             time.Time
	received       int64
	expected, lost int64 // of the subscriber, which may be another one than before
	down           float64
}

// linkHistory is what the last seconds of a link were. It belongs to the room's goroutine.
type linkHistory struct{ counts []linkCounts }

// add notes the present counts and forgets those from before the window but one.
func (h *linkHistory) add(c linkCounts) {
	h.counts = append(h.counts, c)
	for len(h.counts) > 2 && c.at.Sub(h.counts[1].at) >= reportWindow {
		h.counts = h.counts[1:]
	}
}

// state sums the window up.
func (h *linkHistory) state(id string) signaling.LinkState {
	s := signaling.LinkState{ParticipantID: id}
	first, last := h.counts[0], h.counts[len(h.counts)-1]
	before := h.counts[max(0, len(h.counts)-3)]
	s.Heard = last.received > before.received
	var expected, lost int64
	for i, c := range h.counts[1:] {
		if from := h.counts[i]; c.expected >= from.expected && c.lost >= from.lost { // of one subscriber
			expected += c.expected - from.expected
			lost += c.lost - from.lost
		}
		s.DownLost += c.down / float64(len(h.counts)-1)
	}
	if expected > 0 && first.at.Before(last.at) {
		s.UpLost = min(1, float64(lost)/float64(expected))
	}
	return s
}

// reportLinks notes how every link is, and tells everybody now and then.
func (r *Room) reportLinks(now time.Time) {
	report := &signaling.LinkReport{Links: []signaling.LinkState{}}
	for _, p := range r.order {
		link := p.currentLink()
		if !p.performs() || link == nil {
			continue
		}
		p.history.add(linkCountsOf(p.track, link, now))
		if len(report.Links) < reportedMost && len(p.history.counts) > 2 {
			report.Links = append(report.Links, p.history.state(p.id))
		}
	}
	if r.ticks++; r.ticks%reportTicks == 0 && len(report.Links) > 0 {
		r.broadcast(report, nil)
	}
}

func linkCountsOf(t *Track, link *mediaLink, now time.Time) linkCounts {
	c := linkCounts{at: now, received: t.received.Load(), down: link.Stats().FractionLost}
	if s := t.source.Load(); s != nil {
		counters := s.Counters()
		c.expected, c.lost = counters.Expected, counters.Lost
	}
	return c
}
