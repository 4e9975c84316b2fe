package peer

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

// A data channel's way: the answerer of a link opens every channel of its configuration (RFC 8832,
// with the even ids that belong to it as the DTLS client), the offerer takes those that it has
// configured, too. pion leaves pre-negotiated channels reliable, so they are not used.
//
// openChannel (or remoteChannel at the offerer) -> runChannel: reads until the channel or the link ends
// -> OnOpen, OnMessage ..., OnClose, one after the other.

// Errors of Send.
var (
	ErrFull    = errors.New("too much waits to be sent on the data channel")
	ErrNoMedia = errors.New("the link has no way to the other side")
)

// MaxMessageBytes bounds a message of a data channel. A larger one from the other side ends the channel.
const MaxMessageBytes = 16 << 10

// Bounds of a channel.
const (
	maxChannelBuffer   = 128 << 10 // bytes waiting to be sent or acknowledged
	sctpReceiveBuffer  = 256 << 10 // of all channels of a link
	sctpLongestTimeout = 2 * time.Second
	maxForeignChannels = 16  // that the other side may try to open before its association ends
	messageBurst       = 100 // received at once
	unreliableRate     = 100 // messages a second; more are dropped
	reliableRate       = 400 // messages a second; more wait at the sender
)

// ChannelConfig describes a data channel. Both sides of a link configure the same ones. The callbacks
// of one channel come one after the other; none of them may block or call Close of the link.
type ChannelConfig struct {
	Name      string
	ID        uint16                 // even, below 1024
	Reliable  bool                   // ordered and reliable; otherwise neither, and nothing is sent twice
	OnOpen    func(*Channel)         // nil: not told
	OnMessage func(*Channel, []byte) // the message is borrowed until it returns
	OnClose   func(*Channel)         // nil: not told; only after OnOpen, and then for good
}

// Channel is one data channel of a link. It lives as long as the link, ICE restarts included, unless the
// other side ends it; it never opens when the other side lacks data channels.
type Channel struct {
	cfg     ChannelConfig
	link    *Link
	raw     atomic.Pointer[rawChannel]
	state   atomic.Int32 // one of the constants below
	opening sync.Once
	dropped atomic.Int64
}

const (
	channelWaiting = iota
	channelOpen
	channelClosed
)

// rawChannel is what pion's detached data channel offers.
type rawChannel interface {
	ReadDataChannel([]byte) (n int, text bool, err error)
	WriteDataChannel(b []byte, text bool) (int, error)
	BufferedAmount() uint64
	OnOpen(func())
	Close() error
}

// configureChannels bounds what the association of a link may hold. The longest timeout is short, so that
// what was on its way when the network failed follows soon after it is back.
func configureChannels(e *webrtc.SettingEngine) {
	e.DetachDataChannels()
	e.SetSCTPMaxMessageSize(MaxMessageBytes)
	e.SetSCTPMaxReceiveBufferSize(sctpReceiveBuffer)
	e.SetSCTPRTOMax(sctpLongestTimeout)
}

// makeChannels prepares the channels of a link before the first description.
func (l *Link) makeChannels() error {
	for _, cfg := range l.cfg.Channels {
		c := &Channel{cfg: cfg, link: l}
		l.channels = append(l.channels, c)
		if l.cfg.Offerer {
			continue
		}
		made, err := l.pc.CreateDataChannel(cfg.Name, channelInit(cfg))
		if err != nil {
			return fmt.Errorf("make data channel %s: %w", cfg.Name, err)
		}
		made.OnOpen(func() { l.openChannel(c, made) })
	}
	l.pc.OnDataChannel(l.remoteChannel)
	return nil
}

func channelInit(cfg ChannelConfig) *webrtc.DataChannelInit {
	init := &webrtc.DataChannelInit{ID: &cfg.ID, Ordered: &cfg.Reliable}
	if !cfg.Reliable {
		init.MaxRetransmits = new(uint16)
	}
	return init
}

// remoteChannel takes a channel that the other side opens, and refuses one that is not configured or
// opened again. Whoever goes on trying loses the association, and the connection with it, since pion
// remembers each.
func (l *Link) remoteChannel(d *webrtc.DataChannel) {
	if c := l.expectedChannel(d); c != nil {
		d.OnOpen(func() { l.openChannel(c, d) })
		return
	}
	if err := d.Close(); err != nil {
		l.log.Debug("refuse data channel", "error", err)
	}
	if l.foreign.Add(1) == maxForeignChannels {
		l.log.Warn("too many foreign data channels; the connection ends")
		if err := l.pc.SCTP().Stop(); err != nil {
			l.log.Debug("stop association", "error", err)
		}
	}
}

// expectedChannel is the configured channel that fits and is not open yet; nil when there is none.
func (l *Link) expectedChannel(d *webrtc.DataChannel) *Channel {
	if !l.cfg.Offerer || d.ID() == nil {
		return nil
	}
	for _, c := range l.channels {
		unreliable := d.MaxRetransmits() != nil
		if c.cfg.ID == *d.ID() && c.cfg.Name == d.Label() && unreliable != c.cfg.Reliable && c.raw.Load() == nil {
			return c
		}
	}
	return nil
}

