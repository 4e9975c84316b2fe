package backfill

import (
	"time"

	"gasso/net/clocksync"
	"gasso/net/packet"
)

const (
	sendBytes       = 8 << 10                 // a message of packets has at most so many,
	sendLeast       = 300                     // and grows to that even when less may be sent: as much as live packets have room beside
	sendBurst       = 100 * time.Millisecond  // what was not used of the spare uplink may be used so much later
	tellEvery       = time.Second             // holdings are looked at
	tellGrowth      = 5 * time.Second         // a holding that only grows is told again
	maxLookups      = 512                     // in the spool, for one message
	maxPublications = 256                     // of one participant,
	maxEnded        = maxPublications * 3 / 4 // of which have ended, when they are told first
	passOver        = 64                      // numbers, where the spool cannot be read now; the server asks for them again
	pauseUnreadable = 200 * time.Millisecond
)

// Spool is where the app keeps its packets. Find sets p to the packet of the lowest number at or above
// from and returns false when there is none; its payload may be borrowed until the next call. After an
// error the packet may be there and is looked for later. Durable tells that the server has a range on
// disk, or will never want it. A Spool is asked from the goroutine that uses the Sender.
type Spool interface {
	Holdings() []Have // oldest publication first
	Find(id packet.PublicationID, from int64, p *packet.Packet) (bool, error)
	Durable(id packet.PublicationID, r Range)
}

// SenderConfig is what a Sender needs.
type SenderConfig struct {
	Spool        Spool
	RoomNS       func(time.Time) int64 // room time of a moment, in ns
	ArchiveShare float64               // of the spare uplink, for what only the archive can use; 1/3 when zero
}

// SenderStats are a Sender's counters.
type SenderStats struct {
	ProgramPackets, ArchivePackets int64 // sent, by class
	Bytes                          int64 // of all messages
	GonePackets                    int64 // asked for and not held
	Malformed                      int64 // messages
	Waiting                        int64 // numbers asked for and not yet sent; some may not be held
}

// Sender is the app's side. One goroutine at a time uses it.
type Sender struct {
	cfg      SenderConfig
	holdings []Have
	looked   time.Time
	told     map[packet.PublicationID]telling
	asked    map[packet.PublicationID]*asked
	gone     map[packet.PublicationID]*Set // to be told
	rate     int                           // bytes a second that the server takes, 0 for any

	held           map[packet.PublicationID]bool // those of holdings, while it is looked through
	unreadable     bool                          // the spool could not be read now
	paused         time.Time                     // until then, for that
	refilled       time.Time
	spare, archive float64 // bytes that may be sent now

	stats   SenderStats
	ranges  []Range
	message []byte
}

// telling is what the server was told of a publication.
type telling struct {
	have Have
	at   time.Time
}

// asked is what the server wants of a publication.
type asked struct {
	program, archive Set
	keep             bool // what is too late for the program goes to the archive
	delay            time.Duration
}

// NewSender returns a Sender that waits for a channel.
func NewSender(cfg SenderConfig) *Sender {
	if cfg.ArchiveShare <= 0 || cfg.ArchiveShare > 1 {
		cfg.ArchiveShare = 1.0 / 3
	}
	s := &Sender{cfg: cfg}
	s.Opened()
	return s
}

// Opened starts over on a new channel: what was under way on the one before may be lost, so that the
// server asks anew.
func (s *Sender) Opened() {
	s.held = make(map[packet.PublicationID]bool)
	s.told = make(map[packet.PublicationID]telling)
	s.asked = make(map[packet.PublicationID]*asked)
	s.gone = make(map[packet.PublicationID]*Set)
	s.looked, s.refilled = time.Time{}, time.Time{}
	s.spare, s.archive, s.rate = 0, 0, 0
}

// Stats returns the counters.
func (s *Sender) Stats() SenderStats {
	stats := s.stats
	for _, a := range s.asked {
		stats.Waiting += a.program.Len() + a.archive.Len()
	}
	return stats
}

