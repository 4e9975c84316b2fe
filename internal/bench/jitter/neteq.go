package jitter

import (
	"slices"
	"time"
)

// netEQ is a model of the audio receiver of WebRTC with packets of 20 ms and output every 10 ms, by
// what is published of it (webrtcHacks, "How WebRTC's NetEQ Jitter Buffer Provides Smooth Audio", 2025,
// and the constants of its program): each packet's delay against the fastest one of the last 2 s goes
// into a histogram of 20 ms buckets, the greatest of each half second; its 95 % quantile is the
// target. Copies of lost packets count as reordered, in a second histogram that weighs a percent of
// loss as 20 ms. What waits longer than target, greatest delay and 20 ms is accelerated, what waits
// less than the target is expanded, a period at a time and at most every 60 ms. A loss is expanded
// over until the next packet's moment.
//
// With red each packet carries a copy of the one before. Without, its in-band FEC does: it moves
// the target in the same way, but what is decoded from it counts as concealed, as in the rows that
// were measured.
type netEQ struct {
	there      [netEQPackets]bool // at number modulo length
	secondary  [netEQPackets]bool // that is a copy
	next       int64              // packet to be decoded next
	newest     int64              // packet received
	left       int                // samples decoded and not yet played
	fromCopy   bool               // they are of a copy
	invented   int                // samples since the last packet
	countdown  int                // ticks until the length may be changed
	started    bool
	expanding  bool
	red        bool
	target     time.Duration
	known      [netEQPackets]int64 // number+1 of packets whose arrival was counted
	fastest    window2s
	slowest    window2s
	underrun   histogram
	reorder    histogram
	interval   time.Duration // begin of the half second
	inInterval time.Duration // its greatest delay
	optimal    time.Duration // by the underrun histogram; 0: unknown
}

const (
	netEQPackets  = 512
	netEQPacket   = 20 * time.Millisecond
	netEQSamples  = 960
	netEQTick     = 10 * time.Millisecond
	netEQOutput   = 480
	netEQBucket   = 20 * time.Millisecond
	netEQStart    = 80 * time.Millisecond
	netEQHistory  = 2 * time.Second
	netEQInterval = 500 * time.Millisecond
	netEQQuantile = 0.95
	netEQPeriod   = 360 // samples that one change of the length takes out or puts in
	netEQMerge    = 240 // samples that going over from expansion to a packet puts in, about
	netEQPause    = 6   // ticks between two changes
	netEQMuted    = 100 * sampleRate / 1000
	netEQCost     = 20 // ms that a percent of loss is worth
	// What is around the buffer: the one free figure of the model, set so that the rows that were
	// measured with Chromium come out as well as they can. Below zero: the model waits longer than
	// the program.
	netEQAround = -time.Millisecond
)

// histogram is a distribution over buckets that forgets.
type histogram struct {
	buckets [100]float64
	forget  float64 // factor in the long run
	count   int
}

func newHistogram(forget float64) histogram {
	h := histogram{forget: forget}
	share := 0.5
	for i := range h.buckets {
		h.buckets[i] = share
		share /= 2
	}
	return h
}

func (h *histogram) add(bucket int) {
	factor := min(h.forget, max(0, 1-2/float64(h.count+1)))
	if h.count == 0 {
		factor = 0
	}
	h.count++
	for i := range h.buckets {
		h.buckets[i] *= factor
	}
	h.buckets[min(bucket, len(h.buckets)-1)] += 1 - factor
}

func (h *histogram) quantile(share float64) int {
	rest := 1.0
	for i, b := range h.buckets {
		if rest -= b; rest <= 1-share {
			return i
		}
	}
	return len(h.buckets) - 1
}

// cheapest is the bucket at which the delay above base and the loss beyond cost least together.
func (h *histogram) cheapest(base time.Duration) int {
	loss, best, least := 1.0, 0, 0.0
	for i, b := range h.buckets {
		loss -= b
		over := max(0, time.Duration(i)*netEQBucket-base)
		cost := over.Seconds()*1e3 + 100*netEQCost*loss
		if i == 0 || cost < least-1e-9 {
			best, least = i, cost
		}
	}
	return best
}

// window2s keeps the extreme of the transits of the last 2 s of packets.
type window2s struct {
	sign    time.Duration // 1 for the least, -1 for the greatest
	numbers []int64
	values  []time.Duration
}

func (w *window2s) add(number int64, transit time.Duration) {
	old := number - int64(netEQHistory/netEQPacket)
	keep := 0
	for keep < len(w.numbers) && w.numbers[keep] < old {
		keep++
	}
	w.numbers, w.values = slices.Delete(w.numbers, 0, keep), slices.Delete(w.values, 0, keep)
	for n := len(w.values); n > 0 && w.sign*(transit-w.values[n-1]) <= 0; n-- {
		w.numbers, w.values = w.numbers[:n-1], w.values[:n-1]
	}
	w.numbers, w.values = append(w.numbers, number), append(w.values, transit)
}

func (w *window2s) extreme() time.Duration {
	if len(w.values) == 0 {
		return 0
	}
	return w.values[0]
}

