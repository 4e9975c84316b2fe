package jitter

import (
	"sync/atomic"
	"time"
)

const (
	inboxRecords = 512
	inboxBytes   = 64 << 10
)

// Inbox is a bounded queue of packets of one path: one goroutine pushes, the playout goroutine drains.
// What finds it full is dropped: then the playout has stopped, and what waits is old anyway.
type Inbox struct {
	records   [inboxRecords]record
	payloads  [inboxBytes]byte
	head      atomic.Int64 // records written, by the producer
	tail      atomic.Int64 // records read, by the consumer
	bytesHead int64        // bytes written; the producer's own
	bytesTail atomic.Int64 // bytes that the consumer has freed
	origin    time.Time    // of the first arrival; written before the first head
	received  atomic.Int64
	dropped   atomic.Int64
	invalid   atomic.Int64
	last      atomic.Int64 // arrival of the newest packet in ns after origin
}

// record is one queued packet; its payload is in payloads.
type record struct {
	number, first int64
	samples       int
	arrival       time.Time
	offset, end   int64 // in bytes written; modulo inboxBytes in payloads
}

// Push copies a packet into the queue. It never blocks; what does not fit is dropped and counted.
// A payload has at most 1500 bytes, a packet at most 5760 samples.
func (i *Inbox) Push(number, firstSample int64, samples int, payload []byte, arrival time.Time) {
	if number < 0 || number > maxNumber || firstSample < -maxPosition || firstSample > maxPosition ||
		samples < 1 || samples > maxPacketSamples || len(payload) < 1 || len(payload) > maxPayload {
		i.invalid.Add(1)
		return
	}
	head := i.head.Load()
	offset := i.bytesHead
	if rest := inboxBytes - offset%inboxBytes; rest < int64(len(payload)) {
		offset += rest // a payload never wraps
	}
	end := offset + int64(len(payload))
	if head-i.tail.Load() == inboxRecords || end-i.bytesTail.Load() > inboxBytes {
		i.dropped.Add(1)
		return
	}
	if head == 0 {
		i.origin = arrival
	}
	copy(i.payloads[offset%inboxBytes:], payload)
	i.records[head%inboxRecords] = record{number, firstSample, samples, arrival, offset, end}
	i.bytesHead = end
	i.last.Store(int64(arrival.Sub(i.origin)))
	i.received.Add(1)
	i.head.Store(head + 1)
}

// next returns the oldest packet, nil when there is none. It stays valid until done.
func (i *Inbox) next() (r *record, payload []byte) {
	tail := i.tail.Load()
	if tail == i.head.Load() {
		return nil, nil
	}
	r = &i.records[tail%inboxRecords]
	at := r.offset % inboxBytes
	return r, i.payloads[at : at+r.end-r.offset]
}

// done gives the room of the packet that next returned back to the producer.
func (i *Inbox) done() {
	tail := i.tail.Load()
	i.bytesTail.Store(i.records[tail%inboxRecords].end)
	i.tail.Store(tail + 1)
}

func (i *Inbox) lastArrival() time.Time {
	if i.head.Load() == 0 {
		return time.Time{}
	}
	return i.origin.Add(time.Duration(i.last.Load()))
}
