package recovery

import (
	"math/rand/v2"
	"testing"
	"time"
)

const look = 100 * time.Millisecond

// link is a link in simulated time: what its watch is shown at each look, and what it did.
type link struct {
	watch *Watch
	start time.Time
	at    time.Duration
	s     Sample

	asks     []time.Duration
	restarts []time.Duration
	overs    []time.Duration
}

func newLink() *link {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &link{start: start, watch: New(start, rand.New(rand.NewPCG(1, 2)))}
}

func (l *link) now() time.Time { return l.start.Add(l.at) }

// run lets time pass. Each look finds packets when every has passed since the last (0: none come), and a
// sign of life over signaling when it is alive.
func (l *link) run(d, every time.Duration, alive bool) {
	for end := l.at + d; l.at < end; {
		l.at += look
		if every > 0 && l.at%every == 0 {
			l.s.Received++
		}
		switch l.watch.Observe(l.now(), l.s) {
		case Ask:
			l.asks = append(l.asks, l.at)
			if alive { // the answer is there before the next look
				l.s.Heard = l.now().Add(20 * time.Millisecond)
			}
		case Restart:
			l.restarts = append(l.restarts, l.at)
		case StartOver:
			l.overs = append(l.overs, l.at)
		}
	}
}

func TestSilenceIsNoticedWithinASecond(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	if len(l.asks)+len(l.restarts) > 0 {
		t.Fatalf("a link that works is asked for at %v, restarted at %v", l.asks, l.restarts)
	}
	died := l.at
	l.run(1100*time.Millisecond, 0, true)
	if len(l.restarts) != 1 || l.restarts[0]-died > time.Second {
		t.Errorf("silent at %v, restarted at %v", died, l.restarts)
	}
}

func TestAStallIsNoLoss(t *testing.T) {
	l := newLink()
	for range 20 {
		l.run(2*time.Second, look, true)
		l.run(700*time.Millisecond, 0, true)
	}
	if len(l.restarts) > 0 {
		t.Errorf("restarted at %v", l.restarts)
	}
}

func TestALinkWithFewPacketsIsGivenTime(t *testing.T) {
	l := newLink()
	l.run(20*time.Second, time.Second, true)
	if len(l.restarts) > 0 {
		t.Errorf("with a packet a second it was restarted at %v", l.restarts)
	}
	died := l.at
	l.run(5*time.Second, 0, true)
	if len(l.restarts) == 0 || l.restarts[0]-died > 4*time.Second {
		t.Errorf("silent at %v, restarted at %v", died, l.restarts)
	}
}

// TestAnOutageOfTheWholeNetworkLeavesTheLinkAlone: the way is still good when the network is back.
func TestAnOutageOfTheWholeNetworkLeavesTheLinkAlone(t *testing.T) {
	for _, outage := range []time.Duration{3 * time.Second, 30 * time.Second, 60 * time.Second} {
		l := newLink()
		l.run(5*time.Second, look, true)
		l.run(outage, 0, false)
		if len(l.restarts) > 0 || len(l.asks) < int(outage/time.Second) {
			t.Errorf("%v: restarted at %v, asked %d times", outage, l.restarts, len(l.asks))
		}
		if got := l.watch.Silence(l.now()); got < outage-look {
			t.Errorf("%v: silence of %v", outage, got)
		}
		l.run(5*time.Second, look, true)
		if len(l.restarts) > 0 || l.watch.Silence(l.now()) != 0 {
			t.Errorf("%v: back, and yet restarted at %v", outage, l.restarts)
		}
	}
}

func TestSignalingThatIsBackBeforeMediaRestarts(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	l.run(10*time.Second, 0, false)
	back := l.at
	l.run(time.Second, 0, true)
	if len(l.restarts) != 1 || l.restarts[0]-back > 500*time.Millisecond {
		t.Errorf("signaling is back at %v, restarted at %v", back, l.restarts)
	}
}

