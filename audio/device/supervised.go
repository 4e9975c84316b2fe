package device

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// When a device counts as dead, and how often it is looked at. Callbacks of an idle sound server may
// take two seconds to begin.
const (
	checkEvery   = 100 * time.Millisecond
	firstWithin  = 4 * time.Second
	staleAfter   = 1200 * time.Millisecond
	missingAfter = 300 * time.Millisecond // for a device that is not listed any more
	retryEvery   = 500 * time.Millisecond
)

// supervised keeps one direction of sound going: when callbacks cease it opens the device again, on
// the default device when the one asked for is gone, and goes back when that is listed again. One
// goroutine owns the fields below worker.
type supervised struct {
	worker
	position *clock
	wish     wish
	handle   handler
	log      *slog.Logger
	look     *lookout
	current  *hardware // nil while dead
	next     *hardware // takes over with its first callback; nil without
	tryAt    time.Time // of the next attempt to open
	refused  string    // ID of the default device that has not the channels asked for
}

// superviseHardware opens what was asked for and starts the watchdog.
func superviseHardware(cfg Config, c *clock, way direction, handle handler) (*supervised, error) {
	s := &supervised{worker: newWorker(), position: c, handle: handle, log: cfg.Log.With("device", way.word),
		wish: wish{way: way, backend: cfg.Backend, id: cfg.Spec.ID, channels: cfg.Spec.Channels, period: cfg.PeriodSamples}}
	h, err := s.open(s.wish)
	fallback := false
	if errors.Is(err, ErrNoDevice) && cfg.FallBack {
		s.log.Warn("the sound device is not there; the default one stands in", "id", cfg.Spec.ID)
		h, err = s.open(s.standIn())
		fallback = true
	}
	if err != nil {
		return nil, fmt.Errorf("open sound device: %w", err)
	}
	s.adopt(h, fallback)
	s.look = startLookout(way, cfg.Backend)
	go s.run()
	return s, nil
}

// open opens a device and gives up when that takes too long.
func (s *supervised) open(w wish) (*hardware, error) {
	return within(openWithin, s.stop, func() (*hardware, error) { return openHardware(w, s.handle) },
		func(h *hardware) { h.abandon() })
}

// standIn is what plays when the device that was asked for is gone.
func (s *supervised) standIn() wish {
	w := s.wish
	w.id, w.channels, w.standIn = "", nil, true
	return w
}

// adopt lets a device work; there is no other.
func (s *supervised) adopt(h *hardware, fallback bool) {
	s.current = h
	s.position.restarted.Store(true)
	s.position.rate.Store(int64(h.rate))
	name := h.info.Name // a copy, since the default device's name may change
	s.position.name.Store(&name)
	s.position.fallback.Store(fallback)
	s.position.dead.Store(false)
	h.begin()
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
		case l := <-s.look.listings:
			s.listed(l)
		}
	}
}

// check does what is due: declare dead, open again, or go back to the device that was asked for.
func (s *supervised) check(now time.Time) {
	switch {
	case s.current == nil:
		if !now.Before(s.tryAt) {
			s.reopen(now)
		}
	case s.quiet(now) > s.patience():
		s.lose("the sound device gives no more callbacks; opening it again")
		s.reopen(now)
	case s.next != nil:
		s.takeOver(now)
	}
}

// quiet is for how long there was no callback.
func (s *supervised) quiet(now time.Time) time.Duration {
	last := s.position.Stamp().At
	if last.Before(s.current.openedAt) {
		last = s.current.openedAt
	}
	return now.Sub(last)
}

// patience is how long there may be no callback: longer before the first one, and for devices that
// come seldom.
func (s *supervised) patience() time.Duration {
	if s.current.calls.Load() == 0 {
		return firstWithin
	}
	return staleAfter + 2*time.Duration(s.position.most.Load())*time.Second/Rate
}

// listed takes a list of the devices that there are.
func (s *supervised) listed(l listing) {
	now := time.Now()
	if s.current == nil || l.began.Before(s.current.openedAt) {
		return
	}
	info := &s.current.info
	switch {
	case s.quiet(now) > missingAfter && s.current.calls.Load() > 0 && s.current.missing(l):
		s.lose("the sound device is gone")
		s.reopen(now)
	case s.position.fallback.Load() && s.next == nil && !now.Before(s.tryAt) && s.promising(l):
		s.goBack(now)
	case s.current.asDefault && l.backend == info.Backend:
		if d, known := pick(l.devices, ""); known && d.Name != info.Name {
			info.Name = d.Name
			s.position.name.Store(&d.Name)
		}
	}
}