func runNetEQ(red bool) func(network, uint64, time.Duration, *listener) {
	return func(n network, seed uint64, length time.Duration, heard *listener) {
		heard.around = netEQAround
		all := n.arrivals(seed, netEQPacket, length, true)
		q := &netEQ{
			red: red, target: netEQStart, fastest: window2s{sign: 1}, slowest: window2s{sign: -1},
			underrun: newHistogram(0.983), reorder: newHistogram(0.9993),
		}
		for now := phase(seed, netEQTick); now <= length; now += netEQTick {
			for ; len(all) > 0 && all[0].at <= now; all = all[1:] {
				q.receive(all[0], now-netEQTick) // times are those of the last tick
			}
			if q.started {
				q.output(now, heard)
			}
		}
	}
}

// receive stores a packet and learns from its arrival.
func (q *netEQ) receive(a arrival, now time.Duration) {
	if !q.started {
		q.started, q.next, q.newest = true, a.number, a.number-1
	}
	slot := a.number % netEQPackets
	if a.number >= q.next && !q.there[slot] {
		q.there[slot], q.secondary[slot] = true, a.copy
	}
	reordered := a.number <= q.newest
	q.newest = max(q.newest, a.number)
	if q.known[slot] == a.number+1 {
		return
	}
	q.known[slot] = a.number + 1
	transit := now - time.Duration(a.number)*netEQPacket
	if !reordered {
		q.fastest.add(a.number, transit)
		q.slowest.add(a.number, transit)
	}
	q.learn(max(0, transit-q.fastest.extreme()), reordered, now)
}

func (q *netEQ) learn(delay time.Duration, reordered bool, now time.Duration) {
	if !reordered {
		if q.interval == 0 {
			q.interval = now
		}
		if now-q.interval > netEQInterval {
			q.underrun.add(int(q.inInterval / netEQBucket))
			q.optimal = time.Duration(1+q.underrun.quantile(netEQQuantile)) * netEQBucket
			q.interval, q.inInterval = now, 0
		}
		q.inInterval = max(q.inInterval, delay)
	}
	q.target = q.optimal
	if q.optimal == 0 {
		q.target = netEQStart
	}
	bucket := 0
	if reordered {
		bucket = int(delay / netEQBucket)
	}
	q.reorder.add(bucket)
	q.target = max(q.target, time.Duration(1+q.reorder.cheapest(q.target))*netEQBucket)
}

// output plays one tick.
func (q *netEQ) output(now time.Duration, heard *listener) {
	q.countdown = max(0, q.countdown-1)
	available := q.lowest()
	q.adjust(now, available)
	for rest := netEQOutput; rest > 0; {
		if q.left > 0 {
			n := min(rest, q.left)
			q.play(now, n, heard)
			rest -= n
			continue
		}
		available = q.lowest()
		if available < 0 || !q.ready(available) {
			heard.conceal(now, rest)
			q.invented += rest
			q.expanding = true
			return
		}
		q.decode(available)
	}
}

func (q *netEQ) play(now time.Duration, samples int, heard *listener) {
	q.left -= samples
	if q.fromCopy && !q.red {
		heard.conceal(now, samples)
		return
	}
	position := q.next*netEQSamples - int64(q.left) - int64(samples)
	heard.play(now, samples, now.Seconds()*sampleRate-float64(position))
}

// lowest is the first packet in the buffer, -1 when it is empty.
func (q *netEQ) lowest() int64 {
	for number := q.next; number <= q.newest; number++ {
		if q.there[number%netEQPackets] {
			return number
		}
	}
	return -1
}

// ready tells whether a packet may be decoded now, or what is missing before it is expanded over.
func (q *netEQ) ready(number int64) bool {
	waiting := time.Duration(q.newest-number+1) * netEQPacket
	if q.expanding && q.invented > netEQMuted && waiting < q.target/2 {
		return false
	}
	if number == q.next {
		return true
	}
	leap := int(number-q.next) * netEQSamples
	return leap <= q.invented || waiting > q.target+50*time.Millisecond
}

func (q *netEQ) decode(number int64) {
	slot := number % netEQPackets
	q.fromCopy = q.secondary[slot]
	q.there[slot] = false
	q.next = number + 1
	q.left = netEQSamples
	if q.expanding {
		q.left += netEQMerge
	}
	q.invented, q.expanding = 0, false
}

// adjust changes the length of what is to be played next when it waits too long or too short.
func (q *netEQ) adjust(now time.Duration, available int64) {
	if q.countdown > 0 || q.expanding || available != q.next {
		return
	}
	if q.left < netEQSamples {
		left := q.left
		q.decode(available)
		q.left += left
	}
	position := time.Duration(q.next*netEQSamples-int64(q.left)) * time.Second / sampleRate
	waits := max(0, now-position-q.fastest.extreme())
	most := q.target + netEQBucket + q.slowest.extreme() - q.fastest.extreme()
	switch {
	case waits >= most:
		q.left -= netEQPeriod
	case waits < q.target:
		q.left += netEQPeriod
	default:
		return
	}
	q.countdown = netEQPause
}
