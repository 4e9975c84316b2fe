package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gasso/net/clocksync"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	firstPings   = 8
	firstPingGap = 25 * time.Millisecond
	pingGap      = 250 * time.Millisecond // four times as many find a round trip without queues twice as near
	signalGap    = time.Second
	sparingGap   = time.Second      // a ping, its answer and what the channel says to both are four packets
	pingForgets  = 10 * time.Second // an answer that late says nothing
)

// clockChannel is the data channel on which the server is asked for room time.
var clockChannel = peer.ChannelConfig{Name: "clock", ID: 0}

// clockwork asks the server for room time: on the data channel while there is one that works, since
// signaling waits for what got lost, otherwise in signaling.
type clockwork struct {
	estimator *clocksync.Estimator
	ready     chan struct{} // closed when room time is known for the first time
	hurry     chan struct{} // one slot: there is a new way to the server, or a new server
	sparing   atomic.Bool   // the own network is short

	mu      sync.Mutex // guards what follows, and Add of the estimator
	lastID  int64
	asked   map[int64]time.Time // on the monotonic clock, by id
	channel *peer.Channel       // nil while none is open
	carried bool                // the channel took the last question
}

func newClockwork(estimator *clocksync.Estimator) *clockwork {
	return &clockwork{
		estimator: estimator, ready: make(chan struct{}), hurry: make(chan struct{}, 1), asked: map[int64]time.Time{},
	}
}

// config is the channel as the link with the server has it.
func (c *clockwork) config() peer.ChannelConfig {
	cfg := clockChannel
	cfg.OnOpen = func(channel *peer.Channel) {
		c.mu.Lock()
		c.channel = channel
		c.mu.Unlock()
		c.hasten()
	}
	cfg.OnClose = func(channel *peer.Channel) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.channel == channel {
			c.channel = nil
		}
	}
	cfg.OnMessage = func(_ *peer.Channel, message []byte) {
		if id, received, answered, err := clocksync.ParsePong(message); err == nil {
			c.answered(id, time.Now(), received, answered)
		}
	}
	return cfg
}

// hasten has the next pings follow in quick succession.
func (c *clockwork) hasten() {
	select {
	case c.hurry <- struct{}{}:
	default:
	}
}

// run asks until ctx ends: in quick succession whenever there is something new, then four times a second,
// or once in signaling and where the network is short.
func (c *clockwork) run(ctx context.Context, signal func(signaling.Message) error) {
	quick := firstPings
	for {
		gap := c.gap(c.ask(time.Now(), signal))
		if quick > 0 {
			quick--
			gap = firstPingGap
		}
		timer := time.NewTimer(gap)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.hurry:
			quick = firstPings
		case <-timer.C:
		}
		timer.Stop()
	}
}

// gap is the time between two pings.
func (c *clockwork) gap(onChannel bool) time.Duration {
	switch {
	case !onChannel:
		return signalGap
	case c.sparing.Load():
		return sparingGap
	}
	return pingGap
}

// ask sends one ping the best way there is, and tells whether that was the data channel.
func (c *clockwork) ask(now time.Time, signal func(signaling.Message) error) (onChannel bool) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.carried = onChannel
	}()
	c.mu.Lock()
	for id, at := range c.asked { // answers that never came
		if now.Sub(at) > pingForgets {
			delete(c.asked, id)
		}
	}
	c.lastID++
	id, channel := c.lastID, c.channel
	c.asked[id] = now
	c.mu.Unlock()
	if channel != nil && channel.Send(clocksync.AppendPing(nil, id)) == nil {
		return true
	}
	if signal(&signaling.ClockPing{ID: id}) == nil {
		return false
	}
	c.forget(id)
	return false
}

func (c *clockwork) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, id)
}

// onChannel tells whether room time comes on the data channel now.
func (c *clockwork) onChannel() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.carried
}

// answered takes what the server says; what was not asked is ignored.
func (c *clockwork) answered(id int64, now time.Time, receivedNS, answeredNS int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, known := c.asked[id]
	delete(c.asked, id)
	if !known {
		return
	}
	wasReady := c.estimator.Ready()
	c.estimator.Add(sent, now, receivedNS, answeredNS)
	if !wasReady && c.estimator.Ready() {
		close(c.ready)
	}
}

// channels are the data channels of a link.
func (s *Session) channels(remote string) []peer.ChannelConfig {
	if remote != signaling.ServerID {
		return nil
	}
	return []peer.ChannelConfig{s.clockwork.config(), s.keeping.config()}
}
