package device

import (
	"sync/atomic"
	"time"

	"gasso/audio/ring"
)

// ringFrames is the capacity of the rings: about 340 ms, far more than anybody should let wait.
const ringFrames = 16384

// wakesPerPeriod bounds the wake-ups: PulseAudio's callbacks may move a few samples each, and waking a
// goroutine costs more than they do.
const wakesPerPeriod = 4

// clock is a device's position and counters: one goroutine or callback writes, any reads, no lock.
type clock struct {
	base      time.Time // carries the monotonic reading
	sequence  atomic.Uint32
	frames    atomic.Int64
	at        atomic.Int64 // nanoseconds since base; 0 before the first callback
	callbacks atomic.Int64
	underruns atomic.Int64
	starved   atomic.Int64
	invalid   atomic.Int64
	reopens   atomic.Int64
	rate      atomic.Int64
	fallback  atomic.Bool
	dead      atomic.Bool
	silent    atomic.Bool
	restarted atomic.Bool // another device continues; what was due from the one before is no measure
	name      atomic.Pointer[string]
	wake      chan struct{}
	wokenAt   int64 // frames at the last wake-up; owned by the callback
	period    int   // asked for
	punctuality
}

func (c *clock) init(cfg Config, name string) {
	c.base = time.Now()
	c.wake = make(chan struct{}, 1)
	c.period = cfg.PeriodSamples
	c.most.Store(int64(c.period))
	c.rate.Store(Rate)
	c.restarted.Store(true)
	c.name.Store(&name)
}

// tick ends a callback that moved so many frames and tells whether it came in time.
func (c *clock) tick(frames int) (inTime bool) {
	at := max(1, int64(time.Since(c.base)))
	moved := c.frames.Load() + int64(frames)
	c.sequence.Add(1) // odd: being written
	c.frames.Store(moved)
	c.at.Store(at)
	c.sequence.Add(1)
	c.callbacks.Add(1)
	inTime = c.called(at, moved, frames, c.period, c.restarted.Swap(false))
	if moved-c.wokenAt < int64(c.period/wakesPerPeriod) {
		return inTime
	}
	c.wokenAt = moved
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return inTime
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

// Wake gets a value as frames move; it holds one.
func (c *clock) Wake() <-chan struct{} { return c.wake }

// Info tells the format.
func (c *clock) Info() Format {
	return Format{Rate: Rate, Channels: Channels, PeriodSamples: c.period, Name: *c.name.Load()}
}

// stats counts; pcm is the ring whose drops are overruns, if any.
func (c *clock) stats(overruns *ring.Ring) Stats {
	s := Stats{Callbacks: c.callbacks.Load(), Underruns: c.underruns.Load(), Starved: c.starved.Load(), Invalid: c.invalid.Load(),
		LateCallbacks: c.late.Load(), WorstLateness: time.Duration(c.worst.Load()), PeriodSamples: int(c.most.Load()),
		Rate: int(c.rate.Load()), Reopens: c.reopens.Load(), Fallback: c.fallback.Load(), Dead: c.dead.Load(), Silent: c.silent.Load()}
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

// take fills stereo frames from the ring, zeros where it has none, and tells whether some were missing.
func (r *renderSide) take(pcm []float32) (missing bool) {
	n := r.pcm.Read(pcm)
	clear(pcm[n*Channels:])
	r.far.Write(pcm)
	return n*Channels < len(pcm)
}

// played ends a callback that took so many frames.
func (r *renderSide) played(frames int, missing bool) {
	underrun := missing && r.primed
	r.primed = r.primed || !missing
	if underrun {
		r.underruns.Add(1)
	}
	if r.tick(frames) && underrun {
		r.starved.Add(1)
	}
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