// Take handles a message of the server. What is malformed is counted and changes nothing.
func (s *Sender) Take(message []byte) error {
	if len(message) == 0 || len(message) > MaxMessage {
		s.stats.Malformed++
		return ErrMalformed
	}
	err := ErrMalformed
	switch message[0] {
	case kindWant:
		var w want
		if w, err = readWant(message, s.ranges[:0]); err == nil {
			s.ranges = w.ranges
			s.takeWant(&w)
		}
	case kindDurable:
		var d durable
		if d, err = readDurable(message, s.ranges[:0]); err == nil {
			s.ranges = d.ranges
			s.takeDurable(&d)
		}
	}
	if err != nil {
		s.stats.Malformed++
	}
	return err
}

func (s *Sender) takeWant(w *want) {
	s.rate = w.rate
	a := s.asked[w.publication]
	if a == nil {
		if len(s.asked) >= maxPublications {
			s.forgetAnswered()
		}
		if len(s.asked) >= maxPublications {
			return // asked for again
		}
		a = &asked{}
		s.asked[w.publication] = a
	}
	if a.keep = w.archive; w.program {
		a.delay = w.delay
	}
	for _, r := range w.ranges {
		switch {
		case w.program:
			a.archive.Remove(r)
			a.program.Add(r)
		case w.archive:
			a.archive.Add(r)
		}
	}
}

func (s *Sender) takeDurable(d *durable) {
	a := s.asked[d.publication]
	for _, r := range d.ranges {
		s.cfg.Spool.Durable(d.publication, r)
		if a != nil {
			a.program.Remove(r)
			a.archive.Remove(r)
		}
	}
}

// Next returns the next message to send, borrowed until the next call, or false when there is none
// now. spare is how many bytes a second of the uplink live media leaves. It is called until it returns
// false, again some 20 ms later, and never while media is out.
func (s *Sender) Next(spare int, now time.Time) ([]byte, bool) {
	s.refill(spare, now)
	s.message = s.message[:0]
	switch {
	case s.tellHave(now), s.tellGone():
	case s.spare <= 0, now.Before(s.paused):
		return nil, false
	case s.sendProgram(now):
	case s.archive > 0 && s.sendArchive():
		s.archive -= float64(len(s.message))
	default:
		if s.unreadable {
			s.unreadable, s.paused = false, now.Add(pauseUnreadable)
		}
		return nil, false
	}
	s.spare -= float64(len(s.message))
	s.stats.Bytes += int64(len(s.message))
	return s.message, true
}

// refill gives what the time since the last call allows.
func (s *Sender) refill(spare int, now time.Time) {
	if s.rate > 0 {
		spare = min(spare, s.rate)
	}
	rate := float64(max(spare, 0))
	if !s.refilled.IsZero() {
		passed := min(max(now.Sub(s.refilled), 0), sendBurst).Seconds()
		most := rate * sendBurst.Seconds()
		s.spare = min(s.spare+rate*passed, most)
		s.archive = min(s.archive+rate*passed*s.cfg.ArchiveShare, most)
	}
	s.refilled = now
}

// tellHave writes a holding that the server doesn't know as it is.
func (s *Sender) tellHave(now time.Time) bool {
	if s.looked.IsZero() || now.Sub(s.looked) >= tellEvery {
		s.looked = now
		s.holdings = s.cfg.Spool.Holdings()
		s.forgetTold()
	}
	for _, have := range s.holdings {
		was, known := s.told[have.Publication]
		news := !known || was.have.Ended != have.Ended
		if !news && (was.have == have || now.Sub(was.at) < tellGrowth) || !known && len(s.told) >= mostTold(have) {
			continue
		}
		s.told[have.Publication] = telling{have, now}
		s.message = have.append(s.message)
		return true
	}
	return false
}

// mostTold is how many publications may be told before one: some place is left for what goes on.
func mostTold(have Have) int {
	if have.Ended {
		return maxEnded
	}
	return maxPublications
}

// forgetTold makes place for others where nothing of a publication is held any more.
func (s *Sender) forgetTold() {
	clear(s.held)
	for _, have := range s.holdings {
		s.held[have.Publication] = true
	}
	for id := range s.told {
		if !s.held[id] {
			delete(s.told, id)
		}
	}
}

