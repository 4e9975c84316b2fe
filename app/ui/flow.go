package ui

import (
	"context"
	"errors"
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
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if w.busy.Swap(true) {
				continue
			}
			var snap *session.Snapshot
			if run := w.live.Load(); run != nil {
				s := run.engine.Snapshot()
				snap = &s
			}
			level := w.check.level()
			fyne.Do(func() {
				w.busy.Store(false)
				if ctx.Err() == nil {
					w.draw(snap, level, now)
				}
			})
		}
	}
}

// runDevices lists the devices again and again, since they come and go.
func (w *window) runDevices(ctx context.Context) {
	const every = 5 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for failed := false; ; {
		inputs, outputs, err := w.opts.Backend.Devices()
		if err != nil && !failed {
			w.log.Warn("devices cannot be listed", "error", err)
		}
		failed = err != nil
		fyne.Do(func() { w.setDevices(inputs, outputs) })
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
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
	w.save(func(s *settings.Settings) {
		language, size := s.Language, s.Window
		*s = prefs
		s.Language, s.Window = language, size
	})
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
	w.check.want(w.store.Get().Input)
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
	w.run.engine.SetProcessing(p)
	w.save(func(s *settings.Settings) { s.Processing = p })
}

func (w *window) setMode(m session.Mode) {
	w.run.engine.SetMode(m)
	w.save(func(s *settings.Settings) { s.Mode = m })
}

func (w *window) pickLanguage(language string) {
	w.save(func(s *settings.Settings) { s.Language = language })
	w.opts.Lang = ""
	if err := w.build(); err != nil {
		w.tell(err.Error())
	}
}

func (w *window) pickInput(spec string) {
	w.save(func(s *settings.Settings) { s.Input = spec })
	w.join.prefs.Input, w.join.input.value = spec, spec
	w.pickDevice(func(e Engine) error { return e.SetInput(spec) })
}

func (w *window) pickOutput(spec string) {
	w.save(func(s *settings.Settings) { s.Output = spec })
	w.join.prefs.Output, w.join.output.value = spec, spec
	w.pickDevice(func(e Engine) error { return e.SetOutput(spec) })
}

// pickDevice hands a device to the session, which may take a while.
func (w *window) pickDevice(set func(Engine) error) {
	w.offerDevices()
	if w.run == nil {
		return
	}
	engine := w.run.engine
	w.tasks.Go(func() {
		if err := set(engine); err != nil {
			fyne.Do(func() { w.tell(w.desk.say("prefs.device.failed", "error", w.desk.words.tell(err.Error()))) })
		}
	})
}

func (w *window) save(change func(*settings.Settings)) {
	if err := w.store.Update(change); err != nil {
		w.log.Warn("settings are not saved", "error", err)
		w.tell(w.desk.say("prefs.notsaved", "error", err.Error()))
	}
}
