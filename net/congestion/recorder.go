package congestion

import (
	"encoding/binary"
	"time"
)

// The form of a feedback packet (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).
const (
	feedbackType   = 205
	feedbackFormat = 15
	feedbackHeader = 20 // bytes before the chunks
	referenceUnit  = 64 * time.Millisecond
	deltaUnit      = 250 * time.Microsecond
	mostStatuses   = 512 // that one packet of ours tells of
	vectorOneBit   = 14  // statuses in a chunk
	vectorTwoBit   = 7
	statusLost     = 0
	statusSmall    = 1 // one byte of delta
	statusLarge    = 2 // two bytes
	maxRun         = 1<<13 - 1
	worthARun      = 15 // statuses alike: shorter runs fit into a vector
	largestSmall   = 255
	largestLarge   = 1<<15 - 1
	referenceMask  = 1<<24 - 1
)

// Recorder notes when packets came on one track and writes feedback about them. One goroutine at a time.
type Recorder struct {
	began    time.Time
	reported time.Time
	base     int64 // extended number of the first that was not reported
	newest   int64
	pending  bool
	came     [mostStatuses]int64 // units of 250 us since began, at least 1; 0: did not come
	statuses [mostStatuses]byte
	deltas   [mostStatuses]int16
	count    uint8
}

// Take notes that a packet came. What was reported as lost already, and what is impossibly far ahead, starts
// nothing over.
func (r *Recorder) Take(number uint16, arrival time.Time) {
	if r.began.IsZero() {
		r.began = arrival
		r.reported = arrival
		r.base = int64(number) + 1<<16
		r.newest = r.base - 1
	}
	extended := r.newest + int64(int16(number-uint16(r.newest))) // modular arithmetic is meant
	switch {
	case extended < r.base:
		return
	case extended >= r.base+mostStatuses: // nothing came for long: begin again
		clear(r.came[:])
		r.base = extended
	}
	r.newest = max(r.newest, extended)
	r.pending = true
	r.came[extended%mostStatuses] = max(1, int64(arrival.Sub(r.began)/deltaUnit))
}

// Due tells whether it is time for feedback, which shall come so often, FeedbackEvery at most.
func (r *Recorder) Due(now time.Time, every time.Duration) bool {
	return r.pending && (now.Sub(r.reported) >= max(every, FeedbackEvery) || r.newest-r.base >= mostStatuses/2)
}

// Append writes one feedback packet about what came since the last one: a whole RTCP packet with its header.
func (r *Recorder) Append(dst []byte, sender, media uint32, now time.Time) []byte {
	r.reported, r.pending = now, false
	statuses, reference := r.describe()
	start := len(dst)
	dst = append(dst, 0x80|feedbackFormat, feedbackType, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, sender)
	dst = binary.BigEndian.AppendUint32(dst, media)
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.base))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(statuses)))
	dst = append(dst, byte(reference>>16), byte(reference>>8), byte(reference), r.count)
	dst = appendChunks(dst, statuses)
	for i, status := range statuses {
		switch status {
		case statusSmall:
			dst = append(dst, byte(r.deltas[i]))
		case statusLarge:
			dst = binary.BigEndian.AppendUint16(dst, uint16(r.deltas[i])) // two's complement is meant
		}
	}
	if padding := (4 - (len(dst)-start)%4) % 4; padding > 0 {
		dst[start] |= 0x20
		for range padding - 1 {
			dst = append(dst, 0)
		}
		dst = append(dst, byte(padding))
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	r.count++
	r.base = r.newest + 1
	return dst
}

// describe fills statuses and deltas of all packets from base to newest and forgets their arrivals.
func (r *Recorder) describe() (statuses []byte, reference int64) {
	statuses = r.statuses[:r.newest-r.base+1]
	last, first := int64(0), true
	for i := range statuses {
		slot := (r.base + int64(i)) % mostStatuses
		at := r.came[slot]
		r.came[slot] = 0
		statuses[i] = statusLost
		if at == 0 {
			continue
		}
		if first {
			perReference := int64(referenceUnit / deltaUnit)
			reference, first = at/perReference, false
			last = reference * perReference
		}
		delta := min(max(at-last, -largestLarge), largestLarge)
		last += delta
		r.deltas[i] = int16(delta)
		statuses[i] = statusLarge
		if delta >= 0 && delta <= largestSmall {
			statuses[i] = statusSmall
		}
	}
	return statuses, reference & referenceMask
}

// appendChunks writes the statuses as runs and vectors.
func appendChunks(dst []byte, statuses []byte) []byte {
	for len(statuses) > 0 {
		if run := runOf(statuses); run >= worthARun || run == len(statuses) {
			dst = binary.BigEndian.AppendUint16(dst, uint16(statuses[0])<<13|uint16(run))
			statuses = statuses[run:]
			continue
		}
		bits, length, chunk := 1, min(vectorOneBit, len(statuses)), uint16(0x8000)
		for _, s := range statuses[:length] {
			if s == statusLarge {
				bits, chunk = 2, 0xc000
			}
		}
		if bits == 2 {
			length = min(vectorTwoBit, length)
		}
		for i, s := range statuses[:length] {
			chunk |= uint16(s) << (14 - bits*(i+1))
		}
		dst = binary.BigEndian.AppendUint16(dst, chunk)
		statuses = statuses[length:]
	}
	return dst
}

func runOf(statuses []byte) (run int) {
	for run < len(statuses) && run < maxRun && statuses[run] == statuses[0] {
		run++
	}
	return run
}
