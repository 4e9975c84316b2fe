package mixer

import (
	"context"
	"time"

	"gasso/audio/limiter"
	"gasso/audio/meter"
	"gasso/audio/mix"
)

const (
	programBehind  = 2 * sampleRate // a program further behind than that leaves frames out
	programCeiling = -1.0           // dBTP
)

// programBus belongs to the program goroutine, but for its meter.
type programBus struct {
	wake    chan struct{}
	bus     *mix.Bus
	limiter *limiter.Limiter
	meter   *meter.Meter
	pcm     []float32
	sum     []float32
	next    int64 // room time of the next frame, 0 before the first
	swept   time.Time
	closed  *roster
}

func newProgramBus() *programBus {
	return &programBus{
		wake:    make(chan struct{}, 1),
		bus:     mix.NewBus(programSamples),
		limiter: limiter.New(2, programCeiling),
		meter:   meter.New(2),
		pcm:     make([]float32, 2*programSamples),
		sum:     make([]float32, 2*programSamples),
	}
}

// runProgram makes the program's frames in time while somebody takes or meters it, and sweeps.
func (m *Mixer) runProgram(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		wait := sweepInterval
		if m.programWanted(now) {
			wait = m.programUntil(now)
		} else {
			m.program.leave(m.roster.Load())
			m.program.next = 0
		}
		if now.Sub(m.program.swept) >= sweepInterval {
			m.program.swept = now
			m.sweep(now)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.program.wake:
		}
	}
}

// programWanted tells whether somebody takes or meters the program, and so whether its packets are kept.
func (m *Mixer) programWanted(now time.Time) bool {
	wanted := m.roster.Load().sink != nil || now.UnixNano()-m.metered.Load() < int64(meteredFor)
	m.taken.Store(wanted)
	return wanted
}

// programUntil makes all frames that are due, and returns when the next one is.
func (m *Mixer) programUntil(now time.Time) time.Duration {
	b, due := m.program, m.cfg.RoomSample(now)-m.delaySamples()
	if b.next != 0 && due-b.next > programBehind {
		m.cfg.Log.Warn("the program left out sound: the machine did not keep up", "milliseconds", (due-b.next)*1000/sampleRate)
	}
	if b.next == 0 || due-b.next > programBehind || b.next-due > programBehind {
		b.next = due - due%programSamples
	}
	for b.next+programSamples <= due {
		m.programFrame(m.roster.Load(), b.next)
		b.next += programSamples
	}
	return samplesToTime(b.next + programSamples - due)
}

// programFrame mixes 10 ms: stored packets at their room time, strips, program bus, limiter.
func (m *Mixer) programFrame(r *roster, firstSample int64) {
	b := m.program
	b.leave(r)
	b.bus.Clear(programSamples)
	for i := range r.seats {
		s := &r.seats[i]
		clear(b.sum)
		for _, l := range s.lanes {
			l.timeline.Frame(b.pcm, firstSample)
			add(b.sum, b.pcm)
		}
		own := s.input.program.own
		s.input.program.strip.Apply(own, b.sum)
		s.input.meter.Process(own)
		b.bus.Add(own)
	}
	b.bus.Mix(b.pcm)
	b.limiter.Process(b.pcm)
	b.meter.Process(b.pcm)
	if r.sink != nil {
		r.sink(b.pcm, firstSample-int64(b.limiter.LatencySamples()))
	}
}

// leave closes this bus's half of what is gone, once for each roster.
func (b *programBus) leave(r *roster) {
	if b.closed == r {
		return
	}
	b.closed = r
	for _, l := range r.gone {
		l.program.close()
	}
}