// promising tells whether the device that was asked for is listed: by its ID, or as another default
// device than the one that has not the channels.
func (s *supervised) promising(l listing) bool {
	d, known := pick(l.devices, s.wish.id)
	if s.wish.id != "" || !known {
		return known
	}
	before := s.refused
	s.refused = d.ID
	return d.ID != before
}

// missing tells whether a list says that the device is gone.
func (h *hardware) missing(l listing) bool {
	if len(l.devices) == 0 {
		return true // and so is the sound system
	}
	return !h.asDefault && l.backend == h.info.Backend && !l.has(h.info.ID)
}

// lose gives the device up.
func (s *supervised) lose(why string) {
	s.log.Warn(why, "name", s.current.info.Name)
	s.current.abandon()
	s.current = nil
	s.position.dead.Store(true)
}

// reopen opens the device that was asked for, else the default one.
func (s *supervised) reopen(now time.Time) {
	s.dropNext()
	s.refused = ""
	s.tryAt = now.Add(retryEvery)
	h, err := s.open(s.wish)
	fallback := false
	if err != nil && (s.wish.id != "" || len(s.wish.channels) > 0) {
		h, err = s.open(s.standIn())
		fallback = true
	}
	if err != nil {
		s.log.Debug("opening the sound device failed; trying again", "error", err)
		return
	}
	s.adopt(h, fallback)
	s.position.reopens.Add(1)
	s.log.Info("the sound device works again", "name", h.info.Name, "fallback", fallback)
}

// goBack opens the device that was asked for beside the one that stands in for it.
func (s *supervised) goBack(now time.Time) {
	s.tryAt = now.Add(retryEvery)
	h, err := s.open(s.wish)
	if err != nil {
		s.log.Debug("opening the sound device that is back failed; trying again", "error", err)
		return
	}
	s.next = h
}

// takeOver changes to the next device once its callbacks come.
func (s *supervised) takeOver(now time.Time) {
	if s.next.calls.Load() == 0 {
		if now.Sub(s.next.openedAt) > firstWithin {
			s.dropNext()
		}
		return
	}
	h := s.next
	s.next = nil
	s.current.abandon()
	s.adopt(h, false)
	s.position.reopens.Add(1)
	s.log.Info("the sound device is back", "name", h.info.Name)
}

func (s *supervised) dropNext() {
	if s.next != nil {
		s.next.abandon()
		s.next = nil
	}
}

// shut closes the device and waits a little for it.
func (s *supervised) shut() {
	s.dropNext()
	if s.current == nil {
		return
	}
	timer := time.NewTimer(closeWithin)
	defer timer.Stop()
	select {
	case <-s.current.abandon():
	case <-timer.C:
		s.log.Warn("the sound device does not close; it is left behind", "name", s.current.info.Name)
	}
	s.current = nil
}

// Close stops the device. It returns within seconds even when the hardware hangs.
func (s *supervised) Close() error {
	s.look.halt()
	s.end()
	s.look.end()
	return nil
}

// hardwareCapture is a microphone.
type hardwareCapture struct {
	*captureSide
	*supervised
}

func openHardwareCapture(cfg Config) (Capture, error) {
	side := newCaptureSide(cfg, "")
	s, err := superviseHardware(cfg, &side.clock, capturing, func(channels, rate int, selected []int) process {
		in := newInlet(channels, rate, selected)
		return func(pcm []float32) { side.accept(in, pcm) }
	})
	if err != nil {
		return nil, err
	}
	return &hardwareCapture{side, s}, nil
}

// hardwareRender is a loudspeaker.
type hardwareRender struct {
	*renderSide
	*supervised
}

func openHardwareRender(cfg Config) (Render, error) {
	side := newRenderSide(cfg, "")
	s, err := superviseHardware(cfg, &side.clock, rendering, func(channels, rate int, selected []int) process {
		out := newOutlet(channels, rate, selected)
		return func(pcm []float32) { side.deliver(out, pcm) }
	})
	if err != nil {
		return nil, err
	}
	return &hardwareRender{side, s}, nil
}
