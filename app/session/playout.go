package session

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gasso/audio/device"
	"gasso/audio/limiter"
	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/audio/ring"
)

const (
	playoutFrameSamples = 120 // at most, 2.5 ms
	periodSamples       = 60  // of the devices, as far as they can
	mostSkipped         = 2400
	outputCeilingDB     = -1
)

// playout mixes the performers for the loudspeaker. The goroutine of run owns what stands below
// render.
type playout struct {
	log        *slog.Logger
	performers atomic.Pointer[[]*performer]
	meter      *meter.Meter
	monitor    *mix.Monitor  // the own microphone
	swapped    chan struct{} // 1 slot: another device is there
	condition  condition     // of render
	fallBack   bool          // begin with the default device when the one asked for is gone

	soundSystem soundSystem

	changing sync.Mutex // held while devices open and close; before mu
	spec     device.Spec

	mu     sync.Mutex
	render device.Render // nil before open and after close

	guard    *limiter.Guard
	bus      []float32
	sum      []float32
	scratch  []float32
	reserve  reserve
	adopted  string           // name of the device
	needed   map[string]int64 // reserve beyond a period, by name of the device
	written  int64            // samples, to the adopted device
	lost     int64            // samples that it played without getting them
	ahead    atomic.Int64     // samples that the device is kept ahead by
	leastAdd atomic.Int64     // samples to be ahead beyond a period, by mode
	load     playoutLoad
	leaving  time.Duration // until the next sample to be mixed leaves the loudspeaker
}

func newPlayout(output string, log *slog.Logger) (*playout, error) {
	spec, err := device.ParseOutput(output)
	if err != nil {
		return nil, err
	}
	p := &playout{
		log: log, spec: spec, meter: meter.New(device.Channels), monitor: mix.NewMonitor(), swapped: make(chan struct{}, 1),
		guard:   limiter.NewGuard(device.Channels, outputCeilingDB),
		needed:  map[string]int64{},
		bus:     make([]float32, device.Channels*playoutFrameSamples),
		sum:     make([]float32, device.Channels*playoutFrameSamples),
		scratch: make([]float32, device.Channels*playoutFrameSamples),
	}
	p.performers.Store(&[]*performer{})
	return p, nil
}

// open opens the loudspeaker.
func (p *playout) open() error {
	p.changing.Lock()
	defer p.changing.Unlock()
	render, err := p.openRender(p.spec)
	if err != nil {
		return err
	}
	p.swap(render)
	return nil
}

func (p *playout) openRender(spec device.Spec) (device.Render, error) {
	render, err := device.OpenRender(device.Config{
		Spec: spec, Backend: p.soundSystem.name(), FallBack: p.fallBack, PeriodSamples: periodSamples, Log: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	p.condition.begin(spec.Kind == device.Hardware)
	return render, nil
}

// swap puts another device into its place, nil for none, and closes the one before.
func (p *playout) swap(render device.Render) {
	p.mu.Lock()
	old := p.render
	p.render = render
	p.mu.Unlock()
	select {
	case p.swapped <- struct{}{}:
	default: // the playout goroutine has not looked yet
	}
	if old == nil {
		return
	}
	if err := old.Close(); err != nil {
		p.log.Warn("closing output failed", "error", err)
	}
}

// setOutput opens another loudspeaker and closes the old one.
func (p *playout) setOutput(output string) error {
	spec, err := device.ParseOutput(output)
	if err != nil {
		return err
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	if p.device() != nil {
		render, err := p.openRender(spec)
		if err != nil {
			return err
		}
		p.swap(render)
	}
	p.spec = spec
	return nil
}

func (p *playout) device() device.Render {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.render
}

// farEnd is what the loudspeaker plays, for the echo canceller; nil without one.
func (p *playout) farEnd() *ring.Ring {
	if render := p.device(); render != nil {
		return render.Far()
	}
	return nil
}

func (p *playout) close() {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.swap(nil)
}

// performer finds one of those who are played; any goroutine, no lock.
func (p *playout) performer(id string) *performer {
	for _, performer := range *p.performers.Load() {
		if performer.id == id {
			return performer
		}
	}
	return nil
}

// run keeps the ring of one loudspeaker after the other filled until ctx ends or there is none.
func (p *playout) run(ctx context.Context) {
	for ctx.Err() == nil {
		render := p.device()
		if render == nil {
			return
		}
		p.adopt(render, time.Now())
		for swapped := false; !swapped; {
			p.fillRing(render, time.Now())
			select {
			case <-ctx.Done():
				return
			case <-p.swapped:
				swapped = true
			case <-render.Wake():
			}
		}
	}
}

// adopt begins with a device: as little ahead as it could do with the last time.
func (p *playout) adopt(render device.Render, now time.Time) {
	if p.adopted != "" {
		p.needed[p.adopted] = p.reserve.extra
	}
	p.adopted = render.Info().Name
	p.reserve.begin(render.Stats().Underruns, p.needed[p.adopted], now)
	p.written, p.lost = int64(render.Ring().Len()), render.Stamp().Frames
}

// skipMissed leaves out what should have played while the device found too little: else all would be
// heard later from then on.
func (p *playout) skipMissed(render device.Render, now time.Time) {
	taken, waiting := render.Stamp().Frames, int64(render.Ring().Len())
	if render.Stamp().Frames != taken { // a callback came between the two
		return
	}
	lost := taken + waiting - p.written
	missed := lost - p.lost
	if missed <= 0 {
		return
	}
	p.lost = lost
	if missed > mostSkipped {
		return // the machine slept, and the players know what to do
	}
	for ; missed > 0; missed -= playoutFrameSamples {
		p.playoutFrame(int(min(missed, playoutFrameSamples)), now)
	}
}

// fillRing tops the ring up to what the device needs ahead.
func (p *playout) fillRing(render device.Render, now time.Time) {
	pcm, stats := render.Ring(), render.Stats()
	ahead := p.reserve.samples(int64(render.Info().PeriodSamples), stats.Underruns, p.leastAdd.Load(), now)
	p.ahead.Store(ahead)
	p.leaving = unknownLeaving
	p.skipMissed(render, now)
	p.leaving = leaving(render, now)
	mixed := 0
	for free := pcm.Cap() - pcm.Len(); ; free = pcm.Cap() - pcm.Len() {
		n := min(int(ahead)-pcm.Len(), playoutFrameSamples, free)
		if n <= 0 {
			break
		}
		p.playoutFrame(n, now)
		p.written += int64(pcm.Write(p.bus[:device.Channels*n]))
		mixed += n
	}
	if mixed == 0 || stats.LastCallback.IsZero() {
		return
	}
	done := time.Now()
	late := done.Sub(stats.LastCallback)
	p.reserve.note(late, done)
	p.load.note(mixed, done.Sub(now), late)
}

// playoutFrame mixes the next samples of everybody, at most playoutFrameSamples.
func (p *playout) playoutFrame(samples int, now time.Time) {
	n := device.Channels * samples
	bus, sum, scratch := p.bus[:n], p.sum[:n], p.scratch[:n]
	clear(bus)
	for _, performer := range *p.performers.Load() {
		performer.playFrame(bus, sum, scratch, now)
		performer.notePlayed(samples, now, p.leaving)
	}
	if p.leaving >= 0 {
		p.leaving += inTime(samples)
	}
	p.monitor.Add(bus)
	p.guard.Process(bus)
	p.meter.Process(bus)
}

// latency is what lies between a decoded sample and the loudspeaker.
func (p *playout) latency() time.Duration {
	return inTime(int(p.ahead.Load()))
}
