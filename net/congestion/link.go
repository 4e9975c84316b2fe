package congestion

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	ringLength   = 2048              // packets: 5 s of the shortest ones, sent again included
	keptReports  = 32                // feedback packets, about 3 s
	rateOver     = 4                 // feedback packets that a rate is taken of
	delayOver    = 2                 // that the present delay is taken of
	lossOver     = 10                // that loss is taken of
	fewInDelay   = 6                 // packets that the present delay is taken of at least
	baseBuckets  = 10                // whose least delay is that of the way without a queue
	baseBucket   = time.Second       // of each
	interruption = 40                // packets lost in a row are no loss that less could avoid
	silentAfter  = 2 * time.Second   // without feedback nothing is known
	unitsInTurn  = 1 << 24           // of 64 ms, until the reference comes round
	flowsWithin  = 4 * FeedbackEvery // of the newest feedback; what came until then is no rate of now
)

// Link keeps what was sent to one other side and what that side said about it. Sent may be called by one
// goroutine while others call the rest.
type Link struct {
	began time.Time // moments are told from here, so that a wall clock that is set changes none
	next  atomic.Uint32
	sent  [ringLength]sentPacket

	mu        sync.Mutex // guards what follows
	known     bool
	reference int64 // of the newest feedback, without turns
	reports   [keptReports]taken
	count     int // of all feedback packets
	base      [baseBuckets]leastDelay
	heard     time.Time
	lastAt    time.Duration // arrival of the newest packet, in the other side's time
}

// sentPacket is written by the sender alone; what changes while it is read is a packet too old to matter.
type sentPacket struct {
	at   atomic.Int64  // nanoseconds since the link began
	what atomic.Uint64 // number, and length in bytes above it
}

// taken is one feedback packet.
type taken struct {
	bytes, came, lost int
	least             time.Duration // from sending to arrival, between two clocks that do not agree
	until             time.Duration // arrival of its newest packet
}

type leastDelay struct {
	second int64
	delay  time.Duration
}

// NewLink knows nothing yet. Times carry a monotonic reading like now.
func NewLink(now time.Time) *Link { return &Link{began: now} }

// Sent notes a packet of so many bytes, all headers included, and returns the number that it must carry.
func (l *Link) Sent(bytes int, at time.Time) (number uint16) {
	number = uint16(l.next.Add(1) - 1) // modulo 2^16 is meant
	p := &l.sent[number%ringLength]
	p.at.Store(int64(at.Sub(l.began)))
	p.what.Store(uint64(bytes)<<16 | uint64(number))
	return number
}

// Take follows one feedback packet: a whole RTCP packet, as it came.
func (l *Link) Take(packet []byte, now time.Time) error {
	f, err := parseFeedback(packet)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	start := l.unwrap(f.reference)
	report, run := taken{until: l.lastAt}, 0
	f.walk(func(number uint16, came bool, at time.Duration) {
		p := &l.sent[number%ringLength]
		what, sentAt := p.what.Load(), p.at.Load()
		if what == 0 || uint16(what) != number {
			return // never sent
		}
		if !came {
			report.lost++
			run++
			return
		}
		if run > interruption {
			report.lost -= run
		}
		run = 0
		arrived := start + at
		delay := arrived - time.Duration(sentAt)
		if report.came == 0 || delay < report.least {
			report.least = delay
		}
		report.came++
		report.bytes += int(what >> 16)
		report.until = max(report.until, arrived)
	})
	if report.came+report.lost == 0 {
		return nil
	}
	l.heard = now
	if report.came > 0 {
		l.lastAt = report.until
		l.noteBase(report.least, now)
	}
	l.reports[l.count%keptReports] = report
	l.count++
	return nil
}

// unwrap makes a time of the 24 bits of a reference time.
func (l *Link) unwrap(reference int64) time.Duration {
	if !l.known {
		l.known, l.reference = true, reference
	} else {
		step := (reference - l.reference) & (unitsInTurn - 1)
		if step >= unitsInTurn/2 {
			step -= unitsInTurn
		}
		l.reference += step
	}
	return time.Duration(l.reference) * referenceUnit
}

func (l *Link) noteBase(delay time.Duration, now time.Time) {
	grew(&l.base, delay, now.Sub(l.began))
}

// Rebase takes the present delay for that of the way itself: it changed, or others fill its queue.
func (l *Link) Rebase(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base = [baseBuckets]leastDelay{}
	if least, ok := l.leastLocked(); ok {
		l.noteBase(least, now)
	}
}

// Report is how a link does now.
type Report struct {
	Known    bool          // feedback comes
	AckedBPS int           // that arrived lately, in bits a second
	Queue    time.Duration // that packets wait on the way beyond the least in 10 s
	Loss     float64       // of the last second's packets, 0 to 1
}

// Report tells how the link does.
func (l *Link) Report(now time.Time) (r Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 || now.Sub(l.heard) > silentAfter {
		return r
	}
	r.Known = true
	if now.Sub(l.heard) < flowsWithin {
		r.AckedBPS = l.ackedLocked()
	}
	came, lost := 0, 0
	for i := range min(lossOver, l.count) {
		t := l.back(i)
		came, lost = came+t.came, lost+t.lost
	}
	r.Loss = float64(lost) / float64(max(came+lost, 1))
	least, ok := l.leastLocked()
	if !ok {
		return r
	}
	r.Queue = grew(&l.base, least, now.Sub(l.began))
	return r
}

// back is the feedback packet that came before so many others.
func (l *Link) back(i int) *taken { return &l.reports[(l.count-1-i)%keptReports] }

// leastLocked is the least delay lately.
func (l *Link) leastLocked() (least time.Duration, ok bool) {
	came := 0
	for i := 0; i < min(l.count, keptReports) && (i < delayOver || came < fewInDelay); i++ {
		t := l.back(i)
		if t.came > 0 && (came == 0 || t.least < least) {
			least = t.least
		}
		came += t.came
	}
	return least, came > 0
}

// ackedLocked is the rate at which packets arrived lately.
func (l *Link) ackedLocked() int {
	bytes, i := 0, 0
	newest := l.back(0).until
	for ; i < min(l.count-1, rateOver); i++ {
		bytes += l.back(i).bytes
	}
	span := newest - l.back(i).until
	if i == 0 || span < 20*time.Millisecond {
		return 0
	}
	return int(float64(8*bytes) / span.Seconds())
}
