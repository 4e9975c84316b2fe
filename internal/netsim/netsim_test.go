package netsim

import (
	"math"
	"testing"
	"time"
)

const (
	ms     = time.Millisecond
	frame  = 5 * ms
	amount = 200_000
)

// sent is what became of one packet.
type sent struct {
	at, arrival time.Duration
	arrives     bool
}

func send(l *Link, n int) []sent {
	all := make([]sent, n)
	for i := range all {
		at := time.Duration(i) * frame
		arrival, arrives := l.Send(at)
		all[i] = sent{at, arrival, arrives}
	}
	return all
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %v, want %v ± %v", what, got, want, tolerance)
	}
}

func TestLinkWithoutStepsDeliversAtOnce(t *testing.T) {
	for _, p := range send(NewLink(1), 100) {
		if !p.arrives || p.arrival != p.at {
			t.Fatalf("got %+v", p)
		}
	}
}

func TestLinkRepeatsItselfBySeed(t *testing.T) {
	c := Conditions{Delay: 10 * ms, Jitter: 3 * ms, Loss: 0.05, BurstLength: 4}
	a, b, other := send(NewLink(7, Step{Conditions: c}), 1000), send(NewLink(7, Step{Conditions: c}), 1000), send(NewLink(8, Step{Conditions: c}), 1000)
	differ := 0
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("packet %d: %+v and %+v with the same seed", i, a[i], b[i])
		}
		if a[i] != other[i] {
			differ++
		}
	}
	if differ < 900 {
		t.Errorf("another seed changes only %d of 1000 packets", differ)
	}
}

func TestLinkKeepsJitterWhenLossChanges(t *testing.T) {
	c := Conditions{Delay: 10 * ms, Jitter: 3 * ms}
	clean := send(NewLink(7, Step{Conditions: c}), 1000)
	c.Loss = 0.1
	for i, p := range send(NewLink(7, Step{Conditions: c}), 1000) {
		if p.arrival != clean[i].arrival {
			t.Fatalf("packet %d arrives at %v, without loss at %v", i, p.arrival, clean[i].arrival)
		}
	}
}

func TestLinkJitterIsUniform(t *testing.T) {
	var sum, squares float64
	reordered, latest := 0, time.Duration(0)
	for _, p := range send(NewLink(1, Step{Conditions: Conditions{Delay: 10 * ms, Jitter: 8 * ms}}), amount) {
		took := p.arrival - p.at
		if took < 2*ms || took > 18*ms {
			t.Fatalf("a packet took %v", took)
		}
		sum += took.Seconds() * 1e3
		squares += took.Seconds() * took.Seconds() * 1e6
		if p.arrival < latest {
			reordered++
		}
		latest = max(latest, p.arrival)
	}
	mean := sum / amount
	within(t, "mean in ms", mean, 10, 0.05)
	within(t, "deviation in ms", math.Sqrt(squares/amount-mean*mean), 8/math.Sqrt(3), 0.05)
	if reordered < amount/10 {
		t.Errorf("only %d of %d packets were overtaken", reordered, amount)
	}
}

func TestLinkInOrderNeverReorders(t *testing.T) {
	latest := time.Duration(0)
	for _, p := range send(NewLink(1, Step{Conditions: Conditions{Delay: 10 * ms, Jitter: 8 * ms, InOrder: true}}), amount) {
		if p.arrival < latest {
			t.Fatalf("the packet of %v came at %v, after one at %v", p.at, p.arrival, latest)
		}
		latest = p.arrival
	}
}

func TestLinkLoss(t *testing.T) {
	for _, c := range []struct {
		name        string
		loss, burst float64
		exact       bool
		wantBurst   float64 // mean length of what is lost in a row
	}{
		{"1 %", 0.01, 0, false, 1 / 0.99},
		{"10 %", 0.1, 1, false, 1 / 0.9},
		{"5 % in bursts of 4 on average", 0.05, 4, false, 4},
		{"5 % in bursts of 4", 0.05, 4, true, 4},
		{"everything", 1, 4, false, amount},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost, bursts, run, before := 0, 0, 0, false
			for _, p := range send(NewLink(3, Step{Conditions: Conditions{Loss: c.loss, BurstLength: c.burst, BurstExact: c.exact}}), amount) {
				if !p.arrives {
					lost++
					if !before {
						bursts++
					}
				}
				if before = !p.arrives; before {
					run++
				} else if c.exact && run != 0 && run != int(c.burst) {
					t.Fatalf("%d packets lost in a row, want %v", run, c.burst)
				} else {
					run = 0
				}
			}
			within(t, "loss", float64(lost)/amount, c.loss, 0.05*c.loss)
			within(t, "burst", float64(lost)/float64(bursts), c.wantBurst, 0.05*c.wantBurst)
		})
	}
}

func TestLinkStallHoldsAndReleasesAtOnce(t *testing.T) {
	held := 0
	for _, p := range send(NewLink(1, Step{Conditions: Conditions{Delay: ms, StallEvery: 2 * time.Second, Stall: 60 * ms}}), 4000) {
		if p.arrival < 2*time.Second {
			continue
		}
		into := p.arrival % (2 * time.Second)
		if into < 60*ms {
			t.Fatalf("the packet of %v came at %v, in a stall", p.at, p.arrival)
		}
		if p.arrival != p.at+ms {
			held++
			if into != 60*ms {
				t.Fatalf("the packet of %v came at %v, not at the end of its stall", p.at, p.arrival)
			}
		}
	}
	if want := 9 * 12; held != want {
		t.Errorf("%d packets were held, want %d", held, want)
	}
}

func TestLinkFollowsSteps(t *testing.T) {
	l := NewLink(1,
		Step{Conditions: Conditions{Delay: 10 * ms}},
		Step{At: time.Second, Conditions: Conditions{Delay: 20 * ms, Loss: 1}},
		Step{At: 2 * time.Second, Conditions: Conditions{Delay: 5 * ms}})
	for _, p := range send(l, 600) {
		want, arrives := 10*ms, true
		switch {
		case p.at >= 2*time.Second:
			want = 5 * ms
		case p.at >= time.Second:
			want, arrives = 20*ms, false
		}
		if p.arrival-p.at != want || p.arrives != arrives {
			t.Fatalf("got %+v, want %v and %v", p, want, arrives)
		}
	}
}
