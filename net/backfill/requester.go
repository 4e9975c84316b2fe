package backfill

import (
	"errors"
	"time"

	"gasso/net/clocksync"
	"gasso/net/packet"
)

const (
	askEvery     = 50 * time.Millisecond         // the program's part; the archive's of one publication each
	settled      = 200 * time.Millisecond        // younger packets may still come by themselves
	transitSlack = 30 * time.Millisecond         // beside the round trip, until a packet that was asked for is in place
	safeEvery    = time.Second                   // what is on disk is told
	aheadSamples = 12 * 3600 * packet.SampleRate // first samples further ahead of now are lies; room time may begin anew with the server
	askRanges    = 512                           // in one message
	openRanges   = 1024                          // of one publication, asked for and not there yet, or gone
	burstSeconds = 4                             // of the rate may come at once
)

// Errors of Requester.Take beside ErrMalformed; each is counted.
var (
	ErrRefused = errors.New("backfill of this publication is refused")
	ErrLie     = errors.New("backfill holds what cannot be")
	ErrExcess  = errors.New("more backfill than was allowed")
)

// Book is what has arrived of one publication. Missing adds to dst what of r has not arrived. Newest is
// the highest number that arrived and its first sample, -1 before the first. Safe adds to dst what the
// app may forget. Kept tells whether an archive wants what is missing.
type Book interface {
	Missing(r Range, dst *Set)
	Newest() (number, firstSample int64)
	Safe(dst *Set)
	Kept() bool
}

// RequesterConfig is what a Requester needs.
type RequesterConfig struct {
	Open         func(Have) Book       // the book of a publication; nil refuses it
	Packet       func(*packet.Packet)  // takes one that was asked for; its payload is borrowed
	RoomNS       func(time.Time) int64 // room time of a moment, in ns
	ProgramDelay time.Duration         // how far the program is behind
	Rate         int                   // bytes a second that are taken at most
}

// RequesterStats are a Requester's counters.
type RequesterStats struct {
	Packets, Bytes int64 // that were asked for
	Strays         int64 // packets that nobody asked for, or twice
	Gone           int64 // packets that the app doesn't hold any more
	Lies           int64 // messages and packets with figures that cannot be
	Refused        int64 // messages about publications that are not taken
	Excess         int64 // messages above the rate
	Malformed      int64 // messages
	Waiting        int64 // packets asked for and not there yet
}

// Requester is the server's side for one participant. One goroutine at a time uses it.
type Requester struct {
	cfg          RequesterConfig
	publications map[packet.PublicationID]*held
	order        []*held // as they were told
	turn         int     // whose archive is asked for next

	asked, progress, told time.Time
	pace                  float64 // packets a second that come,
	counted               int64   // and how many had come when it was measured
	tokens                float64
	refilled              time.Time

	stats      RequesterStats
	a, b       Set
	ranges     []Range
	message    []byte
	unanswered []*held // whose safe ranges are to be told
}

// held is a publication that the app holds packets of.
type held struct {
	have             Have
	heard            time.Time // when have was told
	book             Book
	waiting          Set // asked for and not answered,
	program, archive wishes
	gone             Set
	safe             int64 // numbers told to be safe
	complete         bool  // nothing is missing, and all that is safe was told
}

// NewRequester returns a Requester that waits for a channel.
func NewRequester(cfg RequesterConfig) *Requester {
	q := &Requester{cfg: cfg}
	q.Opened()
	return q
}

// Opened starts over on a new channel: the app tells again what it holds.
func (q *Requester) Opened() {
	q.publications = make(map[packet.PublicationID]*held)
	q.order, q.unanswered = nil, nil
	q.asked, q.told = time.Time{}, time.Time{}
	q.tokens, q.refilled = float64(burstSeconds*q.cfg.Rate), time.Time{}
}

// Stats returns the counters.
func (q *Requester) Stats() RequesterStats {
	stats := q.stats
	for _, h := range q.order {
		stats.Waiting += h.waiting.Len()
	}
	return stats
}

