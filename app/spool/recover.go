package spool

import (
	"errors"
	"os"
	"slices"

	"gasso/net/backfill"
	"gasso/net/packet"
)

const mostTrials = 3 // to read a file of an earlier run whole

// recoverFiles reads what an earlier run of the program left.
func (s *Spool) recoverFiles() {
	s.files.Lock()
	defer s.files.Unlock()
	numbers, err := s.store.found()
	if err != nil {
		s.cfg.Log.Warn("folder of kept sound cannot be read", "error", err)
	}
	s.unread = numbers
	s.readLeft()
}

// readLeft reads the files of an earlier run that were not read yet. One that cannot be read whole is
// tried again before what can be read of it is taken. The caller holds files.
func (s *Spool) readLeft() {
	s.trials++
	var again []int
	for _, number := range s.unread {
		data, err := s.store.load(number)
		switch {
		case err == nil, len(data) > 0 && s.trials >= mostTrials:
			s.index(s.store.add(number, data), data)
		case !errors.Is(err, os.ErrNotExist):
			s.cfg.Log.Warn("file of kept sound cannot be read whole", "file", segmentName(number), "error", err)
			again = append(again, number)
		}
	}
	s.unread = again
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.trimming = false, true // files that hold nothing go
	s.fileBytes = s.store.total
}

// index takes the packets of a segment's data for kept.
func (s *Spool) index(seg *segment, data []byte) {
	for rest, at := data, int64(0); ; {
		body, from, end := nextRecord(rest)
		if body == nil {
			return
		}
		s.indexRecord(seg, body, at+int64(from), at+int64(end))
		rest, at = rest[end:], at+int64(end)
	}
}

func (s *Spool) indexRecord(seg *segment, body []byte, from, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := readPublication(body); ok {
		s.recoveredLocked(h)
		return
	}
	var p packet.Packet
	if !readPacket(body, &p) {
		return
	}
	l := s.recoveredLocked(backfill.Have{ // its description was damaged; an Opus packet says how many channels it has (RFC 6716, section 3.1)
		Publication: p.Publication, Generation: p.Generation, FrameSamples: uint16(p.Samples), Channels: 1 + p.Payload[0]>>2&1,
	})
	if l == nil || l == s.current {
		return
	}
	s.keepLocked(l, p.Number)
	seg.place(l, p.Number, from, end)
	if p.Number > l.about.Last {
		l.about.Last, l.about.LastSample = p.Number, p.FirstSample
	}
}

// recoveredLocked finds or makes a publication of an earlier run, before those of this one; nil when
// there are too many.
func (s *Spool) recoveredLocked(h backfill.Have) *life {
	if l := s.byID[h.Publication]; l != nil {
		return l
	}
	if len(s.lives) >= maxLives {
		return nil
	}
	h.First, h.Last = 0, -1
	s.addLifeLocked(h)
	l := s.lives[len(s.lives)-1]
	s.lives = slices.Insert(s.lives[:len(s.lives)-1], s.recovered, l)
	s.recovered++
	return l
}
