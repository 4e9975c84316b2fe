package spool

import (
	"sort"

	"gasso/net/packet"
)

// ring holds the newest packets in memory of fixed size.
type ring struct {
	entries []entry
	bytes   []byte
	head    int64 // sequence of the next packet
	tail    int64 // of the oldest; head when empty
	free    int   // where the next payload begins, if it fits behind it
	samples int64 // of sound that ever passed
}

type entry struct {
	life        *life
	number      int64
	firstSample int64
	at          int64 // ring.samples when it came
	offset      int32
	length      int16
	samples     int32
}

func newRing(packets, bytes int) ring {
	return ring{entries: make([]entry, packets), bytes: make([]byte, max(bytes, 2*MaxPayload))}
}

func (r *ring) at(seq int64) *entry { return &r.entries[seq%int64(len(r.entries))] }

func (r *ring) empty() bool { return r.head == r.tail }

// place returns where a payload of so many bytes can lie; -1 when there is no room.
func (r *ring) place(length int) int {
	if r.empty() {
		return 0
	}
	oldest := int(r.at(r.tail).offset)
	switch wrapped := r.free <= oldest; {
	case wrapped && r.free+length < oldest, !wrapped && r.free+length <= len(r.bytes):
		return r.free
	case !wrapped && length < oldest:
		return 0
	}
	return -1
}

// fits tells whether push has room.
func (r *ring) fits(length int) bool {
	return r.head-r.tail < int64(len(r.entries)) && r.place(length) >= 0
}

func (r *ring) push(l *life, p *packet.Packet) {
	at := r.place(len(p.Payload))
	copy(r.bytes[at:], p.Payload)
	r.free = at + len(p.Payload)
	*r.at(r.head) = entry{
		life: l, number: p.Number, firstSample: p.FirstSample, at: r.samples,
		offset: int32(at), length: int16(len(p.Payload)), samples: int32(p.Samples),
	}
	r.head++
	l.ends = r.head
	r.samples += int64(p.Samples)
}

// pop takes the oldest packet out.
func (r *ring) pop() entry {
	e := *r.at(r.tail)
	r.at(r.tail).life = nil
	r.tail++
	return e
}

func (r *ring) payload(e *entry) []byte { return r.bytes[e.offset:][:e.length] }

// entryOf finds a packet of a life, whose packets follow each other in the ring.
func (r *ring) entryOf(l *life, number int64) *entry {
	begins := max(l.begins, r.tail)
	n := sort.Search(int(max(0, l.ends-begins)), func(i int) bool { return r.at(begins+int64(i)).number >= number })
	if begins += int64(n); begins < l.ends && r.at(begins).number == number {
		return r.at(begins)
	}
	return nil
}

// firstOf is the lowest number of a life that is here; false when there is none.
func (r *ring) firstOf(l *life) (number int64, ok bool) {
	begins := max(l.begins, r.tail)
	if begins >= l.ends {
		return 0, false
	}
	return r.at(begins).number, true
}

// find copies a packet of a life.
func (r *ring) find(l *life, number int64, buf []byte, p *packet.Packet) bool {
	e := r.entryOf(l, number)
	if e == nil {
		return false
	}
	p.Number, p.FirstSample, p.Samples = e.number, e.firstSample, int(e.samples)
	p.Payload = append(buf[:0], r.payload(e)...)
	return true
}