// Take handles a message of the app. What is wrong is counted and has no effect beyond its own packets.
func (q *Requester) Take(message []byte, now time.Time) error {
	err := q.take(message, now)
	switch {
	case errors.Is(err, ErrMalformed):
		q.stats.Malformed++
	case errors.Is(err, ErrRefused):
		q.stats.Refused++
	case errors.Is(err, ErrLie):
		q.stats.Lies++
	case errors.Is(err, ErrExcess):
		q.stats.Excess++
	}
	return err
}

func (q *Requester) take(message []byte, now time.Time) error {
	if !q.allow(len(message), now) {
		return ErrExcess
	}
	if len(message) == 0 || len(message) > MaxMessage {
		return ErrMalformed
	}
	switch message[0] {
	case kindHave:
		have, err := readHave(message)
		if err != nil {
			return err
		}
		return q.takeHave(have, now)
	case kindPackets:
		return q.takePackets(message, now)
	case kindGone:
		g, err := readGone(message, q.ranges[:0])
		if err != nil {
			return err
		}
		q.ranges = g.ranges
		return q.takeGone(&g)
	}
	return ErrMalformed
}

// allow tells whether a message of that size is within the rate, to which an honest app keeps.
func (q *Requester) allow(size int, now time.Time) bool {
	if !q.refilled.IsZero() {
		passed := max(now.Sub(q.refilled), 0).Seconds()
		q.tokens = min(q.tokens+1.5*float64(q.cfg.Rate)*passed, float64(burstSeconds*q.cfg.Rate))
	}
	q.refilled = now
	if q.tokens < float64(size) {
		return false
	}
	q.tokens -= float64(size)
	return true
}

func (q *Requester) takeHave(have Have, now time.Time) error {
	if have.LastSample < 0 || have.LastSample > q.roomSample(now)+aheadSamples {
		return ErrLie
	}
	have.LastSample = min(have.LastSample, q.roomSample(now))
	if h := q.publications[have.Publication]; h != nil {
		h.have, h.heard, h.complete = have, now, false
		return nil
	}
	if len(q.order) >= maxPublications && !q.makeRoom() {
		return ErrRefused
	}
	book := q.cfg.Open(have)
	if book == nil {
		return ErrRefused
	}
	h := &held{have: have, heard: now, book: book}
	q.publications[have.Publication] = h
	q.order = append(q.order, h)
	return nil
}

func (q *Requester) takeGone(g *gone) error {
	h := q.publications[g.publication]
	if h == nil {
		return ErrRefused
	}
	for _, r := range g.ranges {
		q.a.Clear()
		h.waiting.Missing(r, &q.a)
		notAsked := q.a.Len()
		if notAsked == r.Len() {
			continue // what was not asked for is not missed
		}
		q.stats.Gone += r.Len() - notAsked
		h.answered(r)
		if len(h.gone.Ranges()) >= openRanges {
			h.gone.FillOldest()
		}
		h.gone.Add(r)
	}
	return nil
}

func (q *Requester) takePackets(message []byte, now time.Time) error {
	if len(message) < packetsBytes {
		return ErrMalformed
	}
	h := q.publications[packet.PublicationID(message[1:9])]
	if h == nil {
		return ErrRefused
	}
	latest := q.roomSample(now) + aheadSamples
	lies := int64(0)
	err := readPackets(message, func(p *packet.Packet) {
		switch {
		case !h.waiting.Has(p.Number):
			q.stats.Strays++
		case p.FirstSample > latest:
			lies++
		default:
			h.answered(Range{p.Number, p.Number})
			p.Generation = h.have.Generation
			q.progress = now
			q.stats.Packets++
			q.stats.Bytes += int64(len(p.Payload))
			q.cfg.Packet(p)
		}
	})
	q.stats.Lies += lies
	return err
}

func (q *Requester) roomSample(now time.Time) int64 { return clocksync.SampleAt(q.cfg.RoomNS(now)) }

