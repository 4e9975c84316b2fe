package jitter

const (
	binSamples = 6       // 0.125 ms
	binCount   = 4096    // 512 ms, a power of two
	window     = 16000   // ms that arrivals are remembered
	windowSize = 1 << 13 // and packets: 20 s of 2.5 ms
)

// quantile is a histogram that knows, at the cost of a step or two per packet, the bin above which no
// more than an allowed number of packets lie. Bins go round: one number stands for any at a distance
// of binCount.
type quantile struct {
	counts [binCount]uint16
	total  int
	above  int   // packets in bins higher than at
	at     int64 // bin
}

// near puts a bin that is too far from the quantile for the counts at their edge.
func (q *quantile) near(bin int64) int64 {
	if q.total == 0 {
		return bin
	}
	return min(max(bin, q.at-binCount/2+1), q.at+binCount/2-1)
}

func (q *quantile) add(bin int64) {
	if q.total == 0 {
		q.at, q.above = bin, 0
	}
	q.counts[bin&(binCount-1)]++
	q.total++
	if bin > q.at {
		q.above++
	}
}

func (q *quantile) remove(bin int64) {
	q.counts[bin&(binCount-1)]--
	q.total--
	if bin > q.at {
		q.above--
	}
}

// settle moves to the lowest bin that has at most a share of the packets above it, and returns the
// samples up to that bin's end.
func (q *quantile) settle(share float64) int64 {
	allowed := int(share * float64(q.total))
	for steps := 0; q.above > allowed && steps < binCount; steps++ {
		q.at++
		q.above -= int(q.counts[q.at&(binCount-1)])
	}
	for steps := 0; q.total > 0 && steps < binCount; steps++ {
		here := int(q.counts[q.at&(binCount-1)])
		if q.above+here > allowed {
			break
		}
		q.above += here
		q.at--
	}
	return (q.at + 1) * binSamples
}

// least is the delay that loses at most a share of all sound.
func (q *quantile) least(share float64, samples int) int64 {
	q.settle(share)
	return q.relax(share, samples)
}

// relax goes on downward from where settle ended, for what is late by less than its length is lost only
// in part: to the lowest bin above which no more than a share of all sound lies, in packets of so many
// samples. It returns the samples up to that bin's end.
func (q *quantile) relax(share float64, samples int) int64 {
	lost, length := q.soundAbove(q.at, q.above, samples)
	allowed, within := share*float64(q.total)*float64(length), 0 // in bins of sound
	for i := int64(1); i <= length; i++ {
		within += int(q.counts[(q.at+i)&(binCount-1)])
	}
	at := q.at
	for range length {
		here := int(q.counts[at&(binCount-1)])
		within += here - int(q.counts[(at+length)&(binCount-1)])
		if lost += int64(within); float64(lost) > allowed {
			break
		}
		at--
	}
	return (at + 1) * binSamples
}

// arrivals are the packets of the last 16 s by the delay that each needed in samples. Packets that a
// stall of the network held back are counted apart: waiting for them costs all others too much.
type arrivals struct {
	usual quantile // without those of stalls
	all   quantile
	ring  [windowSize]memo
	head  int
	count int

	last    int64 // arrival of the newest packet in samples
	samples int   // of the newest packet
	stalled bool  // it belonged to the burst that ends a stall
	jitter  float64
	transit int64 // of the newest packet in samples
	floor   floor
	most    floor // of the negative need, without stalls
}

// memo is a remembered packet.
type memo struct {
	at      int64 // ms
	bin     int32
	stalled bool
}

// The floor of some figure is its least value lately, in pieces of 2 s.
const (
	floorPieces  = 11
	floorSamples = 2 * sampleRate
	floorReach   = 5 // pieces that count for the least
)

type floor struct {
	least [floorPieces]int64
	piece int64
	count int // pieces in use
}

func (f *floor) add(at, value int64) {
	piece := at / floorSamples
	if f.count == 0 {
		f.piece, f.count = piece, 1
		f.least[piece%floorPieces] = value
		return
	}
	for steps := 0; f.piece < piece && steps < floorPieces; steps++ {
		if steps == floorPieces-1 {
			f.piece = piece - 1
		}
		f.piece++
		f.least[f.piece%floorPieces] = value
		f.count = min(f.count+1, floorPieces)
	}
	here := &f.least[f.piece%floorPieces]
	*here = min(*here, value)
}

// of is the least of so many pieces, of which the newest is back pieces ago.
func (f *floor) of(back, pieces int) int64 {
	least := f.least[(f.piece-int64(min(back, f.count-1))+floorPieces)%floorPieces]
	for i := back; i < back+pieces && i < f.count; i++ {
		least = min(least, f.least[(f.piece-int64(i)+floorPieces)%floorPieces])
	}
	return least
}

// value is the least lately, 0 before the first.
func (f *floor) value() int64 {
	if f.count == 0 {
		return 0
	}
	return f.of(0, floorReach)
}

const stallSamples = 40 * sampleRate / 1000 // without a packet: what comes then is a stall's burst

// add takes a packet: its arrival and transit, the delay that it needed, and its length, in samples.
func (a *arrivals) add(arrival, transit, need int64, samples int) {
	if a.count > 0 {
		pause := arrival - a.last
		a.stalled = pause > stallSamples || a.stalled && 2*pause < int64(samples)
		a.jitter += (float64(max(transit-a.transit, a.transit-transit)) - a.jitter) / 16
	}
	a.last, a.transit, a.samples = max(a.last, arrival), transit, samples
	a.floor.add(arrival, transit)
	a.forget(arrival)
	if a.count == windowSize {
		a.drop()
	}
	bin := a.all.near(floorDiv(need-1, binSamples))
	a.ring[a.head] = memo{arrival * 1000 / sampleRate, int32(bin), a.stalled}
	a.head = (a.head + 1) % windowSize
	a.count++
	a.all.add(bin)
	if !a.stalled {
		a.usual.add(bin)
		a.most.add(arrival, -need)
	}
}

// surprising tells whether a need is greater than all usual ones of the 8 s before these.
func (a *arrivals) surprising(need int64) bool { return need > -a.most.of(1, 4) }

// greatest is the greatest usual need of the last 10 s.
func (a *arrivals) greatest() int64 { return -a.most.value() }

// forget lets go of what is older than the window at a moment in samples.
func (a *arrivals) forget(now int64) {
	before := now*1000/sampleRate - window
	for a.count > 0 && a.ring[a.oldest()].at < before {
		a.drop()
	}
}

func (a *arrivals) oldest() int { return (a.head - a.count + windowSize) % windowSize }

func (a *arrivals) drop() {
	m := a.ring[a.oldest()]
	a.count--
	a.all.remove(int64(m.bin))
	if !m.stalled {
		a.usual.remove(int64(m.bin))
	}
}

// need is the delay in samples that keeps what lateness costs within two budgets of sound: for what is
// usual, and for all when stalls are counted, too.
func (a *arrivals) need(usual, stalls float64) int64 {
	need := a.all.least(stalls, a.samples)
	if a.usual.total > 0 {
		need = max(need, a.usual.least(usual, a.samples))
	}
	return need
}

func (a *arrivals) reset() { *a = arrivals{} }

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}
