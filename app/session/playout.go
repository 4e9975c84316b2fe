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
	"gasso/audio/ring"
)

const (
	playoutFrameSamples = 120 // 2.5 ms
	renderPeriodSamples = 240
	outputCeilingDB     = -1
	mostPeriodsAhead    = 8
	calmBeforeShorter   = 20 * time.Second
)

// playout mixes the performers for the loudspeaker. The goroutine of run owns what stands below
// render.
type playout struct {
	log        *slog.Logger
	performers atomic.Pointer[[]*performer]
	meter      *meter.Meter
	swapped    chan struct{} // 1 slot: another device is there

	changing sync.Mutex // held while devices open and close; before mu
	spec     device.Spec

	mu     sync.Mutex
	render device.Render // nil before open and after close

	limiter   *limiter.Limiter
	bus       []float32
	sum       []float32
	scratch   []float32
	ahead     atomic.Int64 // samples that the device is kept ahead by
	underruns int64
	calmSince time.Time
}

func newPlayout(output string, log *slog.Logger) (*playout, error) {
	spec, err := device.ParseOutput(output)
	if err != nil {
		return nil, err
	}
	p := &playout{
		log: log, spec: spec, meter: meter.New(device.Channels), swapped: make(chan struct{}, 1),
		limiter: limiter.New(device.Channels, outputCeilingDB),
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
	render, err := device.OpenRender(device.Config{Spec: spec, PeriodSamples: renderPeriodSamples, Log: p.log})
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
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

// adopt begins with a device: as little ahead as it can do with.
func (p *playout) adopt(render device.Render, now time.Time) {
	p.underruns, p.calmSince = render.Stats().Underruns, now
	p.ahead.Store(int64(render.Info().PeriodSamples + playoutFrameSamples))
}

// fillRing tops the ring up to what the device needs ahead, which grows with each underrun and shrinks
// again after a calm while.
func (p *playout) fillRing(render device.Render, now time.Time) {
	pcm, period := render.Ring(), int64(render.Info().PeriodSamples)
	if underruns := render.Stats().Underruns; underruns != p.underruns {
		p.underruns, p.calmSince = underruns, now
		p.ahead.Store(min(p.ahead.Load()+playoutFrameSamples, mostPeriodsAhead*period))
	} else if now.Sub(p.calmSince) > calmBeforeShorter {
		p.calmSince = now
		p.ahead.Store(max(p.ahead.Load()-playoutFrameSamples, period+playoutFrameSamples))
	}
	for most := pcm.Cap() - playoutFrameSamples; pcm.Len() <= most && int64(pcm.Len()) < p.ahead.Load(); {
		p.playoutFrame(now)
		pcm.Write(p.bus)
	}
}

// playoutFrame mixes the next 2.5 ms of everybody.
func (p *playout) playoutFrame(now time.Time) {
	clear(p.bus)
	for _, performer := range *p.performers.Load() {
		performer.playFrame(p.bus, p.sum, p.scratch, now)
	}
	p.limiter.Process(p.bus)
	p.meter.Process(p.bus)
}

// latency is what lies between a decoded sample and the loudspeaker.
func (p *playout) latency() time.Duration {
	samples := p.ahead.Load() + int64(p.limiter.LatencySamples())
	return time.Duration(samples) * time.Second / device.Rate
}
