package ui

import (
	"context"
	"errors"
	"strings"
	"time"

	"fyne.io/fyne/v2"

	"gasso/app/session"
	"gasso/app/settings"
)

// goodbyeFor is how long leaving may take before the window stops waiting.
const goodbyeFor = 3 * time.Second

// start begins what runs beside the window: devices, soundcheck, drawing.
func (w *window) start() {
	w.tasks.Go(func() { w.runDevices(w.ctx) })
	w.tasks.Go(func() { w.check.run(w.ctx) })
	w.tasks.Go(func() { w.runDraw(w.ctx) })
	if w.opts.AutoJoin {
		w.join.submit()
	}
}

// stop ends everything and waits, though not for ever: a broken sound device may hang.
func (w *window) stop() {
	w.end()
	if w.run != nil {
		w.run.cancel()
	}
	done := make(chan struct{})
	go func() {
		w.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(goodbyeFor):
		w.log.Warn("leaving took too long")
	}
}

// runDraw asks for a frame at the frame rate and skips while one still waits.
func (w *window) runDraw(ctx context.Context) {
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	var drawn time.Time
	var governor time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			run := w.live.Load()
			if !w.away.due(now, drawn, governor, func(resting bool) { setHidden(run, resting) }) || w.busy.Swap(true) {
				continue
			}
			drawn, governor = now, 0
			var snap *session.Snapshot
			if run != nil {
				s := run.engine.Snapshot()
				snap, governor = &s, s.Self.Governor.MeterInterval
			}
			resting := w.away.resting
			level := w.check.level()
			fyne.Do(func() {
				w.busy.Store(false)
				if ctx.Err() == nil {
					w.resting = resting
					w.draw(snap, level, now)
				}
			})
		}
	}
}

// runDevices lists the devices again and again while they can be chosen, since they come and go.
func (w *window) runDevices(ctx context.Context) {
	const every = time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for failed := false; ctx.Err() == nil; {
		inputs, outputs, err := w.opts.Backend.Devices(w.store.Get().SoundSystem)
		if err != nil && !failed {
			w.log.Warn("devices cannot be listed", "error", err)
		}
		failed = err != nil
		fyne.Do(func() { w.setDevices(inputs, outputs) })
		for wait := true; wait; {
			select {
			case <-ctx.Done():
				return
			case <-w.relist:
				wait = false
			case <-tick.C:
				wait = !w.choose.Load()
			}
		}
	}
}

// listDevices makes runDevices look at once.
func (w *window) listDevices() {
	select {
	case w.relist <- struct{}{}:
	default: // it will anyway
	}
}

func (w *window) setDevices(inputs, outputs []Device) {
	if sameDevices(inputs, w.inputs) && sameDevices(outputs, w.outputs) {
		return
	}
	w.inputs, w.outputs = inputs, outputs
	w.offerDevices()
}

func sameDevices(a, b []Device) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// startJoin closes the soundcheck, makes the session and runs it.
func (w *window) startJoin(r JoinRequest, prefs settings.Settings) {
	w.save(func(s *settings.Settings) { s.Server, s.Room, s.Name = prefs.Server, prefs.Room, prefs.Name })
	r.SoundSystem, r.CPULimitPercent = prefs.SoundSystem, prefs.CPULimitPercent
	r.MonitorOn, r.MonitorGainDB = prefs.MonitorOn, prefs.MonitorGainDB
	w.tasks.Go(func() {
		w.check.pause(w.ctx)
		engine, err := w.opts.Backend.Join(r)
		if err != nil {
			fyne.Do(func() { w.joinFailed(err) })
			return
		}
		ctx, cancel := context.WithCancel(w.ctx)
		run := &running{engine: engine, cancel: cancel}
		w.live.Store(run)
		fyne.Do(func() { w.joined(run, r.Room) })
		err = engine.Run(ctx)
		cancel()
		w.live.CompareAndSwap(run, nil)
		fyne.Do(func() { w.left(run, err) })
	})
}

func (w *window) joinFailed(err error) {
	w.join.busy(false)
	w.join.fail(w.desk.words.tell(err.Error()))
	w.checkInput(w.store.Get().Input)
}

func (w *window) joined(run *running, room string) {
	if w.ctx.Err() != nil {
		return
	}
	w.run, w.muted, w.held = run, false, false
	w.join.busy(false)
	w.newStage()
	w.win.SetTitle("Gasso — " + room)
	w.desk.focus(nil)
	w.show(pageStage)
}

