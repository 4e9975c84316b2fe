package mixer

import (
	"context"
	"time"

	"gasso/audio/mix"
)

const liveBehind = sampleRate / 5 // a live bus further behind than that leaves frames out

// liveBus belongs to the live goroutine.
type liveBus struct {
	wake   chan struct{}
	bus    *mix.Bus
	pcm    []float32
	sum    []float32
	next   int64 // room time of the next frame, 0 before the first
	closed *roster
}

func newLiveBus() *liveBus {
	return &liveBus{
		wake: make(chan struct{}, 1),
		bus:  mix.NewBus(liveSamples),
		pcm:  make([]float32, 2*liveSamples),
		sum:  make([]float32, 2*liveSamples),
	}
}

// runLive makes the live bus's frames in time while somebody takes a mix.
func (m *Mixer) runLive(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r := m.roster.Load()
		if len(r.mixes) > 0 {
			timer.Reset(m.liveUntil(time.Now()))
		} else {
			m.live.leave(r)
			m.live.next = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.live.wake:
		}
	}
}

// liveUntil makes all frames that are due, and returns when the next one is.
func (m *Mixer) liveUntil(now time.Time) time.Duration {
	b, room := m.live, m.cfg.RoomSample(now)
	if b.next == 0 || room-b.next > liveBehind || b.next-room > liveBehind {
		b.next = room - room%liveSamples
	}
	for b.next+liveSamples <= room {
		m.liveFrame(m.roster.Load(), b.next, now)
		b.next += liveSamples
	}
	return samplesToTime(b.next + liveSamples - room)
}

// liveFrame mixes 5 ms: adaptive buffers, strips, live bus, mix-minus.
func (m *Mixer) liveFrame(r *roster, firstSample int64, now time.Time) {
	b := m.live
	b.leave(r)
	b.bus.Clear(liveSamples)
	for i := range r.seats {
		s := &r.seats[i]
		clear(b.sum)
		for _, l := range s.lanes {
			l.player.Frame(b.pcm, now)
			add(b.sum, b.pcm)
		}
		own := s.input.live.own
		s.input.live.strip.Apply(own, b.sum)
		b.bus.Add(own)
	}
	for i := range r.mixes {
		if t := &r.mixes[i]; t.own != nil {
			b.bus.MixMinus(b.pcm, t.own.live.own)
		} else {
			b.bus.Mix(b.pcm)
		}
		r.mixes[i].sink(b.pcm, firstSample)
	}
}

// leave closes this bus's half of what is gone, once for each roster.
func (b *liveBus) leave(r *roster) {
	if b.closed == r {
		return
	}
	b.closed = r
	for _, l := range r.gone {
		l.live.close()
	}
}

func add(sum, pcm []float32) {
	for i, v := range pcm {
		sum[i] += v
	}
}

func samplesToTime(samples int64) time.Duration {
	return time.Duration(samples) * time.Second / sampleRate
}
