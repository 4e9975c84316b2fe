package room

import (
	"errors"
	"math/rand/v2"
	"time"

	"gasso/net/peer"
	"gasso/net/recovery"
)

// linkWatch notices when no packets come on a participant's link.
type linkWatch struct {
	*recovery.Watch
	track   *Track
	packets int64  // of the track at the last look
	moved   uint64 // changes whenever something came
	bytes   uint64 // on the link at the last look
	revived time.Time
}

// reviveEvery spaces out restarts of a link that pion gave up.
const reviveEvery = 3 * time.Second

// newLinkWatch watches from now on. Links run on real time, whatever the room's clock is.
func newLinkWatch(track *Track, now time.Time) *linkWatch {
	return &linkWatch{
		Watch: recovery.New(now, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
		track: track, packets: track.received.Load(),
	}
}

// received is a counter that each packet changes. The track's own is as good as the link's, and costs
// nothing to read.
func (w *linkWatch) received(link *peer.Link) (moved uint64, restarted time.Time) {
	if packets := w.track.received.Load(); packets != w.packets {
		w.packets = packets
		w.moved++
		return w.moved, time.Time{}
	}
	stats := link.Stats()
	if stats.BytesReceived != 0 && stats.BytesReceived != w.bytes {
		w.bytes = stats.BytesReceived
		w.moved++
	}
	return w.moved, stats.RestartedAt
}

// recoverLinks looks at every link a few times a second.
func (r *Room) recoverLinks() {
	now := time.Now()
	for _, p := range r.order {
		if link := p.currentLink(); link != nil {
			r.recoverLink(p, link, now)
		}
	}
}

// recoverLink has a silent link look for another way, as soon as its participant has given a sign of
// life, and makes it anew when that does not help or the other side has ended it. Without signaling the
// link is left as it is: media may go on, or come back.
func (r *Room) recoverLink(p *participant, link *mediaLink, now time.Time) {
	sample := recovery.Sample{}
	sample.Received, sample.Restarted = link.watch.received(link.Link)
	conn := p.currentConn()
	if conn != nil {
		sample.Heard = conn.Heard()
	}
	action := link.watch.Observe(now, sample)
	failed := link.current() == peer.StateFailed && conn != nil && now.Sub(link.watch.revived) > reviveEvery
	switch {
	case action == recovery.StartOver:
		r.log.Warn("no packets come; the link is made anew", "participant", p.id)
		r.startOver(p, link)
	case action == recovery.Restart, failed:
		link.watch.revived = now
		r.restartLink(p, link)
	case action == recovery.Ask && conn != nil:
		conn.Ping()
	}
}

// restartLink has a link look for its way again.
func (r *Room) restartLink(p *participant, link *mediaLink) {
	r.log.Info("no packets come; looking for another way", "participant", p.id)
	switch err := link.Restart(); {
	case errors.Is(err, peer.ErrStartOver): // the other side has ended it
		r.startOver(p, link)
	case err != nil:
		r.log.Warn("link not restarted", "participant", p.id, "error", err)
	}
}

// reviveLink is for a participant who is back on another connection, perhaps from another network: what
// the old one lost is said again, and silence is not waited for long.
func (r *Room) reviveLink(p *participant, link *mediaLink) {
	link.watch.Hint(time.Now())
	if link.current() == peer.StateFailed {
		r.restartLink(p, link)
		return
	}
	if err := link.Repeat(); err != nil && !errors.Is(err, peer.ErrClosed) {
		r.log.Warn("offer not repeated", "participant", p.id, "error", err)
	}
}
