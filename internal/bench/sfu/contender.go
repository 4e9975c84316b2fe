//go:build unix

package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"gasso/internal/bench/table"
)

// warmUp is sent before anything is counted: tracks start, and the first packets grow buffers.
const warmUp = 300 * time.Millisecond

// contender is one server with its publishers and subscribers.
type contender struct {
	name     string
	scenario scenario
	process  *process.Process
	stop     func()
	collect  func() error // nil: not ours to ask

	publishers  []*publisher
	subscribers []*subscriber
	schedule    *schedule
	sweeper     *sweeper

	before   memory // with one publisher and one subscriber: what all have in common is there
	after    memory // with all peers, at the end of the last turn
	cpu      float64
	sent     int64
	received int64
	delays   []time.Duration
}

// figures is what a contender came to.
type figures struct {
	cpuMicroseconds  float64
	delay50, delay99 time.Duration
	perPeer          memory
	sent, received   int64
}

func (c *contender) result() figures {
	slices.Sort(c.delays)
	f := figures{sent: c.sent, received: c.received}
	f.cpuMicroseconds = c.cpu * 1e6 / float64(max(1, c.received))
	if n := len(c.delays); n > 0 {
		f.delay50, f.delay99 = c.delays[n/2], c.delays[n*99/100]
	}
	peers := int64(len(c.publishers)+len(c.subscribers)) - 2
	f.perPeer = memory{
		resident:  (c.after.resident - c.before.resident) / max(1, peers),
		collected: (c.after.collected - c.before.collected) / max(1, peers),
	}
	return f
}

// newContender starts a server process of a kind and connects everybody to it.
func newContender(kind string, s scenario, profile string) (*contender, error) {
	server, err := startServer(kind, s.publishers, profile)
	if err != nil {
		return nil, err
	}
	c := &contender{name: kind, scenario: s, process: server.process, stop: server.close, collect: server.collect}
	return c, c.begin(server)
}

// newLiveKit does the same with a livekit-server binary.
func newLiveKit(binary string, s scenario) (*contender, error) {
	server, err := startLiveKit(binary)
	if err != nil {
		return nil, err
	}
	c := &contender{name: "livekit", scenario: s, process: server.process, stop: server.close}
	return c, c.begin(server)
}

// begin connects everybody; when that fails the contender is closed.
func (c *contender) begin(way signalWay) error {
	c.schedule = newSchedule(c.scenario)
	c.sweeper = newSweeper(c.schedule)
	if err := c.connect(way); err != nil {
		c.close()
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// connect joins a publisher and a subscriber, looks at the memory, then joins the others.
func (c *contender) connect(way signalWay) (err error) {
	if err := c.grow(way, 1, 1); err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	if c.before, err = c.memory(); err != nil {
		return err
	}
	if err := c.grow(way, c.scenario.publishers, c.scenario.subscribers); err != nil {
		return err
	}
	return c.settle()
}

// settle sends until every subscriber hears every publisher: a server may learn of a track by its
// first packets and offer it only then.
func (c *contender) settle() error {
	oneTrack := int64(warmUp / c.scenario.frame)
	for begun := time.Now(); ; {
		c.takeDelays()
		sent := c.send(warmUp) * int64(len(c.subscribers))
		received := int64(len(c.takeDelays()))
		if sent-received < oneTrack {
			return nil
		}
		if time.Since(begun) > connectLimit {
			return fmt.Errorf("only %d of %d packets come after %v", received, sent, connectLimit)
		}
	}
}

// takeDelays returns what all subscribers got since the last call.
func (c *contender) takeDelays() (delays []time.Duration) {
	for _, s := range c.subscribers {
		delays = append(delays, s.conn.takeDelays()...)
	}
	return delays
}

// grow joins until there are so many.
func (c *contender) grow(way signalWay, publishers, subscribers int) error {
	for len(c.publishers) < publishers {
		p, err := newPublisher(c.schedule, len(c.publishers), way)
		if err != nil {
			return err
		}
		c.publishers = append(c.publishers, p)
	}
	for len(c.subscribers) < subscribers {
		s, err := newSubscriber(c.sweeper, fmt.Sprintf("s%d", len(c.subscribers)), way)
		if err != nil {
			return err
		}
		c.subscribers = append(c.subscribers, s)
	}
	return nil
}

// play sends for a span and adds up what it cost; it returns how busy the machine was in percent.
func (c *contender) play(span time.Duration) (busy float64, err error) {
	c.send(warmUp)
	c.takeDelays()
	cpuBefore, err := cpuSeconds(c.process)
	if err != nil {
		return 0, err
	}
	watching := make(chan float64, 1)
	go func() { watching <- table.Busy(span) }()
	sent := c.send(span)
	busy = <-watching
	cpuAfter, err := cpuSeconds(c.process)
	if err != nil {
		return 0, err
	}
	c.cpu += cpuAfter - cpuBefore
	c.sent += sent * int64(len(c.subscribers))
	delays := c.takeDelays()
	c.received += int64(len(delays))
	c.delays = append(c.delays, delays...)
	if c.received == 0 {
		return 0, errors.New("nothing was forwarded")
	}
	return busy, nil
}

// send lets all publishers send and returns how many packets that were.
func (c *contender) send(span time.Duration) (sent int64) {
	var all sync.WaitGroup
	counts := make([]int64, len(c.publishers))
	for i, p := range c.publishers {
		all.Go(func() { counts[i] = p.send(span) })
	}
	all.Wait()
	time.Sleep(50 * time.Millisecond) // what is on its way arrives
	for _, n := range counts {
		sent += n
	}
	return sent
}

func (c *contender) close() {
	for _, p := range c.publishers {
		p.close()
	}
	for _, s := range c.subscribers {
		s.close()
	}
	c.sweeper.close()
	c.stop()
}

// memory is what a server holds, in bytes.
type memory struct {
	resident  int64 // as it is
	collected int64 // once what nothing uses was given back
}

func (c *contender) memory() (m memory, err error) {
	if m.resident, err = resident(c.process); err != nil || c.collect == nil {
		m.collected = m.resident
		return m, err
	}
	if err := c.collect(); err != nil {
		return m, fmt.Errorf("collect the server's memory: %w", err)
	}
	m.collected, err = resident(c.process)
	return m, err
}

func resident(p *process.Process) (int64, error) {
	m, err := p.MemoryInfo()
	if err != nil {
		return 0, fmt.Errorf("read the server's memory: %w", err)
	}
	return int64(m.RSS), nil
}

func cpuSeconds(p *process.Process) (float64, error) {
	t, err := p.Times()
	if err != nil {
		return 0, fmt.Errorf("read the server's CPU: %w", err)
	}
	return t.User + t.System, nil
}
