package capture

import (
	"sync/atomic"

	"gasso/audio/aec"
	"gasso/audio/agc"
	"gasso/audio/limiter"
	"gasso/audio/ns"
)

const (
	ceilingDB    = -1  // dBTP behind the gain control
	levelSamples = 120 // block of gain control and limiter; divides every frame
)

// engines is what the processing runs on. A new one is made for each change of the switches; the
// capture goroutine picks it up.
type engines struct {
	on         Processing
	canceller  *aec.Canceller // nil until first needed
	suppressor *ns.Suppressor // nil until first needed
}

// chain is the processing of room-timed samples: cut rumble, cancel echo, suppress noise, level. Sample k that
// comes out is sample k that went in, however the switches are set.
type chain struct {
	channels int
	engines  atomic.Pointer[engines]
	current  *engines // as of the last push

	far         *farEnd
	nearWaiting int // samples of the microphone behind the ones being pushed
	agc         *agc.AGC
	limiter     *limiter.Limiter

	rumble *highPass
	echo   *stage
	noise  *stage
	level  *stage

	voice     float64 // probability that the newest block holds speech
	nearBlock []float32
	farBlock  []float32
	cancelled []float32
	quiet     []float32
	ready     []float32 // to be taken
}

func newChain(channels int, far *farEnd) *chain {
	c := &chain{
		channels:  channels,
		far:       far,
		agc:       agc.New(channels),
		limiter:   limiter.New(channels, ceilingDB),
		voice:     1,
		rumble:    newHighPass(channels),
		nearBlock: make([]float32, aec.FrameSamples),
		farBlock:  make([]float32, aec.FrameSamples),
		cancelled: make([]float32, 0, maxPushSamples*channels),
		quiet:     make([]float32, 0, maxPushSamples*channels),
		ready:     make([]float32, 0, 2*maxPushSamples*channels),
	}
	c.echo = newStage(channels, aec.FrameSamples, aec.LatencySamples, c.cancelEcho)
	c.noise = newStage(channels, ns.FrameSamples, ns.LatencySamples, c.suppressNoise)
	c.level = newStage(channels, levelSamples, c.limiter.LatencySamples(), c.levelSpeech)
	c.current = &engines{}
	c.engines.Store(c.current)
	return c
}

// push takes samples, which it may change, and adds what comes out to what is ready.
func (c *chain) push(pcm []float32) {
	c.current = c.engines.Load()
	c.rumble.wanted = c.current.on.HighPass
	c.echo.wanted = c.current.on.EchoCancellation
	c.noise.wanted = c.current.on.NoiseSuppression
	c.level.wanted = c.current.on.AutoGainControl
	c.rumble.process(pcm)
	c.cancelled = c.echo.push(c.cancelled[:0], pcm)
	if !c.echo.active {
		c.far.stop()
	}
	c.quiet = c.noise.push(c.quiet[:0], c.cancelled)
	if !c.noise.active {
		c.voice = 1
	}
	c.ready = c.level.push(c.ready, c.quiet)
}

// take moves one frame out; it returns false when there is no full one.
func (c *chain) take(frame []float32) bool {
	if len(c.ready) < len(frame) {
		return false
	}
	copy(frame, c.ready)
	c.ready = c.ready[:copy(c.ready, c.ready[len(frame):])]
	return true
}

// delaySamples is how much the chain delays now, for frames of so many samples.
func (c *chain) delaySamples(frame int) int {
	d := c.echo.delaySamples(frame)
	if c.echo.active {
		frame = max(frame, c.echo.block)
	}
	return d + c.noise.delaySamples(frame) + c.level.delaySamples(frame)
}

func (c *chain) cancelEcho(pcm []float32) {
	c.far.next(c.farBlock, c.nearWaiting)
	toMono(c.nearBlock, pcm, c.channels)
	c.current.canceller.Process(c.nearBlock, c.farBlock)
	fromMono(pcm, c.nearBlock, c.channels)
}

func (c *chain) suppressNoise(pcm []float32) {
	toMono(c.nearBlock, pcm, c.channels)
	c.voice = c.current.suppressor.Process(c.nearBlock)
	fromMono(pcm, c.nearBlock, c.channels)
}

func (c *chain) levelSpeech(pcm []float32) {
	c.agc.Process(pcm, c.voice)
	c.limiter.Process(pcm)
}

// fromMono repeats mono on all channels of pcm.
func fromMono(pcm, mono []float32, channels int) {
	for i, x := range mono {
		for ch := range channels {
			pcm[i*channels+ch] = x
		}
	}
}
