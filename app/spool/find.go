package spool

import (
	"fmt"
	"sort"

	"gasso/net/backfill"
	"gasso/net/packet"
)

// Find sets p to the kept packet of a publication with the lowest number at or above from; false when
// there is none. Its payload is borrowed until the next call. After an error the packet is kept still and
// may be found later. One goroutine at a time.
func (s *Spool) Find(id packet.PublicationID, from int64, p *packet.Packet) (bool, error) {
	for {
		place, at := s.locate(id, from, p)
		switch place {
		case nowhere:
			return false, nil
		case inMemory:
			return true, nil
		}
		found, err := s.read(at, p)
		if found || err != nil {
			return found, err
		}
		from = at.number + 1 // forgotten meanwhile, or damaged
	}
}

const (
	nowhere = iota
	inMemory
	inFile
)

// filed is a number in a file.
type filed struct {
	life   *life
	number int64
}

// locate finds where the lowest kept number is, and copies the packet if that is in memory.
func (s *Spool) locate(id packet.PublicationID, from int64, p *packet.Packet) (int, filed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byID[id]
	if l == nil {
		return nowhere, filed{}
	}
	number, ok := l.keptFrom(from)
	switch {
	case !ok:
		return nowhere, filed{}
	case s.ring.find(l, number, s.payload, p):
		s.payload = p.Payload
		p.Publication, p.Generation = id, l.about.Generation
		return inMemory, filed{}
	case s.store == nil: // cannot be: it was given up when it left memory
		return nowhere, filed{}
	}
	return inFile, filed{l, number}
}

// keptFrom is the lowest kept number at or above from.
func (l *life) keptFrom(from int64) (number int64, ok bool) {
	ranges := l.kept.Ranges()
	at := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last >= from })
	if at == len(ranges) {
		return 0, false
	}
	return max(from, ranges[at].First), true
}

// read reads a packet from a file. What is not there though the file could be read is given up.
func (s *Spool) read(at filed, p *packet.Packet) (bool, error) {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	c := at.life.chunkFrom(at.number)
	s.mu.Unlock()
	next := packet.MaxNumber + 1 // the lowest number that is in files
	if c != nil {
		next = c.first
	}
	if c != nil && c.first <= at.number {
		found, err := s.store.find(c, at.number, p)
		switch {
		case err != nil:
			return false, fmt.Errorf("read kept sound: %w", err)
		case found && p.Number == at.number:
			return true, nil
		case found:
			next = p.Number
		default:
			next = c.last + 1
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUpLocked(at.life, backfill.Range{First: at.number, Last: next - 1})
	return false, nil
}

// giveUpLocked takes numbers for lost that are not in memory either.
func (s *Spool) giveUpLocked(l *life, r backfill.Range) {
	if first, ok := s.ring.firstOf(l); ok {
		r.Last = min(r.Last, first-1)
	}
	before := l.kept.Len()
	l.kept.Remove(r)
	s.lost += before - l.kept.Len()
}
