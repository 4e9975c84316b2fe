package jitter

import (
	"math"
	"time"
)

const (
	minimumPieces = 10          // the fastest packet is looked for in the last 10 s,
	pieceLength   = time.Second // a second at a time
	binWidth      = time.Millisecond
	bins          = 256
	forgetAfter   = 10 * time.Second // weight of an old packet falls to 1/e
	shrinkRate    = 2 * time.Millisecond
	learnPackets  = 100 // packets until the target may go below Config.Initial
	guard         = binWidth / 2
)

// delays measures how much later than the fastest packet each packet comes, and says which delay
// lets all but the late budget be in time: a histogram that forgets, up at once and down slowly.
// Times are nanoseconds on the receiver's clock; a transit is an arrival minus a room time.
type delays struct {
	minima  [minimumPieces]int64
	piece   int64 // number of the present piece
	known   bool
	minimum int64 // transit of the fastest packet
	base    int64 // minimum when the bins were last moved
	bins    [bins]float64
	weight  float64 // of the next packet
	packets int
	last    int64 // arrival of the newest packet
	target  int64
}

func (d *delays) reset() { *d = delays{} }

// add takes one packet's arrival and transit.
func (d *delays) add(arrival, transit int64, cfg *Config) {
	if !d.known {
		*d = delays{known: true, weight: 1, last: arrival, base: transit, target: int64(cfg.Initial)}
		d.piece = arrival / int64(pieceLength)
		for i := range d.minima {
			d.minima[i] = math.MaxInt64
		}
	}
	passed := max(0, arrival-d.last)
	d.last += passed
	d.track(transit)

	d.weight *= math.Exp(min(1, float64(passed)/float64(forgetAfter)))
	if d.weight > 1e6 {
		for i := range d.bins {
			d.bins[i] /= d.weight
		}
		d.weight = 1
	}
	bin := (transit - d.base) / int64(binWidth)
	d.bins[min(max(bin, 0), bins-1)] += d.weight
	d.packets++
	d.aim(passed, cfg)
}

// track follows the sliding minimum, and moves the bins along with it.
func (d *delays) track(transit int64) {
	piece := d.last / int64(pieceLength)
	for range min(piece-d.piece, minimumPieces) {
		d.piece++
		d.minima[d.piece%minimumPieces] = math.MaxInt64
	}
	d.piece = piece
	at := &d.minima[piece%minimumPieces]
	*at = min(*at, transit)
	d.minimum = *at
	for _, m := range d.minima {
		d.minimum = min(d.minimum, m)
	}
	if shift := (d.minimum - d.base) / int64(binWidth); shift != 0 || d.minimum < d.base {
		if d.minimum < d.base && (d.minimum-d.base)%int64(binWidth) != 0 {
			shift--
		}
		d.move(int(min(max(shift, -bins), bins)))
		d.base += shift * int64(binWidth)
		d.target -= shift * int64(binWidth)
	}
}

// move shifts the histogram down by so many bins, up when negative; the ends gather.
func (d *delays) move(down int) {
	old := d.bins
	d.bins = [bins]float64{}
	for i, v := range old {
		d.bins[min(max(i-down, 0), bins-1)] += v
	}
}

// aim sets the target: to the delay that the budget asks for, or slowly toward it from above.
func (d *delays) aim(passed int64, cfg *Config) {
	total := 0.0
	for _, v := range d.bins {
		total += v
	}
	allowed := total * cfg.LateBudget
	bin := bins - 1
	for late := d.bins[bin]; bin > 0 && late <= allowed; late += d.bins[bin] {
		bin--
	}
	need := int64(bin+1)*int64(binWidth) + int64(guard)
	if d.packets < learnPackets {
		need = max(need, int64(cfg.Initial))
	}
	slowly := d.target - passed*int64(shrinkRate)/int64(time.Second)
	d.target = min(max(need, slowly, int64(cfg.Min)), int64(cfg.Max))
}
