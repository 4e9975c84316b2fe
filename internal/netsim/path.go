package netsim

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

// pathBytes bounds what a path holds; further packets are dropped and counted.
const pathBytes = 64 << 20

// Counters say what passed one direction.
type Counters struct {
	Packets, Bytes int64 // sent into it
	Arrived        int64 // packets that came out, doubled ones twice
	Lost           int64 // packets that did not: by loss, a full queue, a blackout
}

// Path is a link on the wall clock: it takes real packets and hands them on when they arrive.
// Its methods may be called by any goroutine.
type Path struct {
	mu       sync.Mutex
	link     *Link
	begun    time.Time
	held     arrivals
	bytes    int
	serial   int64
	idle     bool // nothing is held or on its way out
	counters Counters
	wake     chan struct{}
	closing  chan struct{}
	running  sync.WaitGroup
}

// NewPath returns a path in use whose conditions follow the steps, timed from now. Close ends it.
func NewPath(seed uint64, steps ...Step) *Path {
	p := &Path{
		link: NewLink(seed, slices.Clone(steps)...), begun: time.Now(), idle: true,
		wake: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	p.running.Go(p.runDeliveries)
	return p
}

// Set changes the conditions at once. What is under way arrives as it would have.
func (p *Path) Set(c Conditions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.Set(time.Since(p.begun), c)
}

// Conditions returns what holds now.
func (p *Path) Conditions() Conditions {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.follow(time.Since(p.begun))
	return p.link.now
}

// Counters returns what passed so far.
func (p *Path) Counters() Counters {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counters
}

// Send sends a packet, which is borrowed until Send returns. deliver is called with it when it
// arrives, one packet at a time, from Send itself when nothing holds it. deliver must not block.
func (p *Path) Send(packet []byte, deliver func([]byte)) { p.SendSized(packet, len(packet), deliver) }

// SendSized is Send for a packet that is of another size on the line than here.
func (p *Path) SendSized(packet []byte, bytes int, deliver func([]byte)) {
	p.mu.Lock()
	now := time.Since(p.begun)
	times, n := p.link.Pass(now, bytes)
	p.counters.Packets++
	p.counters.Bytes += int64(bytes)
	switch {
	case n == 0 || p.bytes+n*len(packet) > pathBytes:
		p.counters.Lost++
		p.mu.Unlock()
		return
	case p.idle && n == 1 && times[0] <= now:
		p.counters.Arrived++
		p.mu.Unlock()
		deliver(packet)
		return
	}
	for _, at := range times[:n] {
		p.serial++
		p.bytes += len(packet)
		heap.Push(&p.held, arrival{at: at, serial: p.serial, packet: slices.Clone(packet), deliver: deliver})
	}
	first := p.idle || p.held[0].serial > p.serial-int64(n)
	p.idle = false
	p.mu.Unlock()
	if first {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// Close ends the path; what is under way is lost.
func (p *Path) Close() {
	close(p.closing)
	p.running.Wait()
}

// runDeliveries hands packets on as they arrive.
func (p *Path) runDeliveries() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for {
			next, wait, ok := p.take()
			if !ok {
				timer.Reset(wait)
				break
			}
			next.deliver(next.packet)
		}
		select {
		case <-p.closing:
			return
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// take removes the packet that has arrived, or tells how long to wait for the next one.
func (p *Path) take() (next arrival, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.held) == 0 {
		p.idle = true
		return arrival{}, time.Hour, false
	}
	if wait = p.held[0].at - time.Since(p.begun); wait > 0 {
		return arrival{}, wait, false
	}
	next = heap.Pop(&p.held).(arrival)
	p.bytes -= len(next.packet)
	p.counters.Arrived++
	return next, 0, true
}

// arrival is a packet under way.
type arrival struct {
	at      time.Duration
	serial  int64
	packet  []byte
	deliver func([]byte)
}

// arrivals is a heap, the next one first.
type arrivals []arrival

func (a arrivals) Len() int { return len(a) }
func (a arrivals) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].serial < a[j].serial
}
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push adds x, for package heap.
func (a *arrivals) Push(x any) { *a = append(*a, x.(arrival)) }

// Pop removes the last one, for package heap.
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = arrival{}
	*a = (*a)[:last]
	return x
}
