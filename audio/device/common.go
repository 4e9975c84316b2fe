package device

import (
	"sync/atomic"
	"time"

	"gasso/audio/ring"
)

// ringFrames is the capacity of the rings: about 340 ms, far more than anybody should let wait.
const ringFrames = 16384

// clock is a device's position and counters: one goroutine or callback writes, any reads, no lock.
type clock struct {
	base      time.Time // carries the monotonic reading
	sequence  atomic.Uint32
	frames    atomic.Int64
	at        atomic.Int64 // nanoseconds since base; 0 before the first callback
	callbacks atomic.Int64
	underruns atomic.Int64
	reopens   atomic.Int64
	fallback  atomic.Bool
	dead      atomic.Bool
	name      atomic.Pointer[string]
	wake      chan struct{}
	period    int
}

func (c *clock) init(cfg Config, name string) {
	c.base = time.Now()
	c.wake = make(chan struct{}, 1)
	c.period = cfg.PeriodSamples
	c.name.Store(&name)
}

// tick ends a callback that moved so many frames.
func (c *clock) tick(frames int) {
	at := max(1, int64(time.Since(c.base)))
	c.sequence.Add(1) // odd: being written
	c.frames.Store(c.frames.Load() + int64(frames))
	c.at.Store(at)
	c.sequence.Add(1)
	c.callbacks.Add(1)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Stamp is the newest stamp.
func (c *clock) Stamp() ring.Stamp {
	for {
		before := c.sequence.Load()
		stamp := ring.Stamp{Frames: c.frames.Load(), At: c.base.Add(time.Duration(c.at.Load()))}
		if before&1 == 0 && c.sequence.Load() == before {
			return stamp
		}
	}
}

// Wake gets a value after each callback; it holds one.
func (c *clock) Wake() <-chan struct{} { return c.wake }

// Info tells the format.
func (c *clock) Info() Format {
	return Format{Rate: Rate, Channels: Channels, PeriodSamples: c.period, Name: *c.name.Load()}
}

// stats counts; pcm is the ring whose drops are overruns, if any.
func (c *clock) stats(overruns *ring.Ring) Stats {
	s := Stats{Callbacks: c.callbacks.Load(), Underruns: c.underruns.Load(), Reopens: c.reopens.Load(),
		Fallback: c.fallback.Load(), Dead: c.dead.Load()}
	if overruns != nil {
		s.Overruns = overruns.Dropped()
	}
	if at := c.at.Load(); at != 0 {
		s.LastCallback = c.base.Add(time.Duration(at))
	}
	return s
}

// captureSide is what every Capture shares.
type captureSide struct {
	clock
	pcm *ring.Ring
}

// Ring is where captured frames come out.
func (c *captureSide) Ring() *ring.Ring { return c.pcm }

// Stats counts.
func (c *captureSide) Stats() Stats { return c.stats(c.pcm) }

// renderSide is what every Render shares.
type renderSide struct {
	clock
	pcm, far *ring.Ring
	primed   bool // frames have come at least once; owned by the callback
}

// Ring takes frames to play.
func (r *renderSide) Ring() *ring.Ring { return r.pcm }

// Far is what the device took.
func (r *renderSide) Far() *ring.Ring { return r.far }

// Stats counts.
func (r *renderSide) Stats() Stats { return r.stats(nil) }

// take fills one callback's stereo frames, zeros where the ring has none.
func (r *renderSide) take(pcm []float32) {
	n := r.pcm.Read(pcm)
	clear(pcm[n*Channels:])
	switch {
	case n*Channels == len(pcm):
		r.primed = true
	case r.primed:
		r.underruns.Add(1)
	}
	r.far.Write(pcm)
	r.tick(len(pcm) / Channels)
}

func newCaptureSide(cfg Config, name string) *captureSide {
	c := &captureSide{pcm: ring.New(ringFrames, Channels)}
	c.init(cfg, name)
	return c
}

func newRenderSide(cfg Config, name string) *renderSide {
	r := &renderSide{pcm: ring.New(ringFrames, Channels), far: ring.New(ringFrames, Channels)}
	r.init(cfg, name)
	return r
}
