// Package spool keeps the packets that the performer's program encoded until the server has them on disk:
// the newest in memory, and what gets old there or cannot be sent in bounded files that survive a crash.
//
// The path of a packet:
//
//	Append   the capture goroutine copies it into a ring of fixed size (ring.go)
//	run      a goroutine of its own writes what waits for too long into files (writer.go, segment.go)
//	Find     reads it from either when the server asks for it
//	Durable  forgets it; files that hold nothing more are removed
//
// One folder belongs to one spool (folder.go), which also remembers there who this program was in the
// room (identity.go), so that it can go on after a restart.
package spool

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"gasso/net/backfill"
	"gasso/net/packet"
)

// Config says how much is kept, and where. Zero values of the sizes choose.
type Config struct {
	Folder      *Folder       // nil keeps packets in memory alone; closed with the spool
	FileBytes   int64         // all files together; the oldest goes first
	MemoryBytes int           // payload in memory
	Packets     int           // in memory
	Age         time.Duration // of sound, after which a packet that is not durable is written
	Log         *slog.Logger
}

const (
	defaultFileBytes   = 256 << 20
	defaultMemoryBytes = 4 << 20 // 60 s at 510 kbit/s
	defaultPackets     = 24_000  // 60 s at 2.5 ms
	defaultAge         = 3 * time.Second

	// MaxPayload is the longest payload that is kept, in bytes.
	MaxPayload = 1400
)

// Spool is safe for concurrent use; Append and Begin are one goroutine's.
type Spool struct {
	cfg     Config
	wake    chan struct{} // one slot: the writer shall look now
	quit    chan struct{}
	closing sync.Once
	running sync.WaitGroup

	files sync.Mutex // held while files are read and written; before mu
	store *store     // nil without a folder
	// Of files that an earlier run left, those that are not read yet, and how often that was tried.
	unread []int
	trials int

	payload []byte // of the packet that Find gave out last, if it was in memory

	mu        sync.Mutex // held for memory alone, never for a file
	ring      ring
	lives     []*life // of publications, oldest first
	byID      map[packet.PublicationID]*life
	current   *life // that Append continues
	written   int64 // ring sequence up to which packets are in files or need not be
	cut       bool  // nothing reaches the server
	trimming  bool  // Durable may have emptied files
	lost      int64 // packets that were given up
	refused   int64 // packets that could not be kept at all
	fileBytes int64
	problem   string
	recovered int // of lives, the first ones, of an earlier run

	identity    Identity
	identityNew bool // not written yet
	reading     bool // what an earlier life left is being looked through
}

// life is one publication.
type life struct {
	about     backfill.Have // Last and LastSample are of the newest packet; First is not used
	kept      backfill.Set  // numbers that are here and that the server may not have
	begins    int64         // where its packets lie in the ring, by sequence;
	ends      int64         // what is not there any more included
	chunks    []*chunk      // in files, by number
	announced int           // number of the segment that last described it
}

// Open starts a spool. What an earlier one left in the folder is read meanwhile.
func Open(cfg Config) *Spool {
	s := newSpool(cfg)
	if s.store != nil {
		s.running.Go(s.run)
	}
	return s
}

func newSpool(cfg Config) *Spool {
	if cfg.FileBytes <= 0 {
		cfg.FileBytes = defaultFileBytes
	}
	if cfg.MemoryBytes <= 0 {
		cfg.MemoryBytes = defaultMemoryBytes
	}
	if cfg.Packets <= 0 {
		cfg.Packets = defaultPackets
	}
	if cfg.Age <= 0 {
		cfg.Age = defaultAge
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Spool{
		cfg: cfg, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		ring: newRing(cfg.Packets, cfg.MemoryBytes), byID: map[packet.PublicationID]*life{},
	}
	if cfg.Folder != nil {
		s.store = newStore(cfg.Folder.root, cfg.FileBytes)
		s.reading = true
	}
	return s
}

// Close writes what is not durable, ends the writer and gives the folder back.
func (s *Spool) Close() (err error) {
	s.closing.Do(func() {
		close(s.quit)
		s.running.Wait()
		if s.cfg.Folder != nil {
			err = s.cfg.Folder.Close()
		}
	})
	return err
}

// maxLives bounds the publications that are remembered; each change of mode or device makes one.
const maxLives = 4096

var errLives = errors.New("too many publications are kept")

// Begin announces a publication before its first packet.
func (s *Spool) Begin(about backfill.Have) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked()
	if len(s.lives) >= maxLives {
		s.current = nil
		return errLives
	}
	about.First, about.Last, about.Ended = 0, -1, false
	s.current = s.addLifeLocked(about)
	s.current.begins, s.current.ends = s.ring.head, s.ring.head
	return nil
}

