package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"gasso/app/session"
	"gasso/audio/device"
	"gasso/internal/bench/table"
)

const (
	soakSenders   = 7
	soakTime      = time.Minute
	soakLongTime  = 10 * time.Minute
	collectEvery  = 100 * time.Millisecond
	copyPeriod    = 60  // samples, as the engine asks for
	copyMost      = 240 // samples that wait for the loudspeaker at most
	soakSettle    = 5 * time.Second
	lookEvery     = 10 * time.Millisecond
	silentPeakDB  = -60
	soakGoalWords = "0 of ours"
)

// Soak prints the table "soak": one engine that hears seven others play while the garbage collector is
// forced to run ten times a second, beside a program that only copies from one device to another.
// A loudspeaker that finds its ring empty although its callback came at most a period late starved
// because of us; when the callback itself came later, the machine was to blame.
func Soak(w io.Writer) error {
	length := soakTime
	if os.Getenv("LONG") == "1" {
		length = soakLongTime
	}
	t := table.New(w, fmt.Sprintf("soak (%v, %d senders of stereo music, garbage collection every %v)", length, soakSenders, collectEvery),
		"program", "callbacks", "underruns", "late callbacks", "worst lateness", "collections", "reserve", "heard")
	err := within(func(dir string) error {
		s, err := startServer(dir)
		if err != nil {
			return err
		}
		return errors.Join(soak(t, s.base, dir, length), s.stop())
	})
	return errors.Join(err, t.Err())
}

func soak(t *table.Table, base, dir string, length time.Duration) (err error) {
	pieces, err := encodedPieces()
	if err != nil {
		return err
	}
	e, err := startEngine(session.Config{Server: base, Name: "Ai", Input: "tone:440"}, filepath.Join(dir, "heard.wav"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.end()) }()
	for i := range soakSenders {
		b := inBackground(func(ctx context.Context) error {
			return runSender(ctx, base, fmt.Sprintf("sender %d", i+1), pieces[i%len(pieces)])
		})
		defer func() { err = errors.Join(err, b.stop()) }()
	}
	c, err := startCopier()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := e.hears(soakSenders); err != nil {
		return err
	}
	time.Sleep(soakSettle)
	return watchSoak(t, e, c, length)
}

// hears waits until the engine hears so many others, whichever way.
func (e *engine) hears(others int) error {
	for deadline := time.Now().Add(meetWithin); ; time.Sleep(lookEvery) {
		heard := 0
		for _, p := range e.session.Snapshot().Performers {
			if p.Level.PeakDB > silentPeakDB {
				heard++
			}
		}
		if heard == others {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v %d of %d others are heard", meetWithin, heard, others)
		}
	}
}

// starved is what happened to a loudspeaker while it was watched.
type starved struct {
	before device.Stats
	last   device.Stats
	worst  time.Duration
}

// look takes the newest figures.
func (s *starved) look(now device.Stats) {
	if s.before.Callbacks == 0 {
		s.before = now
	}
	s.last = now
	s.worst = max(s.worst, now.WorstLateness)
}

// ours are the underruns at callbacks that came in time.
func (s *starved) ours() int64 { return s.last.Starved - s.before.Starved }

// others are those of late callbacks and of what made up for them.
func (s *starved) others() int64 { return s.last.Underruns - s.before.Underruns - s.ours() }

func (s *starved) lateCalls() int64 { return s.last.LateCallbacks - s.before.LateCallbacks }

func watchSoak(t *table.Table, e *engine, c *copier, length time.Duration) error {
	var engine, copying starved
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	collections := memory.NumGC
	busy := make(chan float64, 1)
	go func() { busy <- table.Busy(length) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	collect := inBackground(runCollect)
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		engine.look(e.session.RenderStats())
		copying.look(c.render.Stats())
	}
	err := collect.stop()
	runtime.ReadMemStats(&memory)
	percent := <-busy
	snap := e.session.Snapshot()
	heard := 0
	for _, p := range snap.Performers {
		if p.Level.PeakDB > silentPeakDB {
			heard++
		}
	}
	row := func(name string, s *starved, more ...string) []string {
		return append([]string{
			name, fmt.Sprint(s.last.Callbacks - s.before.Callbacks), fmt.Sprintf("%d ours, %d of late callbacks", s.ours(), s.others()),
			fmt.Sprint(s.lateCalls()), s.worst.Round(10 * time.Microsecond).String(), fmt.Sprint(memory.NumGC - collections),
		}, more...)
	}
	cells := row("engine", &engine, fmt.Sprintf("%.2f ms", float64(snap.Self.RenderLatency.Microseconds())/1000), fmt.Sprintf("%d of %d", heard, soakSenders))
	if percent > table.BusyPercent {
		t.NotMeasured(cells, soakGoalWords, fmt.Sprintf("the machine was %.0f %% busy; %d of ours", percent, engine.ours()))
	} else {
		t.Row(cells, soakGoalWords, fmt.Sprint(engine.ours()), engine.ours() == 0 && heard == soakSenders)
	}
	t.Shown(row("copying", &copying, fmt.Sprintf("%.2f ms", inMS(copyPeriod))), fmt.Sprint(copying.ours()))
	return err
}

// runCollect forces the garbage collector to run.
func runCollect(ctx context.Context) error {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			runtime.GC()
		}
	}
}

// copier passes a tone from one device to another, a period at a time.
type copier struct {
	*background
	capture device.Capture
	render  device.Render
}

func startCopier() (*copier, error) {
	input, err := device.ParseInput("tone:440")
	if err != nil {
		return nil, err
	}
	return startCopierOf(input, device.Spec{Kind: device.Null})
}

// startCopierOf passes what one device hears to another.
func startCopierOf(input, output device.Spec) (*copier, error) {
	capture, err := device.OpenCapture(device.Config{Spec: input, PeriodSamples: copyPeriod})
	if err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	render, err := device.OpenRender(device.Config{Spec: output, PeriodSamples: copyPeriod})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy: %w", err), capture.Close())
	}
	c := &copier{capture: capture, render: render}
	c.background = inBackground(c.runCopy)
	return c, nil
}

// runCopy hands every period on as soon as it is there; what would wait for more than copyMost is left
// out, as what the sound system had gathered before both devices ran.
func (c *copier) runCopy(ctx context.Context) error {
	pcm := make([]float32, channels*c.capture.Ring().Cap())
	for {
		n := c.capture.Ring().Read(pcm)
		n = max(0, min(n, copyMost-c.render.Ring().Len()))
		c.render.Ring().Write(pcm[:channels*n])
		select {
		case <-ctx.Done():
			return nil
		case <-c.capture.Wake():
		}
	}
}

func (c *copier) close() error {
	return errors.Join(c.stop(), c.capture.Close(), c.render.Close())
}
