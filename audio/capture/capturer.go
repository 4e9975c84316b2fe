package capture

import (
	"math"
	"sync/atomic"

	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/audio/resample"
)

const (
	readSamples = 240 // taken from the device at once
	muteSamples = 240 // length of the fade
	mostWaiting = 960 // 20 ms
	frameMargin = 10  // samples by which the clock may drift until a frame waits longer
)

// capturer makes room-timed, processed frames out of a device's ring.
type capturer struct {
	source   Source
	channels int // of the frames
	frame    int // samples

	consumed  int64 // device frames taken, dropped ones included
	dropped   int64 // of the ring, as last seen
	raw       []float32
	resampled []float32
	shaped    []float32
	resampler *resample.Resampler
	clock     *roomClock
	chain     *Chain
	meter     *meter.Meter
	loudness  *meter.Loudness
	truePeak  *meter.TruePeak

	unmeasured atomic.Bool // neither loudness nor true peak
	monitor    *mix.Monitor

	pushed  int64 // samples into the chain
	taken   int64 // and out of it
	next    int64 // room time of the next sample out of it
	jumpAt  int64 // pushed samples after which room time jumps
	jumpBy  int64
	jumping bool
	aligned bool  // frames to callbacks, as far as they can be
	first   int64 // label of the newest frame
	gap     bool

	muted    atomic.Bool
	muteGain float32
	left     bool // another one goes on

	anchors    atomic.Int64
	overruns   atomic.Int64
	driftPPM   atomic.Uint64
	clockError atomic.Uint64
	delay      atomic.Int64
	farDropped atomic.Int64
	farPadded  atomic.Int64
}

func newCapturer(cfg Config) *capturer {
	channels := cfg.Encoder.Channels
	width := cfg.Source.Ring().Channels()
	c := &capturer{
		source:    cfg.Source,
		channels:  channels,
		frame:     cfg.Encoder.FrameSamples,
		raw:       make([]float32, readSamples*width),
		resampled: make([]float32, 2*readSamples*width),
		shaped:    make([]float32, 2*readSamples*channels),
		resampler: resample.New(width, 1),
		clock:     newRoomClock(cfg.RoomSample),
		chain:     NewChain(channels, cfg.Far, cfg.Engines),
		meter:     meter.New(channels),
		loudness:  meter.NewLoudness(channels),
		truePeak:  meter.NewTruePeak(channels),
		monitor:   cfg.Monitor,
		muteGain:  1,
	}
	if c.muted.Store(cfg.Muted); cfg.Muted {
		c.muteGain = 0
	}
	if before := cfg.Before; before != nil && before.capture.canBeGoneOnAfter(cfg) {
		c.goOn(before.capture)
	} else {
		c.drain()
	}
	return c
}

// canBeGoneOnAfter tells whether a microphone can take over from this one, which only one can.
func (c *capturer) canBeGoneOnAfter(cfg Config) bool {
	return c.source == cfg.Source && c.chain.engines == cfg.Engines && c.clock.anchored && !c.left
}

// goOn takes over from a capturer that has ended: its place in the ring and in room time, what its clock
// learnt, and its processing with all that has not come out yet. What waits in the ring beyond
// mostWaiting, as after a slow change, is left out.
func (c *capturer) goOn(before *capturer) {
	before.left = true
	c.clock, c.resampler, c.muteGain = before.clock, before.resampler, before.muteGain
	c.consumed, c.dropped = before.consumed, before.dropped
	c.pushed, c.taken, c.next, c.aligned = before.pushed, before.taken, before.next, before.aligned
	c.jumpAt, c.jumpBy, c.jumping = before.jumpAt, before.jumpBy, before.jumping
	far := before.chain.far
	switch sameFar := far.ring == c.chain.far.ring; {
	case sameFar && c.channels == before.channels:
		c.chain = before.chain
	default:
		c.takeRest(before)
		if sameFar {
			c.chain.far = far
			far.passing += len(before.chain.echo.work) / before.channels
		}
	}
	// A change amid a burst of short frames must not leave longer ones some of it to wait with.
	ready := len(c.chain.ready) / c.channels
	c.leaveOut(ready / before.frame * before.frame % c.frame)
	ring := c.source.Ring()
	if skipped := int64(ring.Skip(max(0, ring.Len()-mostWaiting))); skipped > 0 {
		c.consumed += skipped
		c.clock.next += skipped
		c.chain.far.skip(int(skipped))
		c.leaveOut(len(c.chain.ready) / c.channels) // no frame from both sides of the hole
		c.jump(skipped)
	}
}

// takeRest moves what has not come out of the processing before into a new one, unprocessed.
func (c *capturer) takeRest(before *capturer) {
	rest := before.chain.rest()
	samples := len(rest) / before.channels
	shaped := make([]float32, samples*c.channels)
	shape(shaped, rest, c.channels, before.channels)
	c.chain.Push(shaped)
	if c.channels == before.channels {
		c.chain.agc = before.chain.agc // knows how loud the performer is
	}
}

// leaveOut throws away the next samples that would come out.
func (c *capturer) leaveOut(samples int) {
	c.chain.ready = c.chain.ready[:copy(c.chain.ready, c.chain.ready[samples*c.channels:])]
	c.taken += int64(samples)
	c.next += int64(samples)
}