func TestASignOfLifeFromBeforeProvesNothing(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	l.s.Heard = l.now().Add(50 * time.Millisecond) // was on its way
	l.run(5*time.Second, 0, false)
	if len(l.restarts) > 0 {
		t.Errorf("restarted at %v", l.restarts)
	}
}

func TestRestartsAreRepeatedThenTheLinkIsMadeAnew(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	l.run(60*time.Second, 0, true)
	if len(l.restarts) < mostRestarts || len(l.overs) == 0 || l.overs[0] < l.restarts[mostRestarts-1] {
		t.Fatalf("restarted at %v, made anew at %v", l.restarts, l.overs)
	}
	for i, at := range l.restarts[1:mostRestarts] {
		if gap := at - l.restarts[i]; gap < firstWait || gap > lastWait+time.Second {
			t.Errorf("%v between restarts", gap)
		}
	}
	l.run(time.Second, look, true)
	died := l.at
	l.run(1100*time.Millisecond, 0, true)
	if last := l.restarts[len(l.restarts)-1]; last < died || last-died > time.Second {
		t.Errorf("after success, silent at %v, restarted at %v: waits were not reset", died, last)
	}
}

func TestARestartOfTheOtherSideIsWaitedFor(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	died := l.at
	l.run(700*time.Millisecond, 0, true)
	l.s.Restarted = l.now()
	l.run(2*time.Second, 0, true)
	if len(l.restarts) > 0 {
		t.Errorf("silent at %v, restarted by the other side at 700 ms and here at %v", died, l.restarts)
	}
	l.run(5*time.Second, 0, true)
	if len(l.restarts) == 0 {
		t.Error("a restart that brought nothing is not repeated")
	}
}

func TestAHintHurries(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	l.watch.Hint(l.now())
	died := l.at
	l.run(600*time.Millisecond, 0, true)
	if len(l.restarts) != 1 || l.restarts[0]-died > 500*time.Millisecond {
		t.Errorf("hint at %v, restarted at %v", died, l.restarts)
	}
	l.run(20*time.Second, 0, true) // waits grow
	l.watch.Hint(l.now())
	count, hint := len(l.restarts)+len(l.overs), l.at
	l.run(600*time.Millisecond, 0, true)
	if len(l.restarts)+len(l.overs) == count {
		t.Errorf("a hint at %v does not end the wait: %v", hint, l.restarts)
	}
}

func TestAHintAloneChangesNothing(t *testing.T) {
	for _, every := range []time.Duration{look, 300 * time.Millisecond, time.Second} {
		l := newLink()
		l.run(10*time.Second, every, true)
		for range 20 {
			l.watch.Hint(l.now())
			l.run(time.Second, every, true)
		}
		if len(l.restarts) > 0 {
			t.Errorf("packets every %v: restarted at %v", every, l.restarts)
		}
	}
}

func TestALinkThatNeverConnectsIsRestarted(t *testing.T) {
	l := newLink()
	l.run(connectWithin-look, 0, true)
	if len(l.restarts) > 0 {
		t.Errorf("restarted already at %v", l.restarts)
	}
	l.run(2*connectWithin, 0, true)
	if len(l.restarts) != 2 || l.restarts[1]-l.restarts[0] < connectWithin {
		t.Errorf("restarted at %v", l.restarts)
	}
}

func TestDeclinedLinkMayBeSilent(t *testing.T) {
	l := newLink()
	l.run(5*time.Second, look, true)
	l.s.Declined = true
	l.run(10*time.Second, 0, true)
	if len(l.asks)+len(l.restarts) > 0 {
		t.Fatalf("a link that carries nothing by wish is asked for at %v, restarted at %v", l.asks, l.restarts)
	}
	l.s.Declined = false
	l.run(600*time.Millisecond, 0, true)
	if len(l.restarts) > 0 {
		t.Fatalf("restarted at %v, before what is wanted again could come", l.restarts)
	}
	l.run(time.Second, 0, true)
	if len(l.restarts) != 1 {
		t.Fatalf("restarts at %v, want one: what is wanted again does not come", l.restarts)
	}
}
