package capture

import (
	"math"

	"gasso/audio/aec"
	"gasso/audio/resample"
	"gasso/audio/ring"
)

const (
	farTargetSamples = 240  // what should be left at the worst moment of a second (5 ms)
	farJumpSamples   = 2400 // off by more is put right at once (50 ms), by less slowly
	farWindowBlocks  = 100  // one second of blocks
	farRadians       = 0.1  // of the loop, a second
	farReadSamples   = 256
)

// farEnd hands the canceller what the loudspeaker took, block by block, in step with the microphone.
// The two devices tick differently: what waits is held at a small constant by resampling, so that the
// delay that the canceller has found stays right.
type farEnd struct {
	ring      *ring.Ring
	running   bool
	settled   bool // the second that follows a start or a gap is over; what was off then is put right at once
	hold      int  // samples of silence to go before the next of the ring
	resampler *resample.Resampler
	raw       []float32
	mono      []float32
	ready     []float32 // resampled and not yet taken
	passed    []float32 // taken for nobody
	passing   int       // samples of the microphone that passed without the canceller, less than a block

	blocks  int
	least   int // backlog at the worst moment of the window
	loop    resample.Follower
	dropped int64
	padded  int64
}

func newFarEnd(r *ring.Ring) *farEnd {
	f := &farEnd{ring: r, resampler: resample.New(1, 1), least: math.MaxInt, loop: resample.NewFollower(farRadians, 1, sampleRate)}
	if r != nil {
		f.raw = make([]float32, farReadSamples*r.Channels())
	}
	f.mono = make([]float32, farReadSamples)
	f.passed = make([]float32, aec.FrameSamples)
	f.ready = make([]float32, 0, aec.FrameSamples+2*farReadSamples)
	return f
}

// pass keeps in step while the canceller is off, once it has been on: samples of the microphone pass.
func (f *farEnd) pass(samples, nearWaiting int) {
	if !f.running {
		return
	}
	for f.passing += samples; f.passing >= len(f.passed); f.passing -= len(f.passed) {
		f.next(f.passed, nearWaiting)
	}
}

// resume ends pass: the canceller's next block begins with the microphone's next sample.
func (f *farEnd) resume() {
	f.take(f.passed[:f.passing])
	f.passing = 0
}

// skip leaves out so many samples, as the microphone did.
func (f *farEnd) skip(samples int) {
	if f.ring != nil && f.running {
		f.dropped += int64(f.ring.Skip(samples))
	}
}

// next fills block with the far end of the microphone's next block. nearWaiting is how many samples
// of the microphone wait behind that block: so many of the far end may wait, too.
func (f *farEnd) next(block []float32, nearWaiting int) {
	if f.ring == nil {
		clear(block)
		return
	}
	if !f.running {
		f.ring.Skip(f.ring.Len() - nearWaiting - len(block) - farTargetSamples)
		f.ready = f.ready[:0]
		f.running, f.settled, f.blocks, f.least = true, false, 0, math.MaxInt
	}
	f.take(block)
	f.align(f.ring.Len() + len(f.ready) + f.hold - nearWaiting)
}

// take fills block with what comes next, and with silence where nothing does.
func (f *farEnd) take(block []float32) {
	held := min(f.hold, len(block))
	f.hold -= held
	clear(block[:held])
	block = block[held:]
	for len(f.ready) < len(block) && f.refill() {
	}
	n := copy(block, f.ready)
	f.ready = f.ready[:copy(f.ready, f.ready[n:])]
	if n < len(block) {
		clear(block[n:])
		f.settled = false
		f.padded += int64(len(block) - n)
	}
}

// refill resamples some more; it returns false when there is nothing.
func (f *farEnd) refill() bool {
	channels := f.ring.Channels()
	n := f.ring.Read(f.raw)
	if n == 0 {
		return false
	}
	toMono(f.mono[:n], f.raw[:n*channels], channels)
	free := f.ready[len(f.ready):cap(f.ready)]
	written, _ := f.resampler.Process(free, f.mono[:n])
	f.ready = f.ready[:len(f.ready)+written]
	return true
}

// align watches the backlog and, once a second, steers it to its target.
func (f *farEnd) align(backlog int) {
	f.least = min(f.least, backlog)
	if f.blocks++; f.blocks < farWindowBlocks {
		return
	}
	excess := f.least - farTargetSamples
	f.blocks, f.least = 0, math.MaxInt
	if excess > farJumpSamples || !f.settled {
		f.settled = true
		f.hold = max(0, -excess)
		f.dropped += int64(f.ring.Skip(excess))
		f.padded += int64(f.hold)
		return
	}
	f.resampler.SetRatio(1 + f.loop.Update(float64(-excess)))
}

// toMono averages the channels of pcm.
func toMono(dst, pcm []float32, channels int) {
	if channels == 1 {
		copy(dst, pcm)
		return
	}
	scale := 1 / float32(channels)
	for i := range dst {
		sum := float32(0)
		for _, x := range pcm[i*channels : (i+1)*channels] {
			sum += x
		}
		dst[i] = sum * scale
	}
}
