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

// playout mixes the performers for the loudspeaker. run owns everything but the atomics and, under
// mu, the device.
type playout struct {
	log        *slog.Logger
	performers atomic.Pointer[[]*performer]
	meter      *meter.Meter
	swapped    chan struct{} // 1 slot: another device is there

	mu     sync.Mutex
	spec   device.Spec
	render device.Render

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
	p.mu.Lock()
	defer p.mu.Unlock()
	render, err := device.OpenRender(device.Config{Spec: p.spec, PeriodSamples: renderPeriodSamples, Log: p.log})
	if err != nil {
		return fmt.Errorf("open output: %w", err)
	}
	p.render = render
	return nil
}

// setOutput opens another loudspeaker and closes the old one.
func (p *playout) setOutput(output string) error {
	spec, err := device.ParseOutput(output)
	if err != nil {
		return err
	}
	render, err := device.OpenRender(device.Config{Spec: spec, PeriodSamples: renderPeriodSamples, Log: p.log})
	if err != nil {
		return fmt.Errorf("open output: %w", err)
	}
	p.mu.Lock()
	old := p.render
	p.spec, p.render = spec, render
	p.mu.Unlock()
	select {
	case p.swapped <- struct{}{}:
	default:
	}
	if old != nil {
		_ = old.Close()
	}
	return nil
}

func (p *playout) device() device.Render {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.render
}

// farEnd is what the loudspeaker plays, for the echo canceller.
func (p *playout) farEnd() *ring.Ring { return p.device().Far() }

func (p *playout) close() {
	if render := p.device(); render != nil {
		if err := render.Close(); err != nil {
			p.log.Warn("closing output failed", "error", err)
		}
	}
}

// run keeps the loudspeaker's ring filled until ctx ends.
func (p *playout) run(ctx context.Context) {
	render := p.device()
	p.ahead.Store(int64(render.Info().PeriodSamples + playoutFrameSamples))
	for {
		p.fill(render, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-p.swapped:
			render = p.device()
			p.underruns = render.Stats().Underruns
		case <-render.Wake():
		}
	}
}

// fill tops the ring up to what the device needs ahead, which grows with each underrun and shrinks
// again after a calm while.
func (p *playout) fill(render device.Render, now time.Time) {
	period := int64(render.Info().PeriodSamples)
	if underruns := render.Stats().Underruns; underruns != p.underruns {
		p.underruns, p.calmSince = underruns, now
		p.ahead.Store(min(p.ahead.Load()+playoutFrameSamples, mostPeriodsAhead*period))
	} else if now.Sub(p.calmSince) > calmBeforeShorter {
		p.calmSince = now
		p.ahead.Store(max(p.ahead.Load()-playoutFrameSamples, period+playoutFrameSamples))
	}
	pcm := render.Ring()
	for int64(pcm.Len()) < p.ahead.Load() {
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
