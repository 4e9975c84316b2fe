package redundancy

const (
	seenNumbers  = 1024 // that duplicates are known by
	settleAfter  = 32   // packets: so much later than the newest, what has not come is lost
	interruption = 64   // a gap of more packets is no loss that copies could mend
	strangeMax   = 50   // packets from long ago in a row until the numbering is taken for new
)

// Receiver tells fresh packets from duplicates on one link, and counts what was lost on it. One
// goroutine at a time.
type Receiver struct {
	current, before window // the publication before may have packets on their way
	totals          Totals
	repaired        int64
}

// window is what came of one publication's newest numbers.
type window struct {
	known      bool
	generation uint8
	newest     int64
	settled    int64 // numbers below are counted
	came       [seenNumbers / 64]uint64
	itself     [seenNumbers / 64]uint64 // came, and not as a copy
	run        int                      // raw losses in a row until settled
	strange    int
}

// Take notes a packet and tells whether it is the first of its identity. copied says that it came as a
// redundant copy or because it was asked for.
func (r *Receiver) Take(generation uint8, number int64, copied bool) (fresh bool) {
	if number < 0 {
		return false
	}
	switch {
	case r.current.known && generation == r.current.generation:
	case r.before.known && generation == r.before.generation:
		return r.before.mark(number, copied)
	default:
		r.before = r.current
		r.current = window{known: true, generation: generation, newest: number, settled: number}
	}
	w := &r.current
	if number > w.newest {
		r.advance(w, number)
	} else if w.newest-number >= seenNumbers {
		if w.strange++; w.strange < strangeMax {
			return false
		}
		*w = window{known: true, generation: generation, newest: number, settled: number}
	}
	w.strange = 0
	return w.mark(number, copied)
}

// mark notes a number of the window; one above it (only of a publication that is over) is fresh.
func (w *window) mark(number int64, copied bool) (fresh bool) {
	switch {
	case number > w.newest:
		return true
	case w.newest-number >= seenNumbers:
		return false
	}
	word, bit := number%seenNumbers/64, uint64(1)<<(number%64)
	fresh = w.came[word]&bit == 0
	w.came[word] |= bit
	if !copied {
		w.itself[word] |= bit
	}
	return fresh
}

// advance makes number the newest, and counts what is old enough by then.
func (r *Receiver) advance(w *window, number int64) {
	from := w.newest
	if number-from > interruption {
		r.settle(w, from+1)
		w.endRun(&r.totals)
		w.settled = number
		from = max(from, number-seenNumbers)
	}
	w.newest = number
	for n := from + 1; n <= number; n++ {
		word, bit := n%seenNumbers/64, uint64(1)<<(n%64)
		w.came[word] &^= bit
		w.itself[word] &^= bit
	}
	r.settle(w, number-settleAfter)
}

// settle counts the numbers below end.
func (r *Receiver) settle(w *window, end int64) {
	for ; w.settled < end; w.settled++ {
		word, bit := w.settled%seenNumbers/64, uint64(1)<<(w.settled%64)
		r.totals.Expected++
		if w.itself[word]&bit != 0 {
			w.endRun(&r.totals)
			continue
		}
		r.totals.RawLost++
		w.run++
		if w.came[word]&bit != 0 {
			r.repaired++
		} else {
			r.totals.Missing++
		}
	}
}

func (w *window) endRun(t *Totals) {
	switch {
	case w.run == 0:
		return
	case w.run <= 2:
		t.Bursts[w.run-1]++
	case w.run <= 4:
		t.Bursts[2]++
	default:
		t.Bursts[3]++
	}
	w.run = 0
}

// Totals are the counts until now. Missing counts what did not come on this link in any way.
func (r *Receiver) Totals() Totals { return r.totals }

// Repaired is the number of packets that came as copies alone.
func (r *Receiver) Repaired() int64 { return r.repaired }