// forgetAnswered makes place where nothing is asked for any more.
func (s *Sender) forgetAnswered() {
	for id, a := range s.asked {
		if a.program.Empty() && a.archive.Empty() {
			delete(s.asked, id)
		}
	}
}

// tellGone writes what was asked for and is not held.
func (s *Sender) tellGone() bool {
	for id, set := range s.gone {
		ranges := set.Ranges()
		g := gone{id, ranges[:min(len(ranges), maxMessageRanges)]}
		s.message = g.append(s.message)
		for _, r := range append(s.ranges[:0], g.ranges...) {
			set.Remove(r)
		}
		if set.Empty() {
			delete(s.gone, id)
		}
		return true
	}
	return false
}

func (s *Sender) addGone(id packet.PublicationID, r Range) {
	set := s.gone[id]
	if set == nil {
		set = &Set{}
		s.gone[id] = set
	}
	s.stats.GonePackets += r.Len()
	set.Add(r)
}

// first sets p to the first held packet of what is wanted, and takes what is not held before it out of
// wanted.
func (s *Sender) first(id packet.PublicationID, wanted *Set, p *packet.Packet, lookups *int) bool {
	for !wanted.Empty() && *lookups > 0 {
		*lookups--
		r := wanted.Ranges()[0]
		*p = packet.Packet{}
		held, err := s.cfg.Spool.Find(id, r.First, p)
		if err != nil {
			wanted.Remove(Range{r.First, min(r.Last, r.First+passOver-1)})
			s.unreadable, *lookups = true, 0
			return false
		}
		held = held && p.Number >= r.First
		if held && p.Number <= r.Last && sendable(p) {
			if p.Number > r.First {
				missing := Range{r.First, p.Number - 1}
				s.addGone(id, missing)
				wanted.Remove(missing)
			}
			p.Publication = id
			return true
		}
		if held && p.Number <= r.Last {
			r.Last = p.Number // what cannot be sent is as good as gone
		}
		s.addGone(id, r)
		wanted.Remove(r)
	}
	return false
}

// sendProgram writes packets that the program can still use, of the publication with the earliest deadline.
func (s *Sender) sendProgram(now time.Time) bool {
	room := s.cfg.RoomNS(now)
	lookups := maxLookups
	var earliest packet.PublicationID
	var deadline int64
	found := false
	for id, a := range s.asked {
		var p packet.Packet
		for s.first(id, &a.program, &p, &lookups) {
			until := clocksync.NSAt(p.FirstSample) + int64(a.delay)
			if until <= room {
				a.demote(p.Number)
				continue
			}
			if !found || until < deadline {
				earliest, deadline, found = id, until, true
			}
			break
		}
	}
	if !found {
		return false
	}
	packets := s.pack(earliest, &s.asked[earliest].program)
	s.stats.ProgramPackets += packets
	return packets > 0
}

// demote moves a number that is too late for the program to the archive.
func (a *asked) demote(number int64) {
	r := Range{number, number}
	a.program.Remove(r)
	if a.keep {
		a.archive.Add(r)
	}
}

// sendArchive writes packets that only the archive can use, of the oldest publication.
func (s *Sender) sendArchive() bool {
	lookups := maxLookups
	for _, have := range s.holdings {
		a := s.asked[have.Publication]
		var p packet.Packet
		if a != nil && s.first(have.Publication, &a.archive, &p, &lookups) {
			packets := s.pack(have.Publication, &a.archive)
			s.stats.ArchivePackets += packets
			return packets > 0
		}
	}
	for id, a := range s.asked { // of a publication that is not held any more
		if !a.archive.Empty() && s.gone[id] == nil {
			var p packet.Packet
			s.first(id, &a.archive, &p, &lookups)
		}
	}
	return false
}

// pack writes the wanted packets of one publication, as many as fit.
func (s *Sender) pack(id packet.PublicationID, wanted *Set) (packets int64) {
	limit := min(max(int(s.spare), sendLeast), sendBytes)
	k := packing{message: s.message}
	lookups := maxLookups
	var p packet.Packet
	for s.first(id, wanted, &p, &lookups) && k.add(&p, limit) {
		wanted.Remove(Range{p.Number, p.Number})
		packets++
	}
	s.message = k.message
	return packets
}
