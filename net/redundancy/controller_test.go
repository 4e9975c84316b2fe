package redundancy

import (
	"math/rand/v2"
	"testing"
	"time"
)

const reportEvery = 250 * time.Millisecond

// loss decides for each packet of a simulated link whether it gets lost.
type loss func(rng *rand.Rand) bool

func independent(p float64) loss { return func(rng *rand.Rand) bool { return rng.Float64() < p } }

func inBursts(p float64, length int) loss {
	left := 0
	return func(rng *rand.Rand) bool {
		if left == 0 && rng.Float64() < p/float64(length)/(1-p) {
			left = length
		}
		if left == 0 {
			return false
		}
		left--
		return true
	}
}

// link is a sender with its controller, a lossy way of one packet each 5 ms, and a receiver.
type link struct {
	rng        *rand.Rand
	now        time.Time
	controller *Controller
	receiver   Receiver
	reported   Totals
	number     int64
	lost       int
	second     time.Time     // when the second packet was lost
	risen      time.Duration // from then until the first copy was sent
	otherPath  bool          // brings every packet
}

func newLink(seed uint64) *link {
	return &link{rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), controller: NewController(1)}
}

// run goes on for a while and returns what of the expected packets was missing, and lost, in that time.
func (l *link) run(d time.Duration, lost loss) (residual, raw float64) {
	before := l.receiver.Totals()
	start := l.now
	for nextReport := l.now.Add(reportEvery); l.now.Sub(start) < d; l.now = l.now.Add(5 * time.Millisecond) {
		if l.now.After(nextReport) {
			nextReport = nextReport.Add(reportEvery)
			l.report()
		}
		if lost(l.rng) {
			if l.lost++; l.lost == 2 {
				l.second = l.now
			}
		} else {
			depth, spread := l.controller.Depth(), l.controller.Spread()
			for i := depth; i > 0; i-- {
				l.receiver.Take(1, l.number-int64(spread-depth+i), true)
			}
			l.receiver.Take(1, l.number, false)
		}
		l.number++
	}
	after := l.receiver.Totals()
	expected := float64(after.Expected - before.Expected)
	return float64(after.Missing-before.Missing) / expected, float64(after.RawLost-before.RawLost) / expected
}

func (l *link) report() {
	totals := l.receiver.Totals()
	report, ok := totals.Since(&l.reported)
	if !ok {
		panic("totals of one receiver do not follow each other")
	}
	l.reported = totals
	if l.otherPath {
		report.Missing = 0
	}
	l.controller.Update(report, l.now)
	if l.risen == 0 && l.controller.Depth() > 0 {
		l.risen = l.now.Sub(l.second)
	}
}

func TestProtectionSuitsTheLoss(t *testing.T) {
	for _, c := range []struct {
		name               string
		lost               loss
		least, most        int // copies
		leastFar, farthest int
		residual           float64 // at most, once settled
	}{
		{"none", independent(0), 0, 0, 0, 0, 0},
		{"hardly any", independent(0.0003), 0, 0, 0, 0, 0.001},
		{"1 %", independent(0.01), 1, 1, 1, 1, 0.0005},
		{"3 %", independent(0.03), 1, 1, 1, 1, 0.002},
		{"5 %", independent(0.05), 1, 1, 1, 1, 0.005},
		{"10 %", independent(0.10), 1, 2, 1, 3, 0.005},
		{"5 % in bursts of 4", inBursts(0.05, 4), 1, 2, 4, 5, 0.005},
		{"1 % in bursts of 2", inBursts(0.01, 2), 1, 1, 2, 2, 0.001},
		{"2 % in bursts of 6", inBursts(0.02, 6), 1, 1, 6, 7, 0.002},
	} {
		for seed := range uint64(5) {
			l := newLink(seed)
			l.run(20*time.Second, c.lost)
			residual, raw := l.run(5*time.Minute, c.lost)
			depth, spread := l.controller.Depth(), l.controller.Spread()
			t.Logf("%s, seed %d: %d copies up to %d back, raw loss %.2f %%, residual %.3f %%, up after %v", c.name, seed, depth, spread, 100*raw, 100*residual, l.risen)
			if depth < c.least || depth > c.most || spread < c.leastFar || spread > c.farthest {
				t.Errorf("%s, seed %d: %d copies up to %d back", c.name, seed, depth, spread)
			}
			if residual > c.residual {
				t.Errorf("%s, seed %d: residual loss %.4f", c.name, seed, residual)
			}
			if raw >= 0.03 && l.risen > time.Second {
				t.Errorf("%s, seed %d: up after %v", c.name, seed, l.risen)
			}
		}
	}
}

func TestProtectionStaysWhileItIsNeeded(t *testing.T) {
	l := newLink(3)
	l.run(time.Minute, independent(0.03))
	for range 60 {
		l.run(10*time.Second, independent(0.03))
		if l.controller.Depth() != 1 {
			t.Fatalf("%d copies while the link loses 3 %%", l.controller.Depth())
		}
	}
	l.run(8*time.Second, independent(0))
	if l.controller.Depth() != 1 {
		t.Error("came down within 8 s")
	}
	l.run(30*time.Second, independent(0))
	if l.controller.Depth() != 0 || l.controller.Spread() != 0 {
		t.Errorf("%d copies long after the last loss", l.controller.Depth())
	}
	before := l.controller.hold
	l.run(10*time.Second, independent(0.05))
	if l.controller.Depth() != 1 || l.controller.hold <= before {
		t.Errorf("relapse: %d copies, hold %v after %v", l.controller.Depth(), l.controller.hold, before)
	}
}

// Where the other path brings what this one loses, copies would be for nothing.
func TestAnotherPathSavesTheCopies(t *testing.T) {
	l := newLink(4)
	l.otherPath = true
	l.run(time.Minute, independent(0.05))
	if l.controller.Depth() != 0 {
		t.Errorf("%d copies although nothing was missing", l.controller.Depth())
	}
	l.otherPath = false
	l.run(3*time.Second, independent(0.05))
	if l.controller.Depth() == 0 {
		t.Error("no copies after the other path died")
	}
}

// Packets that come too late are not helped by copies, which come later still.
func TestLatenessIsNoReason(t *testing.T) {
	c := NewController(1)
	now := time.Unix(1e9, 0)
	for range 1000 {
		now = now.Add(reportEvery)
		c.Update(Report{Expected: 50, Missing: 2}, now)
	}
	if c.Depth() != 0 {
		t.Errorf("%d copies against lateness", c.Depth())
	}
}

func FuzzController(f *testing.F) {
	f.Add([]byte{50, 3, 3, 1, 0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, now := NewController(1), time.Unix(1e9, 0)
		for ; len(data) >= 8; data = data[8:] {
			r := Report{Expected: int(data[0]) * 64, Missing: int(data[1]) * 64, RawLost: int(data[2]) * 64,
				Bursts: [4]int{int(data[3]), int(data[4]), int(data[5]), int(data[6])}}
			now = now.Add(time.Duration(int8(data[7])) * reportEvery / 4)
			c.Update(r, now)
			if d, s := c.Depth(), c.Spread(); d < 0 || d > maxDepth || s < d || s > maxSpread || d == 0 && s != 0 {
				t.Fatalf("%d copies up to %d back", d, s)
			}
		}
	})
}
