package backfill

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gasso/net/clocksync"
	"gasso/net/packet"
)

const frame = 240 // samples: 5 ms

var (
	startTime = time.Unix(1_800_000_000, 0)
	pubA      = packet.PublicationID{1}
	pubB      = packet.PublicationID{2}
)

func roomNS(now time.Time) int64 { return now.UnixNano() }

func roomSample(now time.Time) int64 { return clocksync.SampleAt(roomNS(now)) }

// fakeSpool holds every packet of its publications from begin on, but for what was forgotten.
type fakeSpool struct {
	pubs   []packet.PublicationID
	about  map[packet.PublicationID]*fakePublication
	broken error // of each look
}

type fakePublication struct {
	begin time.Time
	count int64 // numbers made
	ended bool
	held  Set
	size  int
}

func (p *fakePublication) payload(number int64) []byte {
	return bytes.Repeat([]byte{byte(number), byte(number >> 8), 7}, p.size/3)
}

func (p *fakePublication) sample(number int64) int64 { return roomSample(p.begin) + number*frame }

func newSpool(ids ...packet.PublicationID) *fakeSpool {
	return &fakeSpool{pubs: ids, about: map[packet.PublicationID]*fakePublication{}}
}

// make lets a publication have count packets.
func (s *fakeSpool) make(id packet.PublicationID, begin time.Time, count int64) *fakePublication {
	p := s.about[id]
	if p == nil {
		p = &fakePublication{begin: begin, size: 60}
		s.about[id] = p
	}
	if count > p.count {
		p.held.Add(Range{p.count, count - 1})
		p.count = count
	}
	return p
}

func (s *fakeSpool) Holdings() (all []Have) {
	for _, id := range s.pubs {
		p := s.about[id]
		if p == nil || p.held.Empty() {
			continue
		}
		ranges := p.held.Ranges()
		all = append(all, Have{
			Publication: id, Generation: id[0], Channels: 2, FrameSamples: frame, Ended: p.ended,
			First: ranges[0].First, Last: ranges[len(ranges)-1].Last, LastSample: p.sample(ranges[len(ranges)-1].Last),
		})
	}
	return all
}

func (s *fakeSpool) Find(id packet.PublicationID, from int64, p *packet.Packet) (bool, error) {
	if s.broken != nil {
		return false, s.broken
	}
	about := s.about[id]
	if about == nil {
		return false, nil
	}
	ranges := about.held.Ranges()
	at := about.held.from(from)
	if at == len(ranges) {
		return false, nil
	}
	number := max(from, ranges[at].First)
	*p = packet.Packet{Number: number, FirstSample: about.sample(number), Samples: frame, Payload: about.payload(number)}
	return true, nil
}

func (s *fakeSpool) Durable(id packet.PublicationID, r Range) {
	if about := s.about[id]; about != nil {
		about.held.Remove(r)
	}
}

// fakeBook notes what arrives.
type fakeBook struct {
	arrived Set
	newest  int64
	sample  int64
	kept    bool
}

func (b *fakeBook) Missing(r Range, dst *Set) { b.arrived.Missing(r, dst) }
func (b *fakeBook) Newest() (n, sample int64) { return b.newest, b.sample }
func (b *fakeBook) Kept() bool                { return b.kept }
func (b *fakeBook) Safe(dst *Set) {
	for _, r := range b.arrived.Ranges() {
		dst.Add(r)
	}
}

func (b *fakeBook) take(number, sample int64) {
	b.arrived.Add(Range{number, number})
	if number > b.newest {
		b.newest, b.sample = number, sample
	}
}

// exchange connects a Sender and a Requester by a simulated reliable channel.
type exchange struct {
	t         *testing.T
	now       time.Time
	delay     time.Duration // one way
	spare     int
	up, down  []letter
	spool     *fakeSpool
	sender    *Sender
	requester *Requester
	books     map[packet.PublicationID]*fakeBook
	connected bool
	received  []packet.Packet // by backfill; without payload
	arrivals  []time.Time
}

type letter struct {
	at      time.Time
	message []byte
}

func newExchange(t *testing.T, spool *fakeSpool, programDelay time.Duration) *exchange {
	x := &exchange{t: t, now: startTime, delay: 20 * time.Millisecond, spare: 50_000, spool: spool, books: map[packet.PublicationID]*fakeBook{}}
	x.sender = NewSender(SenderConfig{Spool: spool, RoomNS: roomNS, ArchiveShare: 0.5})
	x.requester = NewRequester(RequesterConfig{
		Open: func(have Have) Book { return x.book(have.Publication) },
		Packet: func(p *packet.Packet) {
			about := spool.about[p.Publication]
			if !bytes.Equal(p.Payload, about.payload(p.Number)) || p.FirstSample != about.sample(p.Number) || p.Generation != p.Publication[0] {
				t.Fatalf("packet %d came changed", p.Number)
			}
			x.books[p.Publication].take(p.Number, p.FirstSample)
			kept := *p
			kept.Payload = nil
			x.received = append(x.received, kept)
			x.arrivals = append(x.arrivals, x.now)
		},
		RoomNS: roomNS, ProgramDelay: programDelay, Rate: 1 << 20,
	})
	return x
}

