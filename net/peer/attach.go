package peer

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pion/rtcp"
)

var errOnePublisher = errors.New("this side of the link can carry one publisher; detach the other first")

// AttachTo adds the publisher to a link, which negotiates if it already had. An answerer's link
// takes one publisher. Attaching twice does nothing.
func (p *Publisher) AttachTo(l *Link) error {
	return l.call(func() error { return l.attach(p) })
}

// DetachFrom removes the publisher from a link, which negotiates.
func (p *Publisher) DetachFrom(l *Link) {
	// The only error is that of a closed link, which has let go of the publisher by itself.
	_ = l.call(func() error {
		l.detach(p)
		return nil
	})
}

func (l *Link) attach(p *Publisher) error {
	if _, attached := l.tracks[p]; attached || l.waiting == p {
		return nil
	}
	if !l.cfg.Offerer {
		if len(l.tracks) > 0 || l.waiting != nil {
			return errOnePublisher
		}
		if l.vacated {
			l.waiting = p // pion would put it on a media section that nobody offered
			return nil
		}
	}
	return l.addTrack(p)
}

func (l *Link) addTrack(p *Publisher) error {
	track := newLocalTrack(p, l)
	sender, err := l.pc.AddTrack(track)
	if err != nil {
		return fmt.Errorf("attach publisher: %w", err)
	}
	l.tracks[p] = &attachment{sender: sender, track: track}
	p.add(track)
	l.due = true
	return nil
}

// attachWaiting attaches what waited for a detachment to be negotiated.
func (l *Link) attachWaiting() error {
	p := l.waiting
	if p == nil {
		return nil
	}
	l.waiting = nil
	return l.addTrack(p)
}

func (l *Link) detach(p *Publisher) {
	if l.waiting == p {
		l.waiting = nil
	}
	a, ok := l.tracks[p]
	if !ok {
		return
	}
	delete(l.tracks, p)
	if err := l.pc.RemoveTrack(a.sender); err != nil {
		l.log.Info("detach publisher", "publisher", p.streamID, "error", err)
	}
	p.remove(a.track)
	l.due, l.vacated = true, l.started
}

// releaseTracks lets go of the publishers when the link has ended.
func (l *Link) releaseTracks() {
	for p, a := range l.tracks {
		p.remove(a.track)
	}
	l.tracks = nil
}

// followReports takes what the receiver of a track says, on the goroutine that decrypts it. A panic over it,
// which somebody else wrote, is caught.
func (l *Link) followReports(track *localTrack, ssrc uint32) {
	l.inbox.onReports(ssrc, func(reports []byte) {
		err := l.guarded(func() error { return l.takeReports(reports, track, time.Now()) })
		if err != nil {
			track.badFeedback.Add(1)
		}
	})
}

func (l *Link) takeReports(compound []byte, track *localTrack, now time.Time) error {
	compound, err := l.takeWide(compound, now)
	if err != nil || len(compound) == 0 {
		return err
	}
	reports, err := rtcp.Unmarshal(compound)
	if err != nil {
		return err
	}
	for _, r := range reports {
		switch r := r.(type) {
		case *rtcp.ReceiverReport:
			l.noteLoss(r)
		case *rtcp.ApplicationDefined:
			track.takeFeedback(r, now)
		}
	}
	return nil
}

func (l *Link) noteLoss(rr *rtcp.ReceiverReport) {
	for _, block := range rr.Reports {
		l.lossBits.Store(math.Float64bits(float64(block.FractionLost) / 256)) // RFC 3550, section 6.4.1
	}
}
