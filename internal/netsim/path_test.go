package netsim

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// got collects what a path delivers.
type got struct {
	mu    sync.Mutex
	begun time.Time
	at    []time.Duration
	bytes []byte
}

func (g *got) deliver(packet []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = append(g.at, time.Since(g.begun))
	g.bytes = append(g.bytes, packet[0])
}

func TestPathDeliversWhenPacketsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPath(1, Step{Conditions: Conditions{Delay: 30 * ms}})
		defer p.Close()
		g := got{begun: time.Now()}
		packet := []byte{0}
		for i := range 10 {
			packet[0] = byte(i) // borrowed until Send returns
			p.Send(packet, g.deliver)
			time.Sleep(5 * ms)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(g.at) != 10 {
			t.Fatalf("%d of 10 packets arrive", len(g.at))
		}
		for i := range g.at {
			if want := time.Duration(i)*5*ms + 30*ms; g.at[i] != want || g.bytes[i] != byte(i) {
				t.Errorf("packet %d at %v, want %d at %v", g.bytes[i], g.at[i], i, want)
			}
		}
	})
}

func TestPathFollowsWhatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPath(1, Step{At: 2 * time.Second, Conditions: Conditions{Duplicate: 1}})
		defer p.Close()
		g := got{begun: time.Now()}
		for i, c := range []struct {
			set  Conditions
			want int
		}{{Conditions{}, 1}, {Conditions{Blackout: true}, 0}, {Conditions{Loss: 1}, 0}, {Conditions{Delay: 10 * ms}, 1}, {Conditions{Duplicate: 1, Delay: ms}, 2}} {
			p.Set(c.set)
			before := len(g.at)
			p.Send([]byte{byte(i)}, g.deliver)
			time.Sleep(100 * ms)
			synctest.Wait()
			if n := len(g.at) - before; n != c.want {
				t.Errorf("%+v: %d packets arrive, want %d", c.set, n, c.want)
			}
		}
		p.Set(Conditions{Loss: 1})
		time.Sleep(2 * time.Second)
		if c := p.Conditions(); c.Loss != 0 || c.Duplicate != 1 {
			t.Errorf("the step was not taken: %+v", c)
		}
		if c := p.Counters(); c.Packets != 5 || c.Lost != 2 || c.Arrived != 4 || c.Bytes != 5 {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestPathKeepsOrderFromInsideToOutsideADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPath(1)
		defer p.Close()
		g := got{begun: time.Now()}
		for i := range 200 {
			if i%20 == 0 {
				p.Set(Conditions{RateBPS: []int{0, 64_000}[i/20%2]})
			}
			p.Send(append([]byte{byte(i)}, make([]byte, 99)...), g.deliver)
			time.Sleep(20 * ms)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range g.bytes {
			if g.bytes[i] != byte(i) {
				t.Fatalf("packet %d comes as number %d", g.bytes[i], i)
			}
		}
	})
}

func TestLinkRateDelaysThenDrops(t *testing.T) {
	const size, rate, queue = 1000, 80_000, 10_000 // 10 packets a second pass, 10 wait
	l := NewLink(1, Step{Conditions: Conditions{RateBPS: rate, QueueBytes: queue}})
	passed, longest := 0, time.Duration(0)
	for i := range 400 { // 20 a second
		at := time.Duration(i) * 50 * ms
		arrivals, n := l.Pass(at, size)
		if n == 1 {
			passed++
			longest = max(longest, arrivals[0]-at)
		}
	}
	if passed < 205 || passed > 215 {
		t.Errorf("%d of 400 packets pass in 20 s, want 200 and what waits", passed)
	}
	if want := time.Second; longest < want-100*ms || longest > want {
		t.Errorf("the longest wait is %v, want %v", longest, want)
	}
	l.Set(20*time.Second, Conditions{})
	if arrivals, n := l.Pass(20*time.Second, size); n != 1 || arrivals[0] != 20*time.Second {
		t.Errorf("without a limit: %v, %d", arrivals, n)
	}
}

func TestLinkElliottLosesSharesOfBothStates(t *testing.T) {
	l := NewLink(3, Step{Conditions: Conditions{Loss: 0.2, BurstLength: 10, LossInBurst: 0.5, LossBetween: 0.01}})
	lost := 0
	for _, p := range send(l, amount) {
		if !p.arrives {
			lost++
		}
	}
	within(t, "loss", float64(lost)/amount, 0.2*0.5+0.8*0.01, 0.004)
}

func TestLinkReordersAndDoubles(t *testing.T) {
	l := NewLink(3, Step{Conditions: Conditions{Reorder: 0.1, ReorderBy: 12 * ms, Duplicate: 0.05}})
	held, twice := 0, 0
	for i := range amount {
		at := time.Duration(i) * frame
		arrivals, n := l.Pass(at, 100)
		if arrivals[0] == at+12*ms {
			held++
		} else if arrivals[0] != at {
			t.Fatalf("a packet of %v comes at %v", at, arrivals[0])
		}
		if n == 2 {
			twice++
		}
	}
	within(t, "held", float64(held)/amount, 0.1, 0.005)
	within(t, "doubled", float64(twice)/amount, 0.05, 0.005)
}

func TestLinkKeepsJitterWhenAnythingElseChanges(t *testing.T) {
	c := Conditions{Delay: 10 * ms, Jitter: 3 * ms}
	clean := send(NewLink(7, Step{Conditions: c}), 1000)
	c.Duplicate, c.LossBetween, c.Blackout = 0.5, 0.1, false
	for i, p := range send(NewLink(7, Step{Conditions: c}), 1000) {
		if p.arrival != clean[i].arrival {
			t.Fatalf("packet %d arrives at %v, before at %v", i, p.arrival, clean[i].arrival)
		}
	}
}
