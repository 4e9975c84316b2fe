package jitter

import "time"

// outlookSteps are the delays beside the target that are compared with it.
var outlookSteps = [outlooks]time.Duration{
	-10 * time.Millisecond, -5 * time.Millisecond, -2500 * time.Microsecond, 0,
	2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
}

// losses counts the packets that never came, in pieces of 2 s.
type losses struct {
	pieces [8]struct {
		number  int64 // highest before the piece
		arrived int64 // first copies in the piece
	}
	piece   int64
	count   int
	highest int64
}

// add takes the first copy of a packet.
func (l *losses) add(arrival, number int64) {
	piece := arrival / floorSamples
	if l.count == 0 {
		l.count, l.piece = 1, piece
		l.highest = number
		l.pieces[piece&7].number, l.pieces[piece&7].arrived = number-1, 0
	}
	if piece > l.piece {
		l.count = min(l.count+1, len(l.pieces))
		if piece > l.piece+1 { // nothing came for long
			l.count = 1
		}
		l.piece = piece
		here := &l.pieces[piece&7]
		here.number, here.arrived = l.highest, 0
	}
	l.highest = max(l.highest, number)
	l.pieces[l.piece&7].arrived++
}

// ratio is the share of packets that did not come in the last 16 s.
func (l *losses) ratio() float64 {
	if l.count == 0 {
		return 0
	}
	var arrived int64
	for i := range int64(l.count) {
		arrived += l.pieces[(l.piece-i)&7].arrived
	}
	expected := l.highest - l.pieces[(l.piece-int64(l.count-1))&7].number
	if expected <= 0 || arrived >= expected {
		return 0
	}
	return float64(expected-arrived) / float64(expected)
}

// soundAbove is how much sound, in bins, a delay up to a bin loses when so many packets need more: of a
// packet only what is over when it comes. length is a packet's in bins.
func (q *quantile) soundAbove(at int64, above, samples int) (sound, length int64) {
	length = min(max(int64(samples)/binSamples, 1), binCount/2)
	sound = int64(above) * length
	for i := int64(1); i < length; i++ {
		sound -= int64(q.counts[(at+i)&(binCount-1)]) * (length - i)
	}
	return max(sound, 0), length
}

// lookOut counts what other delays would have cost lately; base is the delay of the fastest packets.
func (p *Player) lookOut(base int64) {
	q, lost := &p.merged.all, p.expected.ratio()
	if q.total == 0 {
		return
	}
	bin, late := q.at+binCount/2, 0
	for i := outlooks - 1; i >= 0; i-- {
		o := &p.counters.outlook[i]
		delay := p.aim.target - base + durationSamples(outlookSteps[i])
		if delay <= 0 {
			o.delay.Store(0)
			o.ratio.Store(0)
			continue
		}
		limit := floorDiv(base+delay-guard, binSamples) - 1
		for ; bin > limit && bin > q.at-binCount/2; bin-- {
			late += int(q.counts[bin&(binCount-1)])
		}
		sound, length := q.soundAbove(limit, late, p.merged.samples)
		there := (1 - lost) * (1 - float64(sound)/float64(int64(q.total)*length))
		o.delay.Store(samplesDuration(delay))
		o.ratio.Store(int64((1 - there) * 1e6))
	}
}