// leave ends the session; left follows when it has ended.
func (w *window) leave() {
	if w.run != nil {
		w.run.cancel()
	}
}

func (w *window) left(run *running, err error) {
	if w.run != run || w.ctx.Err() != nil {
		return
	}
	w.run, w.stage = nil, nil
	w.win.SetTitle("Gasso")
	w.show(pageJoin)
	if err != nil && !errors.Is(err, context.Canceled) {
		w.log.Warn("the session ended", "error", err)
		w.join.fail(w.desk.words.tell(err.Error()))
	}
}

func (w *window) setProcessing(p session.Processing) {
	if w.run != nil {
		w.run.engine.SetProcessing(p)
	}
	w.save(func(s *settings.Settings) { s.Processing = p })
}

func (w *window) setMode(m session.Mode) {
	if w.run != nil {
		w.run.engine.SetMode(m)
	}
	w.save(func(s *settings.Settings) { s.Mode = m })
}

// setMonitor lets performers hear themselves at once; keepMonitor saves it when the fader rests.
func (w *window) setMonitor(on bool, gainDB float64) {
	if w.run != nil {
		w.run.engine.SetMonitor(on, gainDB)
	}
	next := w.prefs.now
	next.MonitorOn, next.MonitorGainDB = on, gainDB
	w.prefs.set(next)
	w.unkept = time.Now()
}

func (w *window) keepMonitor() {
	if w.unkept.IsZero() {
		return
	}
	w.unkept = time.Time{}
	on, gainDB := w.prefs.now.MonitorOn, w.prefs.now.MonitorGainDB
	w.save(func(s *settings.Settings) { s.MonitorOn, s.MonitorGainDB = on, gainDB })
}

func (w *window) setCPULimit(percent int) {
	if w.run != nil {
		w.run.engine.SetCPULimit(percent)
	}
	w.save(func(s *settings.Settings) { s.CPULimitPercent = percent })
}

// keepConnection saves how the server and the others are reached; what is not possible is refused.
func (w *window) keepConnection(change func(*settings.Settings)) error {
	next := w.store.Get()
	change(&next)
	if err := next.Validate(); err != nil {
		return err
	}
	w.save(change)
	return nil
}

func (w *window) pickLanguage(language string) {
	w.keepMonitor()
	w.save(func(s *settings.Settings) { s.Language = language })
	w.opts.Lang = ""
	if err := w.build(); err != nil {
		w.tell(err.Error())
	}
}

func (w *window) pickInput(spec string) {
	w.save(func(s *settings.Settings) { s.Input = spec })
	w.hand(func(e Engine) error { return e.SetInput(spec) })
}

func (w *window) pickOutput(spec string) {
	w.save(func(s *settings.Settings) { s.Output = spec })
	w.hand(func(e Engine) error { return e.SetOutput(spec) })
}

// pickSoundSystem begins with the default devices of another sound system, since each has names of its own.
func (w *window) pickSoundSystem(name string) {
	w.save(func(s *settings.Settings) {
		s.SoundSystem = name
		for _, spec := range []*string{&s.Input, &s.Output} {
			if strings.HasPrefix(*spec, defaultDevice) {
				*spec = defaultDevice
			}
		}
	})
	w.listDevices()
	input, output := w.store.Get().Input, w.store.Get().Output
	w.hand(func(e Engine) error {
		return errors.Join(e.SetSoundSystem(name), e.SetInput(input), e.SetOutput(output))
	})
}

// hand gives a device to the session, which may take a while.
func (w *window) hand(set func(Engine) error) {
	if w.run == nil {
		return
	}
	engine := w.run.engine
	w.tasks.Go(func() {
		w.handing.Lock()
		defer w.handing.Unlock()
		if err := set(engine); err != nil {
			fyne.Do(func() { w.tell(w.desk.say("prefs.device.failed", "error", w.desk.words.tell(err.Error()))) })
		}
	})
}

// save changes the settings and shows them wherever they stand.
func (w *window) save(change func(*settings.Settings)) {
	if err := w.store.Update(change); err != nil {
		w.log.Warn("settings are not saved", "error", err)
		w.tell(w.desk.say("prefs.notsaved", "error", err.Error()))
	}
	now := w.store.Get()
	w.join.set(now)
	if !w.unkept.IsZero() {
		now.MonitorOn, now.MonitorGainDB = w.prefs.now.MonitorOn, w.prefs.now.MonitorGainDB
	}
	w.prefs.set(now)
}