// drain throws away what waits in the ring and notes where the device is.
func (c *capturer) drain() {
	ring := c.source.Ring()
	for range 100 { // a callback may come between; then once more
		before := c.source.Stamp()
		ring.Skip(ring.Len())
		c.consumed = c.source.Stamp().Frames
		if c.consumed == before.Frames && ring.Len() == 0 {
			break
		}
	}
	c.dropped = ring.Dropped()
}

// captureFrame fills one frame and returns true, or false when the device has not delivered enough.
// The path: resample to room time, cancel echo, suppress noise, level, meter, let performers hear themselves, mute.
func (c *capturer) captureFrame(pcm []float32) bool {
	for !c.chain.Take(pcm) {
		if !c.pull() {
			return false
		}
	}
	c.stamp()
	c.meter.Process(pcm)
	if !c.unmeasured.Load() {
		c.loudness.Process(pcm)
		c.truePeak.Process(pcm)
	}
	if c.monitor != nil {
		c.monitor.Write(pcm, c.channels)
	}
	c.mute(pcm)
	return true
}

// pull moves a few samples from the device to the chain; it returns false when there are none.
func (c *capturer) pull() bool {
	ring := c.source.Ring()
	if dropped := ring.Dropped(); dropped != c.dropped {
		c.overruns.Add(dropped - c.dropped)
		c.drain()
		c.clock.restart()
	}
	position := float64(c.consumed) - c.resampler.LatencySamples()
	if jump, jumped := c.clock.observe(c.source.Stamp(), position); jumped {
		c.jump(jump)
	}
	n := ring.Read(c.raw)
	if n == 0 {
		return false
	}
	c.consumed += int64(n)
	clean(c.raw[:n*ring.Channels()])
	if !c.clock.anchored {
		return true
	}
	width := ring.Channels()
	c.resampler.SetRatio(c.clock.ratio)
	written, _ := c.resampler.Process(c.resampled, c.raw[:n*width])
	c.clock.next += int64(written)
	skipped := c.align(written)
	written -= skipped
	shape(c.shaped[:written*c.channels], c.resampled[skipped*width:(skipped+written)*width], c.channels, width)
	c.pushed += int64(written)
	c.chain.nearWaiting = ring.Len()
	c.chain.Push(c.shaped[:written*c.channels])
	c.publish()
	return true
}

// align tells how much to leave out of the first samples, so that frames end a little before the device's
// callbacks do, wherever those divide a frame, and none waits for one more callback.
func (c *capturer) align(samples int) (skip int) {
	if c.aligned {
		return 0
	}
	c.aligned = true
	skip = max(0, samples-frameMargin)
	c.jumpBy += int64(skip)
	return skip
}

// jump notes that the samples pushed from now on belong to a new anchor.
func (c *capturer) jump(by int64) {
	c.anchors.Add(1)
	if c.jumping {
		c.next += c.jumpBy
	}
	c.jumpAt, c.jumpBy, c.jumping = c.pushed, by, true
}

// stamp labels the frame that was just taken.
func (c *capturer) stamp() {
	c.gap = false
	if c.jumping && c.taken >= c.jumpAt {
		c.next += c.jumpBy
		c.jumping, c.gap = false, true
	}
	c.first = c.next
	c.next += int64(c.frame)
	c.taken += int64(c.frame)
}

// label is the room time of the newest frame's first sample, and whether it continues the one before.
func (c *capturer) label() (first int64, gap bool) { return c.first, c.gap }

func (c *capturer) mute(pcm []float32) {
	target := float32(1)
	if c.muted.Load() {
		target = 0
	}
	if target == 1 && c.muteGain == 1 {
		return
	}
	const step = 1.0 / muteSamples
	for at := 0; at < len(pcm); at += c.channels {
		c.muteGain += min(max(target-c.muteGain, -step), step)
		for i := at; i < at+c.channels; i++ {
			pcm[i] *= c.muteGain
		}
	}
}

// publish makes the counters visible to other goroutines.
func (c *capturer) publish() {
	c.driftPPM.Store(math.Float64bits(c.clock.loop.Drift() * 1e6))
	c.clockError.Store(math.Float64bits(c.clock.errorNow))
	c.delay.Store(int64(c.chain.DelaySamples(c.frame)))
	c.farDropped.Store(c.chain.far.dropped)
	c.farPadded.Store(c.chain.far.padded)
}

func (c *capturer) stats() Stats {
	stats := Stats{
		ProcessingSamples: int(c.delay.Load()),
		DriftPPM:          math.Float64frombits(c.driftPPM.Load()),
		ClockErrorSamples: math.Float64frombits(c.clockError.Load()),
		Anchors:           c.anchors.Load(),
		Overruns:          c.overruns.Load(),
		FarDropped:        c.farDropped.Load(),
		FarPadded:         c.farPadded.Load(),
		Loudness:          c.loudness.Reading(),
		TruePeakDB:        c.truePeak.PeakDB(),
	}
	c.chain.describe(&stats)
	return stats
}

// shape brings frames of so many channels to those that are published.
func shape(dst, src []float32, channels, width int) {
	switch {
	case channels == width:
		copy(dst, src)
	case channels == 1:
		toMono(dst, src, width)
	default:
		for i := range len(dst) / channels {
			for ch := range channels {
				dst[i*channels+ch] = src[i*width+min(ch, width-1)]
			}
		}
	}
}