func (x *exchange) book(id packet.PublicationID) *fakeBook {
	if x.books[id] == nil {
		x.books[id] = &fakeBook{newest: -1, kept: true}
	}
	return x.books[id]
}

// connect opens a channel; what was on its way on the one before is lost.
func (x *exchange) connect() {
	x.up, x.down, x.connected = nil, nil, true
	x.sender.Opened()
	x.requester.Opened()
}

// step passes 5 ms.
func (x *exchange) step() {
	x.now = x.now.Add(5 * time.Millisecond)
	if !x.connected {
		return
	}
	for len(x.up) > 0 && !x.up[0].at.After(x.now) {
		if err := x.requester.Take(x.up[0].message, x.now); err != nil {
			x.t.Fatalf("server refuses a message: %v", err)
		}
		x.up = x.up[1:]
	}
	for len(x.down) > 0 && !x.down[0].at.After(x.now) {
		if err := x.sender.Take(x.down[0].message); err != nil {
			x.t.Fatalf("app refuses a message: %v", err)
		}
		x.down = x.down[1:]
	}
	for {
		m, ok := x.sender.Next(x.spare, x.now)
		if !ok {
			break
		}
		if len(m) > MaxMessage || len(m) == 0 {
			x.t.Fatalf("message of %d bytes", len(m))
		}
		x.up = append(x.up, letter{x.now.Add(x.delay), bytes.Clone(m)})
	}
	for {
		m, ok := x.requester.Next(2*x.delay, x.now)
		if !ok {
			break
		}
		if len(m) > MaxMessage || len(m) == 0 {
			x.t.Fatalf("message of %d bytes", len(m))
		}
		x.down = append(x.down, letter{x.now.Add(x.delay), bytes.Clone(m)})
	}
}

func (x *exchange) until(what string, limit time.Duration, done func() bool) {
	x.t.Helper()
	for end := x.now.Add(limit); !done(); x.step() {
		if x.now.After(end) {
			x.t.Fatalf("never: %s; sender %+v, requester %+v", what, x.sender.Stats(), x.requester.Stats())
		}
	}
}

func TestBothSidesEndWithTheSameSetsWhereverTheConnectionBreaks(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			x := newExchange(t, newSpool(pubA, pubB), time.Second)
			x.connect()
			ended := startTime.Add(6 * time.Second)
			for x.now.Before(startTime.Add(12 * time.Second)) {
				id, begin := pubA, startTime
				if x.now.After(ended) {
					id, begin = pubB, ended
					x.spool.about[pubA].ended = true
				}
				about := x.spool.make(id, begin, int64(x.now.Sub(begin)/(5*time.Millisecond)))
				if n := about.count - 1; n >= 0 && x.connected && random.IntN(10) > 0 {
					x.book(id).take(n, about.sample(n)) // live
				}
				switch random.IntN(400) {
				case 0:
					x.connected = false
				case 1, 2:
					x.connect()
				}
				x.step()
			}
			x.spool.about[pubB].ended = true
			x.connect()
			counts := map[packet.PublicationID]int64{pubA: x.spool.about[pubA].count, pubB: x.spool.about[pubB].count}
			x.until("all packets are there, and forgotten by the app", time.Minute, func() bool {
				for id, count := range counts {
					if x.book(id).arrived.Len() != count || !x.spool.about[id].held.Empty() {
						return false
					}
				}
				return true
			})
			if s := x.requester.Stats(); s.Lies+s.Excess+s.Malformed+s.Refused > 0 {
				t.Errorf("an honest app is mistrusted: %+v", s)
			}
		})
	}
}

// outage is an exchange whose app made so much while the channel was closed, right up to now.
func outage(t *testing.T, length, programDelay time.Duration) *exchange {
	x := newExchange(t, newSpool(pubA), programDelay)
	x.spool.make(pubA, startTime, int64(length/(5*time.Millisecond)))
	x.now = startTime.Add(length)
	x.connect()
	return x
}