func (s *Spool) addLifeLocked(about backfill.Have) *life {
	l := &life{about: about, announced: -1}
	s.lives = append(s.lives, l)
	s.byID[about.Publication] = l
	return l
}

// forgetLocked drops publications that ended and of which nothing is left.
func (s *Spool) forgetLocked() {
	rest := s.lives[:0]
	gone := 0
	for i, l := range s.lives {
		if l == s.current || !l.kept.Empty() || len(l.chunks) > 0 {
			rest = append(rest, l)
			continue
		}
		delete(s.byID, l.about.Publication)
		if i < s.recovered {
			gone++
		}
	}
	s.recovered -= gone
	clear(s.lives[len(rest):])
	s.lives = rest
}

// Append keeps a packet of the publication that began last. It never waits for a file and does not
// allocate. Drop rule: the oldest packets in memory that were not written in time.
func (s *Spool) Append(p *packet.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.current
	if l == nil || l.about.Publication != p.Publication || len(p.Payload) == 0 || len(p.Payload) > MaxPayload ||
		p.Samples <= 0 || p.Number <= l.about.Last || p.Number > packet.MaxNumber {
		s.refused++
		return
	}
	for !s.ring.fits(len(p.Payload)) {
		s.evictLocked()
	}
	s.ring.push(l, p)
	s.keepLocked(l, p.Number)
	l.about.Last, l.about.LastSample = p.Number, p.FirstSample
}

// keepLocked notes that a number is here. A set that is full forgets its oldest hole, so that what is
// durable already is taken for kept: the server does not ask for it.
func (s *Spool) keepLocked(l *life, number int64) {
	r := backfill.Range{First: number, Last: number}
	for !l.kept.Add(r) {
		l.kept.FillOldest()
	}
}

// evictLocked makes room in the ring.
func (s *Spool) evictLocked() {
	e := s.ring.pop()
	if s.ring.tail <= s.written {
		return
	}
	s.written = s.ring.tail
	if e.life.kept.Has(e.number) {
		e.life.kept.Remove(backfill.Range{First: e.number, Last: e.number})
		s.lost++
	}
}

// SetCut says whether nothing reaches the server now: packets are then written soon.
func (s *Spool) SetCut(cut bool) {
	s.mu.Lock()
	changed := s.cut != cut
	s.cut = cut
	s.mu.Unlock()
	if changed && cut {
		s.lookNow()
	}
}

func (s *Spool) lookNow() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Durable forgets packets that the server has on disk or never wants.
func (s *Spool) Durable(id packet.PublicationID, r backfill.Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byID[id]
	if l == nil {
		return
	}
	before := l.kept.Len()
	l.kept.Remove(r)
	if l.kept.Len() != before {
		s.trimming = true
	}
}

// Holdings tells of each publication what is here that the server may not have, oldest first.
func (s *Spool) Holdings() []backfill.Have {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []backfill.Have
	for _, l := range s.lives {
		if l.kept.Empty() {
			continue
		}
		h := l.about
		h.First, h.Ended = l.kept.Ranges()[0].First, l != s.current
		all = append(all, h)
	}
	return all
}

// Status is how full a spool is.
type Status struct {
	Packets  int64         // kept, that the server may not have
	Duration time.Duration // of their sound
	Bytes    int64         // of all files
	Lost     int64         // packets that had to be given up for lack of room, or were damaged
	Problem  string        // why there are no files, in words; else empty
	Reading  bool          // what an earlier run left is not counted yet
}

// Status tells how full the spool is.
func (s *Spool) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Bytes: s.fileBytes, Lost: s.lost + s.refused, Problem: s.problem, Reading: s.reading}
	samples := int64(0)
	for _, l := range s.lives {
		st.Packets += l.kept.Len()
		samples += l.kept.Len() * int64(l.about.FrameSamples)
	}
	st.Duration = time.Duration(samples) * time.Second / packet.SampleRate
	return st
}