// openChannel starts reading. The offerer's channel is open at once, the answerer's when the other side
// has confirmed it.
func (l *Link) openChannel(c *Channel, d *webrtc.DataChannel) {
	detached, err := d.Detach()
	if err != nil {
		l.log.Warn("take data channel", "channel", c.cfg.Name, "error", err)
		return
	}
	raw, ok := detached.(rawChannel)
	if !ok || !c.raw.CompareAndSwap(nil, &raw) || !l.goWhileOpen(func() { c.run(raw) }) {
		_ = detached.Close()
		return
	}
	if l.cfg.Offerer {
		l.goWhileOpen(c.open)
		return
	}
	raw.OnOpen(func() { l.goWhileOpen(c.open) })
}

// goWhileOpen runs f on a goroutine that Close waits for; false when the link is closed.
func (l *Link) goWhileOpen(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Go(f)
	return true
}

// open tells of the channel once.
func (c *Channel) open() {
	c.opening.Do(func() {
		c.state.Store(channelOpen)
		c.guarded(func() {
			if c.cfg.OnOpen != nil {
				c.cfg.OnOpen(c)
			}
		})
	})
}

// run reads messages until the channel or the link ends.
func (c *Channel) run(raw rawChannel) {
	c.read(raw)
	c.opening.Do(func() {}) // too late for OnOpen
	wasOpen := c.state.Swap(channelClosed) == channelOpen
	if err := raw.Close(); err != nil {
		c.link.log.Debug("close data channel", "channel", c.cfg.Name, "error", err)
	}
	if wasOpen && c.cfg.OnClose != nil {
		c.guarded(func() { c.cfg.OnClose(c) })
	}
}

func (c *Channel) read(raw rawChannel) {
	buffer := make([]byte, MaxMessageBytes)
	limit := newMessageLimit(c.cfg.Reliable, time.Now())
	for {
		n, _, err := raw.ReadDataChannel(buffer)
		if err != nil {
			c.link.log.Debug("data channel ended", "channel", c.cfg.Name, "error", err)
			return
		}
		early := limit.take(time.Now())
		for early > 0 && c.cfg.Reliable && c.pause(early) {
			early = limit.take(time.Now())
		}
		if early > 0 {
			c.dropped.Add(1)
			continue
		}
		c.open() // its confirmation may be behind this message
		if c.cfg.OnMessage != nil && !c.guarded(func() { c.cfg.OnMessage(c, buffer[:n]) }) {
			return
		}
	}
}

// pause waits while the receive window holds the sender back; false when the link closes.
func (c *Channel) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.link.quit:
		return false
	}
}

// guarded runs a callback; false when it panicked.
func (c *Channel) guarded(callback func()) bool {
	return c.link.guarded(func() error { callback(); return nil }) == nil
}

// Send queues one message of at most 16 KiB, and never blocks. ErrNoMedia: the link is not connected,
// and nothing was queued; ErrFull: above the bound of 128 KiB; ErrClosed: not open yet, or closed.
func (c *Channel) Send(message []byte) error {
	raw := c.raw.Load()
	switch {
	case c.state.Load() != channelOpen || raw == nil:
		return ErrClosed
	case *c.link.state.Load() != StateConnected:
		return ErrNoMedia
	case len(message) > MaxMessageBytes:
		return fmt.Errorf("send on data channel %s: message has %d bytes, at most %d are allowed", c.cfg.Name, len(message), MaxMessageBytes)
	case c.Buffered()+len(message) > maxChannelBuffer:
		return ErrFull
	}
	if err := c.link.guarded(func() error { _, err := (*raw).WriteDataChannel(message, false); return err }); err != nil {
		return fmt.Errorf("send on data channel %s: %w", c.cfg.Name, err)
	}
	return nil
}

// Buffered is how many bytes wait to be sent or acknowledged.
func (c *Channel) Buffered() int {
	if raw := c.raw.Load(); raw != nil {
		return int(min((*raw).BufferedAmount(), math.MaxInt32))
	}
	return 0
}

// messageLimit is a token bucket over received messages.
type messageLimit struct {
	rate   float64 // messages a second
	tokens float64
	at     time.Time
}

func newMessageLimit(reliable bool, now time.Time) messageLimit {
	l := messageLimit{rate: unreliableRate, tokens: messageBurst, at: now}
	if reliable {
		l.rate = reliableRate
	}
	return l
}

// take lets a message pass (0), or returns how long it comes too early.
func (l *messageLimit) take(now time.Time) time.Duration {
	l.tokens = min(messageBurst, l.tokens+max(0, now.Sub(l.at).Seconds())*l.rate)
	l.at = now
	if l.tokens >= 1 {
		l.tokens--
		return 0
	}
	wait := time.Duration((1 - l.tokens) / l.rate * float64(time.Second))
	return max(wait, time.Nanosecond)
}