func TestWhatTheProgramCanUseGoesFirstEarliestDeadlineFirst(t *testing.T) {
	const programDelay = 5 * time.Second
	x := outage(t, 30*time.Second, programDelay)
	total := x.spool.about[pubA].count
	x.until("everything", time.Minute, func() bool { return x.books[pubA] != nil && x.books[pubA].arrived.Len() == total })
	inTime, firstLate := 0, -1
	before := int64(-1)
	for i, p := range x.received {
		deadline := clocksync.NSAt(p.FirstSample) + int64(programDelay)
		if roomNS(x.arrivals[i]) <= deadline {
			if firstLate >= 0 && p.Number < x.received[firstLate].Number {
				continue
			}
			if p.Number < before && firstLate < 0 {
				t.Fatalf("packet %d after %d", p.Number, before)
			}
			before = p.Number
			inTime++
		} else if firstLate < 0 {
			firstLate = i
		}
	}
	if firstLate < inTime*9/10 {
		t.Errorf("the first packet for the archive alone came after %d others, %d could be used", firstLate, inTime)
	}
	// 5 s of sound stand before their deadline and each packet costs 70 bytes: at 50 kB/s all that was
	// still good when the wish came (two ways, the slack and a round later) goes through
	usable := int((programDelay - 4*x.delay - transitSlack - 500*time.Millisecond) / (5 * time.Millisecond))
	if inTime < usable {
		t.Errorf("%d packets came in time for the program, want %d", inTime, usable)
	}
}

func TestTheArchiveKeepsToItsShare(t *testing.T) {
	x := outage(t, 60*time.Second, 100*time.Millisecond) // nothing that the program could use
	x.step()
	begin, from := x.now, x.sender.Stats().Bytes
	for x.now.Before(begin.Add(10 * time.Second)) {
		x.step()
	}
	rate := float64(x.sender.Stats().Bytes-from) / x.now.Sub(begin).Seconds()
	if share := rate / float64(x.spare); share < 0.4 || share > 0.55 {
		t.Errorf("the archive took %.2f of the spare uplink, want half", share)
	}
}

func TestTheProgramGetsAllTheSpareUplink(t *testing.T) {
	x := outage(t, 30*time.Second, 30*time.Second)
	x.until("the wish", time.Second, func() bool { return x.sender.Stats().Waiting > 0 })
	begin, from := x.now, x.sender.Stats().Bytes
	for x.now.Before(begin.Add(3 * time.Second)) {
		x.step()
	}
	rate := float64(x.sender.Stats().Bytes-from) / x.now.Sub(begin).Seconds()
	if share := rate / float64(x.spare); share < 0.9 || share > 1.1 {
		t.Errorf("the program took %.2f of the spare uplink", share)
	}
}

func TestNothingIsSentWithoutSpareUplink(t *testing.T) {
	x := outage(t, 10*time.Second, 30*time.Second)
	x.spare = 0
	for range 2000 {
		x.step()
	}
	if s := x.sender.Stats(); s.ProgramPackets+s.ArchivePackets > 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhatTheAppLostIsToldOnceAndNotAskedForAgain(t *testing.T) {
	x := outage(t, 10*time.Second, time.Second)
	held := &x.spool.about[pubA].held
	for _, r := range []Range{{100, 199}, {500, 500}, {700, 1500}} {
		held.Remove(r)
	}
	total := held.Len()
	x.until("what is left", time.Minute, func() bool { return x.books[pubA] != nil && x.books[pubA].arrived.Len() == total })
	for range 4000 {
		x.step()
	}
	if s := x.requester.Stats(); s.Gone != 100+1+801 || s.Strays != 0 {
		t.Errorf("%+v", s)
	}
	if s := x.sender.Stats(); s.GonePackets != 100+1+801 {
		t.Errorf("%+v", s)
	}
}

func TestWithoutAnArchiveTheAppForgetsWhatIsTooLate(t *testing.T) {
	x := newExchange(t, newSpool(pubA), time.Second)
	x.books[pubA] = &fakeBook{newest: -1}
	x.spool.make(pubA, startTime, 2000)
	x.now = startTime.Add(10 * time.Second)
	x.connect()
	x.until("an empty spool", time.Minute, func() bool { return x.spool.about[pubA].held.Empty() })
	if got := x.books[pubA].arrived.Len(); got == 0 || got > 200 {
		t.Errorf("%d packets were sent for a program one second behind", got)
	}
}

func TestWishesThatAreLostAreRepeated(t *testing.T) {
	x := outage(t, 2*time.Second, time.Second)
	x.until("the wish", time.Second, func() bool { return len(x.down) > 0 })
	x.down = nil
	x.until("everything", 5*time.Second, func() bool { return x.books[pubA].arrived.Len() == 400 })
}
