package device

import (
	"log/slog"
	"sync"
	"time"

	"gasso/audio/wav"
)

// maxBehind is how late a paced device may be before it gives up catching up, as after a suspend.
const maxBehind = 2 * time.Second

// pacer says when periods are due: the n-th at start + n periods, so that errors don't add up.
type pacer struct {
	start  time.Time
	frames int64 // due since start
	period int
}

// next returns how long to wait at now for the next period. When it is too late by more than
// maxBehind, time that has passed is left out.
func (p *pacer) next(now time.Time) time.Duration {
	p.frames += int64(p.period)
	wait := p.start.Add(time.Duration(p.frames * int64(time.Second) / Rate)).Sub(now)
	if wait < -maxBehind {
		p.start = p.start.Add(-wait)
		wait = 0
	}
	return wait
}

// pace calls step for each period until stop closes.
func pace(stop <-chan struct{}, period int, step func()) {
	p := pacer{start: time.Now(), period: period}
	pause := newPause()
	defer pause.close()
	for wait := p.next(p.start); ; wait = p.next(time.Now()) {
		pause.wait(wait)
		select {
		case <-stop:
			return
		default:
		}
		step()
	}
}

// worker is the goroutine of a device and how it ends.
type worker struct {
	stop, done chan struct{}
	once       sync.Once
}

func newWorker() worker { return worker{stop: make(chan struct{}), done: make(chan struct{})} }

// halt tells the goroutine to end; more calls do no harm.
func (w *worker) halt() { w.once.Do(func() { close(w.stop) }) }

// end stops the goroutine and waits for it; more calls do no harm.
func (w *worker) end() {
	w.halt()
	<-w.done
}

// source makes the sound of a stand-in for a microphone. It belongs to one goroutine.
type source interface {
	fill(pcm []float32) // stereo, all of it
	close()
}

// pacedCapture is a Capture that real time drives.
type pacedCapture struct {
	*captureSide
	worker
	source source
}

func startPacedCapture(cfg Config, name string, source source) *pacedCapture {
	c := &pacedCapture{captureSide: newCaptureSide(cfg, name), worker: newWorker(), source: source}
	go c.run()
	return c
}

func (c *pacedCapture) run() {
	defer close(c.done)
	defer c.source.close()
	pcm := make([]float32, c.period*Channels)
	pace(c.stop, c.period, func() {
		c.source.fill(pcm)
		c.pcm.Write(pcm)
		c.tick(c.period)
	})
}

// Close stops the device.
func (c *pacedCapture) Close() error {
	c.end()
	return nil
}

// pacedRender is a Render that real time drives; what it takes goes to a file, if any.
type pacedRender struct {
	*renderSide
	worker
	writer *wav.Writer
	log    *slog.Logger
	err    error // of the writer; read after done
}

func startPacedRender(cfg Config, name string, writer *wav.Writer) *pacedRender {
	r := &pacedRender{renderSide: newRenderSide(cfg, name), worker: newWorker(), writer: writer, log: cfg.Log}
	go r.run()
	return r
}

func (r *pacedRender) run() {
	defer close(r.done)
	pcm := make([]float32, r.period*Channels)
	pace(r.stop, r.period, func() {
		r.played(r.period, r.take(pcm))
		if r.writer == nil || r.err != nil {
			return
		}
		if r.err = r.writer.Write(pcm); r.err != nil {
			r.log.Error("writing the output file failed; nothing more is written", "error", r.err)
		}
	})
	if r.writer != nil {
		if err := r.writer.Close(); r.err == nil {
			r.err = err
		}
	}
}

// Close stops the device and returns what went wrong with its file.
func (r *pacedRender) Close() error {
	r.end()
	return r.err
}
