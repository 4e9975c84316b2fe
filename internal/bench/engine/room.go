// Package engine measures whole engines: their latency, with virtual devices and on PulseAudio, what
// they cost, and whether their loudspeakers starve.
package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gasso/app/session"
	"gasso/audio/wav"
	companion "gasso/server"
)

const (
	rate     = 48000
	channels = 2

	meetWithin = 20 * time.Second
	endWithin  = 10 * time.Second
)

// background is something that runs until it is stopped.
type background struct {
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
	err    error
}

func inBackground(run func(context.Context) error) *background {
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel: cancel, ended: make(chan error, 1)}
	go func() { b.ended <- run(ctx) }()
	return b
}

// stop ends it and returns how it ended.
func (b *background) stop() error {
	b.once.Do(func() {
		b.cancel()
		select {
		case b.err = <-b.ended:
		case <-time.After(endWithin):
			b.err = fmt.Errorf("it did not end within %v", endWithin)
		}
	})
	return b.err
}

// server is a real server in this process, on the loopback interface.
type server struct {
	*background
	base string
}

// startServer starts one whose state is in a folder of dir.
func startServer(dir string) (*server, error) {
	cfg := companion.Default()
	cfg.Data, cfg.HTTP, cfg.RTCUDP, cfg.Dev, cfg.FFmpeg = filepath.Join(dir, "server"), "127.0.0.1:0", "0", true, "off"
	s, err := companion.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	return &server{background: inBackground(s.Run), base: "http://" + s.HTTPAddr().String()}, nil
}

// engine is a session in the room demo, and the tracks of its devices' clocks.
type engine struct {
	*background
	session  *session.Session
	output   string
	watching *background
	capture  deviceClock
	render   deviceClock
}

// deviceClock finds when a device's frame 0 was: stamps come late, never early, so the earliest counts.
type deviceClock struct {
	known  bool
	zero   time.Time
	period int
}

func (c *deviceClock) observe(p session.Position) {
	if p.Frames == 0 {
		return
	}
	c.period = p.PeriodSamples
	zero := p.At.Add(-time.Duration(p.Frames * int64(time.Second) / rate))
	if !c.known || zero.Before(c.zero) {
		c.known, c.zero = true, zero
	}
}

// startEngine starts one that writes what its loudspeaker plays to the file output.
func startEngine(cfg session.Config, output string) (*engine, error) {
	cfg.Room, cfg.Output = "demo", "file:"+output
	s, err := session.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("start engine %s: %w", cfg.Name, err)
	}
	e := &engine{session: s, output: output, background: inBackground(s.Run)}
	e.watching = inBackground(e.runWatch)
	return e, nil
}

// runWatch follows the clocks of both devices.
func (e *engine) runWatch(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			capture, render := e.session.Positions()
			e.capture.observe(capture)
			e.render.observe(render)
		}
	}
}

// end stops the engine; then its output is complete.
func (e *engine) end() error { return errors.Join(e.watching.stop(), e.stop()) }

// heard is what the loudspeaker played, one channel of it.
func (e *engine) heard() ([]float32, error) { return readChannel(e.output) }

// meets waits until the engine hears so many others directly.
func (e *engine) meets(others int) error {
	for deadline := time.Now().Add(meetWithin); ; time.Sleep(10 * time.Millisecond) {
		direct := 0
		for _, p := range e.session.Snapshot().Performers {
			if p.Link.Direct && p.Link.PacketsDirect > 0 {
				direct++
			}
		}
		if direct == others {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v %d of %d others are heard", meetWithin, direct, others)
		}
	}
}

// writeProbe writes one channel of sound to a WAV file, on both channels.
func writeProbe(path string, mono []float32) error {
	w, err := wav.Create(path, rate, channels)
	if err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	pcm := make([]float32, channels*len(mono))
	for i, v := range mono {
		pcm[channels*i], pcm[channels*i+1] = v, v
	}
	if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	return nil
}

// readChannel reads the first channel of a WAV file.
func readChannel(path string) ([]float32, error) {
	r, err := wav.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read what was heard: %w", err)
	}
	defer r.Close()
	var mono []float32
	pcm := make([]float32, 4096*r.Channels())
	for {
		n, err := r.Read(pcm)
		for i := 0; i < n; i += r.Channels() {
			mono = append(mono, pcm[i])
		}
		if err != nil {
			return mono, nil // its end, or of what a crash left of it
		}
	}
}

// within makes a folder for f and removes it.
func within(f func(dir string) error) error {
	dir, err := os.MkdirTemp("", "gasso-bench") // short, since a socket's path may have 107 bytes
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	return f(dir)
}
