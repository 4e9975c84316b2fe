package capture

import (
	"slices"
	"sync"
	"sync/atomic"

	"gasso/audio/aec"
	"gasso/audio/agc"
	"gasso/audio/limiter"
	"gasso/audio/ns"
	"gasso/audio/ring"
)

const (
	ceilingDB    = -1 // dBTP behind the gain control
	levelSamples = 24 // block of gain control and limiter; divides every frame and the delays before them
)

// switches is what is on and what that runs on. New ones are made for each change; the capture goroutine
// picks them up.
type switches struct {
	on         Processing
	canceller  *aec.Canceller // nil unless needed
	suppressor *ns.Suppressor // nil unless needed
}

// Chain is the processing of room-timed samples at 48 kHz: cancel echo, suppress noise, cut rumble, level
// (AEC3 and RNNoise do worse on what is filtered already). Sample k that comes out is sample k that went in, however the switches are set. Push, Take and
// DelaySamples belong to one goroutine; any may call the others.
type Chain struct {
	channels int
	engines  *Engines // the caller's
	switches atomic.Pointer[switches]
	current  *switches // as of the last Push

	far         *farEnd
	nearWaiting int // samples of the microphone behind the ones being pushed
	agc         *agc.AGC
	limiter     *limiter.Limiter
	gate        *ns.Gate

	echo   *stage
	noise  *stage
	rumble *highPass
	level  *stage

	echoed  bool // echo was active after the last Push
	realign bool // noise has to start anew, with its blocks in step with those of echo

	voice     float64 // probability that the newest block holds speech
	nearBlock []float32
	farBlock  []float32
	cancelled []float32
	quiet     []float32
	ready     []float32 // to be taken

	mu      sync.Mutex // guards what follows; held while the switches change
	missing string
}

// NewChain makes a chain with everything off, for interleaved PCM of one or two channels. far is what
// the loudspeaker took, nil if nobody listens. The engines stay the caller's.
func NewChain(channels int, far *ring.Ring, engines *Engines) *Chain {
	c := &Chain{
		channels:  channels,
		engines:   engines,
		far:       newFarEnd(far),
		agc:       agc.New(channels),
		limiter:   limiter.New(channels, ceilingDB),
		gate:      ns.NewGate(),
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
	c.current = &switches{}
	c.switches.Store(c.current)
	return c
}

// SetProcessing switches the stages. What this build or machine cannot do is an error; the rest is in
// effect all the same. It takes no time for what the engines have prepared.
func (c *Chain) SetProcessing(p Processing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.Music {
		p = Processing{Music: true}
	}
	problem := c.engines.Prepare(p)
	canceller, suppressor, err := c.engines.present()
	if err != nil {
		return err
	}
	p.EchoCancellation = p.EchoCancellation && canceller != nil
	p.NoiseSuppression = p.NoiseSuppression && suppressor != nil
	c.switches.Store(&switches{on: p, canceller: canceller, suppressor: suppressor})
	c.missing = ""
	if problem != nil {
		c.missing = problem.Error()
	}
	return problem
}

// describe writes the figures of the chain that any goroutine may ask for.
func (c *Chain) describe(stats *Stats) {
	stats.Processing = c.switches.Load().on
	stats.GainDB, stats.LimitedDB = c.agc.GainDB(), c.limiter.GainReductionDB()
	stats.EchoDB = c.engines.enhancementDB()
	c.mu.Lock()
	defer c.mu.Unlock()
	stats.Missing = c.missing
}

// Push takes at most 8192 samples, which it may change, and adds what comes out to what is ready.
func (c *Chain) Push(pcm []float32) {
	c.current = c.switches.Load()
	c.rumble.wanted = c.current.on.HighPass
	c.echo.wanted = c.current.on.EchoCancellation
	c.noise.wanted = c.current.on.NoiseSuppression && !c.realigning()
	c.noise.align = c.echo.wanted
	c.level.wanted = c.current.on.AutoGainControl
	if c.echo.wanted && !c.echo.active {
		c.far.resume()
	}
	passing := len(pcm)
	if c.echo.active {
		passing = (len(c.echo.work) + passing) % (c.echo.block * c.channels) // in a block that stays unfinished
	}
	c.cancelled = c.echo.push(c.cancelled[:0], pcm)
	if c.noise.active && c.echo.active != c.echoed {
		c.realign = true
	}
	c.echoed = c.echo.active
	if !c.echo.active {
		c.far.pass(passing/c.channels, c.nearWaiting)
	}
	c.quiet = c.noise.push(c.quiet[:0], c.cancelled)
	if !c.noise.active {
		c.voice = 1
	}
	c.rumble.process(c.quiet)
	c.ready = c.level.push(c.ready, c.quiet)
}

// realigning tells that noise suppression is being let off, since the blocks of the stage before it
// have moved: a block that is not complete when the other one is would wait for 10 ms.
func (c *Chain) realigning() bool {
	c.realign = c.realign && c.noise.active
	return c.realign
}

// Take moves one frame out; it returns false when there is no full one.
func (c *Chain) Take(frame []float32) bool {
	if len(c.ready) < len(frame) {
		return false
	}
	copy(frame, c.ready)
	c.ready = c.ready[:copy(c.ready, c.ready[len(frame):])]
	return true
}

// rest moves everything out that went in and has not come out, unprocessed where the stages still had it.
// The chain is of no use any more.
func (c *Chain) rest() []float32 {
	return slices.Concat(c.ready, c.level.dry, c.noise.dry, c.echo.dry)
}

// DelaySamples is how much the chain delays now, for frames of so many samples.
func (c *Chain) DelaySamples(frame int) int {
	d := c.echo.delaySamples(frame)
	if c.echo.active {
		frame = max(frame, c.echo.block)
	}
	return d + c.noise.delaySamples(frame) + c.level.delaySamples(frame)
}

func (c *Chain) cancelEcho(pcm []float32) {
	c.far.next(c.farBlock, c.nearWaiting)
	toMono(c.nearBlock, pcm, c.channels)
	c.current.canceller.Process(c.nearBlock, c.farBlock)
	fromMono(pcm, c.nearBlock, c.channels)
}

func (c *Chain) suppressNoise(pcm []float32) {
	toMono(c.nearBlock, pcm, c.channels)
	inputDB := ns.Level(c.nearBlock)
	c.voice = c.current.suppressor.Process(c.nearBlock)
	c.gate.Process(c.nearBlock, inputDB, c.voice)
	fromMono(pcm, c.nearBlock, c.channels)
}

func (c *Chain) levelSpeech(pcm []float32) {
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
