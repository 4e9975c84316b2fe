package session

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gasso/app/spool"
	"gasso/net/backfill"
	"gasso/net/packet"
	"gasso/net/signaling"
)

const (
	cutShown         = 2 * time.Second // without the server, until that is worth a word
	skipsGenerations = 8               // at a restart: the newest ones may not have been noted
)

// What is said of kept sound; the window translates each sentence.
const (
	keptSeconds   = "%d s of your sound are kept here and will be sent when the connection is back."
	keptMinutes   = "%d min of your sound are kept here and will be sent when the connection is back."
	leftSeconds   = "%d s of kept sound are being sent."
	leftMinutes   = "%d min of kept sound are being sent."
	leftShown     = 2 * time.Second // of sound that waits; less is no news
	folderMissing = "The folder for kept sound cannot be used, so only the last minute of your sound is kept for later."
)

// SpoolConfig says where the own packets are kept until the server has them.
type SpoolConfig struct {
	Dir string // folder for all rooms; empty keeps the last minute in memory alone
	MB  int    // of files at most, 1 to 100000; 0 for 256
}

// CheckSpoolMB tells whether files may take that many megabytes.
func CheckSpoolMB(mb int) error {
	if mb < 0 || mb > 100_000 {
		return fmt.Errorf("%d MB for kept sound is not possible; it takes 0, which chooses, or 1 to 100000", mb)
	}
	return nil
}

// Spool tells what is kept of the own packets because the server may not have them.
type Spool struct {
	Packets      int64
	Duration     time.Duration // of their sound
	Bytes        int64         // of files
	Lost         int64         // packets that were given up
	Cut          bool          // nothing reaches the server now
	BackfillLeft int64         // packets that the server asked for and that are still to be sent
	BackfillSent int64         // packets that were sent later, for the program or the archive
	Publications []PublicationSum
}

// keeping keeps the own packets until the server has them, and sends later what it lacks.
type keeping struct {
	spool   atomic.Pointer[spool.Spool] // nil before Run and after it
	inbox   chan []byte                 // messages of the server; drop rule: the newest, since it asks again
	first   atomic.Uint32               // generation of the first publication
	problem atomic.Pointer[string]      // why there is no folder, in words

	sums sums

	mu       sync.Mutex // guards what follows
	channel  backfillChannel
	opened   bool // the sender is to begin anew
	answered bool // this server asks for packets
	cutSince time.Time
	stats    backfill.SenderStats
	frame    int // samples of the newest publication's packets
}

func newKeeping() *keeping {
	k := &keeping{inbox: make(chan []byte, backfillInbox)}
	none := ""
	k.problem.Store(&none)
	return k
}

// openSpool begins to keep packets. Where an earlier run left some, this one goes on as the same
// participant. It comes before everything else of Run.
func (s *Session) openSpool() {
	cfg := spool.Config{FileBytes: int64(s.cfg.Spool.MB) << 20, Log: s.log}
	if s.cfg.Spool.Dir != "" {
		folder, err := spool.OpenFolder(s.cfg.Spool.Dir, s.cfg.Server, s.cfg.Room, s.cfg.Name, time.Now())
		switch {
		case err == nil:
			cfg.Folder = folder
			s.goOnAs(folder)
		case errors.Is(err, spool.ErrTaken):
			s.log.Warn("sound is kept in memory alone", "error", err)
		default:
			s.log.Warn("sound is kept in memory alone", "error", err)
			problem := folderMissing
			s.keeping.problem.Store(&problem)
		}
	}
	s.keeping.spool.Store(spool.Open(cfg))
}

// goOnAs takes the identity of an earlier run.
func (s *Session) goOnAs(folder *spool.Folder) {
	id, err := folder.Identity()
	if err != nil {
		s.log.Warn("the earlier identity cannot be used", "error", err)
	}
	if id.ParticipantID == "" {
		return
	}
	s.keeping.first.Store(uint32(id.NextGeneration) + skipsGenerations)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self = identity{id: id.ParticipantID, secret: id.ResumeSecret}
}

// closeSpool writes what the server may not have; nothing is appended any more.
func (s *Session) closeSpool() {
	kept := s.keeping.spool.Swap(nil)
	if kept == nil {
		return
	}
	if err := kept.Close(); err != nil {
		s.log.Warn("folder for kept sound not closed well", "error", err)
	}
}

