package jitter

const (
	silentPackets = 2 // packets that a path must have left out until it counts as silent,
	silentJitters = 3 // and so many times its jitter

	aloneSpan = window * sampleRate / 1000 // samples until the statistics hold nothing of the time before
)

// handOver goes on with the slower of two paths after the faster one ended, at the first packet that it
// brings: the sound goes back to where it stopped, so that nothing is lost, and the gap is what the
// delay grows by. Later packets of the slower path find the delay grown. need is the delay that the
// packet needed.
//
// It is no handover while something newer is there, after a short gap of the faster path, nor when the
// slower path itself is much later than usual: then both were held back.
func (p *Player) handOver(path int, r *record, need int64) {
	own, other, s := &p.paths[path], &p.paths[1-path], p.source
	if p.alone == other && p.aim.target-need > int64(r.samples)+int64(silentJitters*other.jitter) {
		p.alone = nil // the faster path is there again; through a relay it may come back as a slow one
	}
	grown := p.alone == own && p.delay() >= p.aim.target
	dry := p.anchored && !grown && s.pending > 0 && s.ready() == 0
	if !dry || r.number < p.newest || r.number < s.next || r.first >= s.pos || other.count == 0 {
		return
	}
	if silence := p.samples(r.arrival) - other.last; silence < silentPackets*int64(r.samples)+int64(silentJitters*other.jitter) {
		return
	}
	target := own.greatest() + guard
	if need > min(target+max(int64(r.samples), int64(silentJitters*own.jitter)), p.highest) {
		return
	}
	if p.alone != own {
		p.alone, p.aloneUntil = own, p.clock.now+aloneSpan
	}
	p.aim.target = max(p.aim.target, min(target, p.highest), need)
	s.pos = min(r.first, max(s.ended, p.zero+p.clock.played-p.aim.target))
	s.broken = true // the decoder was made to go on from elsewhere
	p.glide.cancel()
}
