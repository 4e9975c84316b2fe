package jitter

// store keeps packets in the order of their numbers until their moment comes. Its memory is fixed:
// payloads go round in an arena, and what is overwritten there is lost.
type store struct {
	entries []entry // at number modulo length
	count   int
	arena   []byte
	head    int64 // bytes written to the arena
}

// entry is a stored packet.
type entry struct {
	number, first int64
	samples       int
	offset        int64 // of the payload in bytes written
	size          int   // 0 marks a free entry
}

func (e *entry) end() int64 { return e.first + int64(e.samples) }

// newStore returns a store for packets of so many samples in all.
func newStore(samples int) store {
	entries := 256
	for entries < samples/120 {
		entries *= 2
	}
	return store{
		entries: make([]entry, entries),
		arena:   make([]byte, max(96<<10, samples*3/2)), // 510 kbit/s is 1.33 bytes a sample
	}
}

// put copies a packet in. It refuses what would displace a packet with a higher number.
func (s *store) put(number, first int64, samples int, payload []byte) bool {
	e := &s.entries[number%int64(len(s.entries))]
	if e.size != 0 && e.number >= number {
		return false
	}
	if e.size == 0 {
		s.count++
	}
	size := int64(len(s.arena))
	if rest := size - s.head%size; rest < int64(len(payload)) {
		s.head += rest
	}
	*e = entry{number: number, first: first, samples: samples, offset: s.head, size: len(payload)}
	copy(s.arena[s.head%size:], payload)
	s.head += int64(len(payload))
	return true
}

// lowest returns the stored packet with the lowest number from a number on, nil when there is none.
func (s *store) lowest(from int64) *entry {
	if s.count == 0 {
		return nil
	}
	if from >= 0 {
		if e := &s.entries[from%int64(len(s.entries))]; e.size != 0 && e.number == from {
			return e
		}
	}
	var found *entry
	for i := range s.entries {
		e := &s.entries[i]
		if e.size == 0 {
			continue
		}
		if e.number < from {
			s.remove(e)
			continue
		}
		if found == nil || e.number < found.number {
			found = e
		}
	}
	return found
}

// payload returns a stored packet's payload, nil when it was overwritten.
func (s *store) payload(e *entry) []byte {
	size := int64(len(s.arena))
	if s.head-e.offset > size {
		return nil
	}
	at := e.offset % size
	return s.arena[at : at+int64(e.size)]
}

func (s *store) remove(e *entry) {
	*e = entry{}
	s.count--
}

func (s *store) clear() {
	clear(s.entries)
	s.count = 0
}