// AskAgain has everything asked for once more, since the last message could not be sent.
func (q *Requester) AskAgain() {
	for _, h := range q.order {
		h.forget()
		h.safe = 0
	}
}

// Next returns the next message to send, borrowed until the next call, or false when there is none
// now. It is called until it returns false, again some 20 ms later, and never while media is out.
func (q *Requester) Next(roundTrip time.Duration, now time.Time) ([]byte, bool) {
	q.message = q.message[:0]
	if q.tellSafe(now) {
		return q.message, true
	}
	if now.Sub(q.asked) < askEvery {
		return nil, false
	}
	q.expire(roundTrip, now)
	for _, h := range q.order {
		if q.askProgram(h, roundTrip, now) {
			return q.message, true
		}
	}
	q.asked = now
	for range q.order {
		q.turn = (q.turn + 1) % len(q.order)
		if h := q.order[q.turn]; h.book.Kept() && q.ask(h, h.span(now, q), false, 0) {
			return q.message, true
		}
	}
	return nil, false
}

// span is all numbers of a publication that should be here by now.
func (h *held) span(now time.Time, q *Requester) Range {
	number, sample := h.newest(q.roomSample(now))
	young := sample + int64(h.have.FrameSamples) - (q.roomSample(now) - clocksync.SampleAt(int64(settled)))
	if young > 0 {
		number -= (young + int64(h.have.FrameSamples) - 1) / int64(h.have.FrameSamples)
	}
	return Range{h.have.First, number}
}

// newest is the highest number of the publication that is known, and its first sample, which is now at
// the latest.
func (h *held) newest(now int64) (number, firstSample int64) {
	number, firstSample = h.book.Newest()
	if h.have.Last >= number {
		number, firstSample = h.have.Last, h.have.LastSample
	}
	return number, min(firstSample, now)
}

// askProgram asks for what the program can still use: packets whose first sample is less than the
// program's delay, less the round trip, ago. Where pauses were not sent (DTX) some may be older, which
// the app finds out.
func (q *Requester) askProgram(h *held, roundTrip time.Duration, now time.Time) bool {
	delay := q.cfg.ProgramDelay - transitSlack - roundTrip
	if delay <= settled {
		return false
	}
	number, sample := h.newest(q.roomSample(now))
	usable := (sample - (q.roomSample(now) - clocksync.SampleAt(int64(delay)))) / int64(h.have.FrameSamples)
	if usable < 0 {
		return false
	}
	span := h.span(now, q)
	span.First = max(span.First, number-usable)
	return q.ask(h, span, true, q.cfg.ProgramDelay-transitSlack-roundTrip/2)
}

// ask writes a wish for what of span is missing, was not asked for and is not gone.
func (q *Requester) ask(h *held, span Range, program bool, delay time.Duration) bool {
	room := min(askRanges, openRanges-len(h.waiting.Ranges()))
	if !span.valid() || room <= 0 {
		return false
	}
	q.a.Clear()
	q.b.Clear()
	h.book.Missing(span, &q.a)
	for _, r := range q.a.Ranges() {
		h.waiting.Missing(r, &q.b)
	}
	q.a.Clear()
	for _, r := range q.b.Ranges() {
		h.gone.Missing(r, &q.a)
	}
	ranges := q.a.Ranges()
	if len(ranges) == 0 {
		return false
	}
	if program && len(ranges) > room {
		ranges = ranges[len(ranges)-room:] // the older ones may be too late anyway
	}
	ranges = ranges[:min(len(ranges), room)]
	class := &h.archive
	if program {
		class = &h.program
	}
	for _, r := range ranges {
		h.waiting.Add(r)
		class.add(r)
	}
	w := want{
		publication: h.have.Publication, program: program, archive: h.book.Kept(), delay: delay, rate: q.cfg.Rate, ranges: ranges,
	}
	q.message = w.append(q.message)
	return true
}
