package spool

import (
	"slices"
	"time"

	"gasso/net/backfill"
	"gasso/net/packet"
)

const (
	writeEvery = 250 * time.Millisecond
	syncEvery  = 4        // looks; what is younger may be lost with the computer's power, not with the program
	pauseLooks = 20       // after a file could not be written
	batchBytes = 64 << 10 // written at once
)

// What is said of the folder; the window translates each sentence.
const (
	diskFull    = "The disk is full, so only the last minute of your sound is kept for later; make room."
	notWritable = "The folder for kept sound cannot be written, so only the last minute of your sound is kept for later."
)

// writer is the state of the goroutine that owns the files.
type writer struct {
	batch  []byte
	placed []placed
	lives  []*life // that the batch describes
	pause  int     // looks until files are tried again
	looks  int

	identityPause int // looks until the identity is tried again
}

// placed is where a packet lies in a batch.
type placed struct {
	life        *life
	number      int64
	offset, end int64
}

// run writes packets that wait for too long and removes files that nobody needs.
func (s *Spool) run() {
	s.recoverFiles()
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	w := &writer{batch: make([]byte, 0, batchBytes+2*(maxBody+headerBytes))}
	for {
		select {
		case <-s.quit:
			w.pause = 0
			s.look(w, true)
			s.finish()
			return
		case <-s.wake:
		case <-tick.C:
		}
		s.look(w, false)
	}
}

// look does what is due; all writes what is young, too.
func (s *Spool) look(w *writer, all bool) {
	s.files.Lock()
	defer s.files.Unlock()
	s.saveIdentity(w, all)
	if len(s.unread) > 0 && w.looks%pauseLooks == pauseLooks-1 {
		s.readLeft()
	}
	if w.pause = max(0, w.pause-1); w.pause == 0 {
		problem := s.writeDue(w, all)
		if problem != "" {
			w.pause = pauseLooks
		}
		s.mu.Lock()
		s.problem = problem
		s.mu.Unlock()
	}
	if w.looks++; w.looks%syncEvery == 0 || all {
		if err := s.store.sync(); err != nil {
			s.cfg.Log.Warn("kept sound may not be on disk yet", "error", err)
		}
	}
	s.trim(all)
}

// finish ends the files; a folder in which nothing is kept is left empty.
func (s *Spool) finish() {
	s.files.Lock()
	defer s.files.Unlock()
	s.store.finish()
	if st := s.Status(); st.Packets == 0 && s.store.total == 0 && len(s.unread) == 0 {
		if err := s.cfg.Folder.setIdentity(Identity{}); err != nil {
			s.cfg.Log.Warn("folder for kept sound not cleared", "error", err)
		}
	}
}

// writeDue writes batch after batch and says what went wrong.
func (s *Spool) writeDue(w *writer, all bool) (problem string) {
	for {
		if !s.due(all) {
			return ""
		}
		number, err := s.store.ready()
		if err == nil {
			upTo := s.collect(w, number, all)
			err = s.writeBatch(w, upTo)
		}
		if err != nil {
			s.cfg.Log.Warn("sound cannot be kept on disk", "error", err)
			return problemOf(err)
		}
	}
}

func problemOf(err error) string {
	if isFull(err) {
		return diskFull
	}
	return notWritable
}

// due passes over what need not be written, and tells whether something must be.
func (s *Spool) due(all bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = max(s.written, s.ring.tail)
	for s.written < s.ring.head && s.isDueLocked(s.ring.at(s.written), all) {
		if e := s.ring.at(s.written); e.life.kept.Has(e.number) {
			return true
		}
		s.written++
	}
	return false
}

func (s *Spool) isDueLocked(e *entry, all bool) bool {
	return all || s.cut || s.ring.samples-e.at > int64(s.cfg.Age)*packet.SampleRate/int64(time.Second)
}

// collect puts what is due into a batch for a segment, and returns the ring sequence behind it.
func (s *Spool) collect(w *writer, segment int, all bool) (upTo int64) {
	w.batch, w.placed, w.lives = w.batch[:0], w.placed[:0], w.lives[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for upTo = max(s.written, s.ring.tail); upTo < s.ring.head && len(w.batch) < batchBytes; upTo++ {
		e := s.ring.at(upTo)
		if !s.isDueLocked(e, all) {
			break
		}
		if !e.life.kept.Has(e.number) {
			continue
		}
		if e.life.announced != segment {
			w.batch = appendPublication(w.batch, &e.life.about)
			e.life.announced = segment
			w.lives = append(w.lives, e.life)
		}
		from := int64(len(w.batch))
		w.batch = appendPacket(w.batch, &packet.Packet{
			Publication: e.life.about.Publication, Generation: e.life.about.Generation, Number: e.number,
			FirstSample: e.firstSample, Samples: int(e.samples), Payload: s.ring.payload(e),
		})
		w.placed = append(w.placed, placed{e.life, e.number, from, int64(len(w.batch))})
	}
	return upTo
}

func (s *Spool) writeBatch(w *writer, upTo int64) error {
	s.makeRoom(int64(len(w.batch)))
	at, err := s.store.write(w.batch)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fileBytes = s.store.total
	if err != nil {
		for _, l := range w.lives {
			l.announced = -1
		}
		return err
	}
	for _, p := range w.placed {
		s.store.last().place(p.life, p.number, at+p.offset, at+p.end)
	}
	s.written = max(s.written, upTo)
	return nil
}

// makeRoom removes the oldest files until so many bytes fit. The packets in them are given up, except
// for those that memory still holds.
func (s *Spool) makeRoom(bytes int64) {
	for len(s.store.segments) > 1 && s.store.total+bytes > s.cfg.FileBytes {
		seg := s.store.segments[0]
		s.mu.Lock()
		for _, c := range seg.chunks {
			s.giveUpLocked(c.life, backfill.Range{First: c.first, Last: c.last})
		}
		s.mu.Unlock()
		if !s.removeSegment(seg) {
			return
		}
	}
}

func (s *Spool) removeSegment(seg *segment) bool {
	if s.store.file != nil && seg == s.store.last() {
		s.store.finish()
	}
	if err := s.store.remove(seg); err != nil {
		s.cfg.Log.Warn("file of kept sound not removed", "error", err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.forget()
	s.store.segments = slices.DeleteFunc(s.store.segments, func(other *segment) bool { return other == seg })
	s.fileBytes = s.store.total
	return true
}

// trim removes files whose packets are all durable; the one that is written only when it is long, or at the end.
func (s *Spool) trim(all bool) {
	s.mu.Lock()
	var idle []*segment
	if s.trimming || all {
		for _, seg := range s.store.segments {
			written := s.store.file != nil && seg == s.store.last()
			if !seg.needed() && (!written || all || seg.size >= leastSegment) {
				idle = append(idle, seg)
			}
		}
	}
	s.trimming = false
	s.mu.Unlock()
	for _, seg := range idle {
		s.removeSegment(seg)
	}
}
