package redundancy

const (
	gapBehind  = 2   // a number is missing once one so many on is there,
	gapForgets = 256 // and as many more as packets overtook each other lately; in so many of them
	gapMost    = 16  // numbers that are missing at once; more is an outage
)

// Gaps tells which numbers on a link are missing and worth asking for at once, each a single time: those that
// neither came by themselves nor as copies when both usually would have. One goroutine at a time.
type Gaps struct {
	generation uint8
	next       int64 // numbers below were looked at
	late       float64
	missing    [gapMost]int64
}

// Look is called after Receiver.Take for each packet that was fresh. again says that it came because it was asked
// for. What it returns, in ascending order, is valid until the next call.
func (g *Gaps) Look(r *Receiver, generation uint8, number int64, again bool) []int64 {
	w := &r.current
	if generation != w.generation || again {
		return nil
	}
	if g.generation != generation || number < g.next-seenNumbers || number > g.next+interruption {
		*g = Gaps{generation: generation, next: number, late: g.late}
	}
	g.late = max(float64(w.newest-number), g.late-g.late/gapForgets)
	n := 0
	for end := w.newest - gapBehind - int64(g.late+0.5); g.next <= end; g.next++ {
		word, bit := g.next%seenNumbers/64, uint64(1)<<(g.next%64)
		if n < gapMost && w.came[word]&bit == 0 {
			g.missing[n] = g.next
			n++
		}
	}
	return g.missing[:n]
}