// generation is that of the nth publication of this run; it wraps by design.
func (k *keeping) generation(n int) uint8 { return uint8(uint32(n) + k.first.Load()) }

// keep is called for each encoded packet; it does not allocate and waits for nothing.
func (k *keeping) keep(pk *packet.Packet) {
	k.sums.add(pk)
	if kept := k.spool.Load(); kept != nil {
		kept.Append(pk)
	}
}

// beginKeepingLocked has the packets of a publication kept, and is told of it before the first one.
func (s *Session) beginKeepingLocked(p *signaling.Publication) {
	s.keeping.sums.begin(p.ID)
	s.keeping.mu.Lock()
	s.keeping.frame = p.FrameSamples
	s.keeping.mu.Unlock()
	kept := s.keeping.spool.Load()
	if kept == nil {
		return
	}
	err := kept.Begin(backfill.Have{
		Publication: p.ID, Generation: p.Generation, Channels: uint8(p.Channels), Music: p.Music,
		FrameSamples: uint16(p.FrameSamples), LookAheadSamples: uint16(max(0, p.LookAheadSamples)),
	})
	if err != nil {
		s.log.Error("sound cannot be kept", "error", err)
	}
	s.rememberLocked()
}

// rememberLocked notes who this program is, for one that is started after a crash.
func (s *Session) rememberLocked() {
	kept := s.keeping.spool.Load()
	if kept == nil || s.self.id == "" {
		return
	}
	next := s.keeping.generation(0)
	if s.publication != nil {
		next = s.publication.Generation + 1 // wraps by design
	}
	kept.SetIdentity(spool.Identity{ParticipantID: s.self.id, ResumeSecret: s.self.secret, NextGeneration: next})
}

// describe writes what is kept and what of it is being sent, and returns what is wrong in words.
func (k *keeping) describe(self *Self, now time.Time) (problem string) {
	self.Spool.Publications = k.sums.list()
	kept := k.spool.Load()
	if kept == nil {
		return ""
	}
	status := kept.Status()
	k.mu.Lock()
	defer k.mu.Unlock()
	self.Spool = Spool{
		Packets: status.Packets, Duration: status.Duration, Bytes: status.Bytes, Lost: status.Lost, Cut: !k.cutSince.IsZero(),
		BackfillLeft: k.stats.Waiting, BackfillSent: k.stats.ProgramPackets + k.stats.ArchivePackets,
		Publications: self.Spool.Publications,
	}
	cut := self.Spool.Cut && now.Sub(k.cutSince) >= cutShown
	if cut && k.answered && status.Packets > 0 {
		problem = inWords(keptSeconds, keptMinutes, status.Duration)
	}
	switch text := *k.problem.Load(); {
	case status.Problem != "":
		problem = joined(problem, status.Problem)
	case cut && k.answered:
		problem = joined(problem, text)
	}
	if left := inTime(int(k.stats.Waiting) * k.frame); !self.Spool.Cut && left >= leftShown {
		self.News = joined(self.News, inWords(leftSeconds, leftMinutes, left))
	}
	return problem
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// inWords puts a duration into the sentence for seconds or the one for minutes.
func inWords(seconds, minutes string, d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf(seconds, int(d.Seconds()+0.5))
	}
	return fmt.Sprintf(minutes, int(d.Minutes()+0.5))
}

// statsSpool is what a line of statistics says of kept packets.
type statsSpool struct {
	SpoolPackets int64   `json:"spool_packets"`
	SpoolMS      float64 `json:"spool_ms"`
	SpoolBytes   int64   `json:"spool_bytes"`
	SpoolLost    int64   `json:"spool_lost_packets"`
	Cut          bool    `json:"spool_cut"`
	BackfillLeft int64   `json:"backfill_left_packets"`
	BackfillSent int64   `json:"backfill_sent_packets"`

	Publications []PublicationSum `json:"publications,omitempty"`
}

func newStatsSpool(s Spool) statsSpool {
	return statsSpool{s.Packets, inMS(s.Duration), s.Bytes, s.Lost, s.Cut, s.BackfillLeft, s.BackfillSent, s.Publications}
}
