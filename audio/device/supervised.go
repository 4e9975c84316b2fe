package device

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// When a device counts as dead, and how often it is looked at. Callbacks of an idle sound server may
// take two seconds to begin.
const (
	checkEvery  = 200 * time.Millisecond
	firstWithin = 4 * time.Second
	staleAfter  = 1500 * time.Millisecond
	retryEvery  = time.Second
	lookEvery   = 3 * time.Second // for the device that was asked for, while another stands in
)

// supervised keeps one direction of sound going: a watchdog on the age of the last callback opens the
// device again. One goroutine owns the fields below worker.
type supervised struct {
	worker
	position *clock
	way      direction
	id       string // asked for
	process  process
	log      *slog.Logger
	current  *hardware // nil while dead
	openedAt time.Time
	tryAt    time.Time // when dead: next attempt; on the fallback: next look
}

// open opens a device and gives up when that takes too long.
func (s *supervised) open(id string) error {
	h, err := within(openWithin, func() (*hardware, error) {
		return openHardware(s.way, id, s.position.period, s.process)
	}, func(h *hardware) { h.abandon() })
	if err != nil {
		return fmt.Errorf("open sound device: %w", err)
	}
	s.current = h
	s.openedAt = time.Now()
	s.position.name.Store(&h.name)
	s.position.dead.Store(false)
	s.position.fallback.Store(id != s.id)
	return nil
}

// superviseHardware opens what was asked for and starts the watchdog.
func superviseHardware(cfg Config, c *clock, way direction, f process) (*supervised, error) {
	s := &supervised{worker: newWorker(), position: c, way: way, id: cfg.Spec.ID, process: f,
		log: cfg.Log.With("device", way.word)}
	if err := s.open(s.id); err != nil {
		return nil, err
	}
	go s.run()
	return s, nil
}

func (s *supervised) run() {
	defer close(s.done)
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			s.shut()
			return
		case now := <-ticker.C:
			s.check(now)
		}
	}
}

// check does what is due: declare dead, open again, or go back to the device that was asked for.
func (s *supervised) check(now time.Time) {
	switch {
	case s.current == nil:
		if now.After(s.tryAt) {
			s.reopen(now)
		}
	case s.stale(now):
		s.log.Warn("the sound device gives no more callbacks; opening it again", "name", s.current.name)
		s.current.abandon()
		s.current = nil
		s.position.dead.Store(true)
		s.reopen(now)
	case s.position.fallback.Load() && now.After(s.tryAt):
		s.tryAt = now.Add(lookEvery)
		s.goBack()
	}
}

// stale tells whether callbacks have ceased.
func (s *supervised) stale(now time.Time) bool {
	last := s.position.Stamp().At
	if last.Before(s.openedAt) {
		return now.Sub(s.openedAt) > firstWithin
	}
	return now.Sub(last) > staleAfter
}

// reopen opens the device that was asked for, else the default one.
func (s *supervised) reopen(now time.Time) {
	s.tryAt = now.Add(retryEvery)
	err := s.open(s.id)
	if err != nil && s.id != "" {
		err = s.open("")
	}
	if err != nil {
		s.log.Debug("opening the sound device failed; trying again", "error", err)
		return
	}
	s.position.reopens.Add(1)
	s.log.Info("the sound device works again", "name", s.current.name, "fallback", s.position.fallback.Load())
}

// goBack changes from the fallback to the device that was asked for, if it is there again.
func (s *supervised) goBack() {
	inputs, outputs, err := List()
	infos := outputs
	if s.way == capturing {
		infos = inputs
	}
	if err != nil || !slices.ContainsFunc(infos, func(i Info) bool { return i.ID == s.id || i.Name == s.id }) {
		return
	}
	s.shut()
	s.position.dead.Store(true)
	s.reopen(time.Now())
}

// shut closes the device and waits a little for it.
func (s *supervised) shut() {
	if s.current == nil {
		return
	}
	timer := time.NewTimer(closeWithin)
	defer timer.Stop()
	select {
	case <-s.current.abandon():
	case <-timer.C:
		s.log.Warn("the sound device does not close; it is left behind", "name", s.current.name)
	}
	s.current = nil
}

// Close stops the device. It returns within seconds even when the hardware hangs.
func (s *supervised) Close() error {
	s.end()
	return nil
}

// hardwareCapture is a microphone.
type hardwareCapture struct {
	*captureSide
	*supervised
	scratch []float32
}

func openHardwareCapture(cfg Config) (Capture, error) {
	c := &hardwareCapture{captureSide: newCaptureSide(cfg, ""), scratch: make([]float32, fileFrames*Channels)}
	s, err := superviseHardware(cfg, &c.clock, capturing, c.captured)
	if err != nil {
		return nil, err
	}
	c.supervised = s
	return c, nil
}

// captured is the callback.
func (c *hardwareCapture) captured(pcm []float32, channels int) {
	frames := len(pcm) / channels
	for len(pcm) >= channels {
		n := min(len(pcm), len(c.scratch)/Channels*channels)
		c.pcm.Write(c.scratch[:Channels*toStereo(c.scratch, pcm[:n], channels)])
		pcm = pcm[n:]
	}
	c.tick(frames)
}

// hardwareRender is a loudspeaker.
type hardwareRender struct {
	*renderSide
	*supervised
}

func openHardwareRender(cfg Config) (Render, error) {
	r := &hardwareRender{renderSide: newRenderSide(cfg, "")}
	s, err := superviseHardware(cfg, &r.clock, rendering, func(pcm []float32, _ int) { r.take(pcm) })
	if err != nil {
		return nil, err
	}
	r.supervised = s
	return r, nil
}
