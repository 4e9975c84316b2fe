package engine

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/device"
	"gasso/internal/bench/table"
	"gasso/internal/soundrig"
)

const (
	pulseRounds  = 3
	pulseSettle  = 5 * time.Second
	pulseMeasure = 4 * time.Second
	findable     = 0.02  // amplitude at which a chirp has begun
	cableEvery   = 24000 // samples from chirp to chirp,
	cableAtMost  = 21600 // which are found when they come that late at most
	browserStart = 2 * time.Second

	// Of several buffers from 64 to 1024 samples, with and without the rest, and of <audio> and AudioContext
	// what came out soonest.
	fastestBuffer  = "--audio-buffer-size=240"
	fastestLatency = "PULSE_LATENCY_MSEC=5"
)

//go:embed caller.html
var callerPage []byte

var errNoProgram = errors.New("not there")

// contender is a program that takes the loop's microphone to its loudspeaker.
type contender struct {
	name  string
	start func(l soundrig.Loop, dir string) (stop func() error, err error)
	late  []float64 // ms
	why   string    // nothing was measured
}

// Pulse prints the table "on PulseAudio": from a microphone to a loudspeaker of one virtual cable, in
// turns: a program that only copies, two engines, Chromium to itself. Chromium's figure counts the sound
// system's buffers as the engines' do; about half of it is its jitter buffer.
func Pulse(w io.Writer) error {
	t := table.New(w, fmt.Sprintf("on PulseAudio (one cable, absolute, %d rounds in turns)", pulseRounds),
		"way", "lower quartile ms", "median ms", "upper quartile ms", "found")
	all := []*contender{
		{name: "copying alone, periods of 1.25 ms", start: startPassThrough},
		{name: "two engines, live", start: enginesIn("live")},
		{name: "two engines, studio", start: enginesIn("studio")},
		{name: "Chromium to Chromium at its fastest: packets of 10 ms, jitterBufferTarget 0, " + fastestBuffer + ", " + fastestLatency,
			start: chromiumWith("/?fast", []string{fastestBuffer}, fastestLatency)},
		{name: "Chromium to Chromium as it comes", start: chromiumWith("/", nil)},
	}
	err := within(func(dir string) error {
		return soundrig.With(func(r *soundrig.Rig) error { return compete(r, dir, all) })
	})
	if err != nil {
		t.NotMeasured([]string{"all"}, "below Chromium's", err.Error())
		return t.Err()
	}
	_, chromium, _ := quartiles(all[3].late)
	for i, c := range all {
		c.row(t, i == 1 || i == 2, chromium)
	}
	for _, name := range []string{"jamulus", "jacktrip"} {
		why := "not installed"
		if _, err := exec.LookPath(name); err == nil {
			why = "it needs a JACK server beside PulseAudio"
		}
		t.NotMeasured([]string{name}, "", why)
	}
	return t.Err()
}

func (c *contender) row(t *table.Table, ours bool, chromium float64) {
	lower, median, upper := quartiles(c.late)
	cells := []string{c.name, ms(lower), ms(median), ms(upper), fmt.Sprint(len(c.late))}
	switch {
	case len(c.late) == 0:
		t.NotMeasured([]string{c.name}, "", c.why)
	case !ours:
		t.Shown(cells, fmt.Sprintf("%.1f ms", median))
	case chromium == 0:
		t.NotMeasured(cells, "below Chromium's", "Chromium's was not")
	default:
		t.Row(cells, fmt.Sprintf("< %.1f ms", chromium), fmt.Sprintf("%.1f ms", median), median < chromium)
	}
}

// compete lets everybody have their turn, several times.
func compete(r *soundrig.Rig, dir string, all []*contender) error {
	l := r.Loop("cable")
	for range pulseRounds {
		for _, c := range all {
			late, err := measureLoop(r, l, dir, c)
			if err != nil {
				c.why = err.Error()
				continue
			}
			if c.late = append(c.late, late...); len(late) == 0 {
				c.why = "nothing was heard"
			}
		}
	}
	return nil
}

// measureLoop runs a program and measures how late what is said is heard.
func measureLoop(r *soundrig.Rig, l soundrig.Loop, dir string, c *contender) (late []float64, err error) {
	stop, err := c.start(l, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	playing := r.PlayPCM(chirps(pulseSettle+pulseMeasure+2*time.Second, cableEvery).pcm, 1, l.MicSink)
	defer playing.Stop()
	time.Sleep(pulseSettle)
	recording := r.Record(l.Monitor)
	time.Sleep(pulseMeasure)
	pcm := recording.Stop()
	return lagsOf(audiotest.Channel(pcm, 0, 2), audiotest.Channel(pcm, 1, 2)), nil
}

// lagsOf finds each chirp of said in heard.
func lagsOf(said, heard []float32) (late []float64) {
	for at := 0; at+chirpSamples+cableAtMost < len(said); at++ {
		if v := said[at]; v < findable && v > -findable {
			continue
		}
		lag, alike := bestLag(said[at:at+chirpSamples/2], heard[at:at+cableAtMost])
		if alike > alikeAtLeast {
			late = append(late, inMS(float64(lag)))
		}
		at += cableEvery / 2
	}
	return late
}

// startPassThrough copies in this process, with the same device code as the engine.
func startPassThrough(l soundrig.Loop, _ string) (stop func() error, err error) {
	c, err := startCopierOf(device.Spec{Kind: device.Hardware, ID: l.Mic}, device.Spec{Kind: device.Hardware, ID: l.Speaker})
	if err != nil {
		return nil, err
	}
	return c.close, nil
}

// enginesIn starts two engines, one at the microphone, the other at the loudspeaker, in a mode.
func enginesIn(mode string) func(l soundrig.Loop, dir string) (stop func() error, err error) {
	return func(l soundrig.Loop, dir string) (stop func() error, err error) {
		program, err := gasso()
		if err != nil {
			return nil, err
		}
		s, err := startServer(filepath.Join(dir, mode))
		if err != nil {
			return nil, err
		}
		common := []string{"headless", "--server", s.base, "--room", "demo", "--mode", mode, "--aec", "off", "--ns", "off", "--agc", "off", "--high-pass", "off"}
		speaker, err := startChild(program, append(common, "--name", "Ai", "--input", "device:"+l.Mic, "--output", "null")...)
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		listener, err := startChild(program, append(common, "--name", "Ben", "--input", "silence", "--output", "device:"+l.Speaker)...)
		if err != nil {
			return nil, errors.Join(err, speaker(), s.stop())
		}
		return func() error { return errors.Join(listener(), speaker(), s.stop()) }, nil
	}
}

// gasso is the built program.
func gasso() (path string, err error) {
	path = filepath.Join(folder(), "../../../bin/gasso")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("bin/gasso is %w; run make build", errNoProgram)
	}
	return path, nil
}

// folder is where this file is.
func folder() string {
	_, self, _, _ := runtime.Caller(0)
	return filepath.Dir(self)
}

// startChild starts a program, which stop ends.
func startChild(name string, args ...string) (stop func() error, err error) {
	cmd := exec.Command(name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(name), err)
	}
	return func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, said.Bytes())
		}
		return nil
	}, nil
}

// chromiumWith has a page call itself, in a Chromium with flags and with more in its environment.
func chromiumWith(page string, flags []string, env ...string) func(soundrig.Loop, string) (stop func() error, err error) {
	return func(soundrig.Loop, string) (stop func() error, err error) { return startChromium(page, flags, env) }
}

func startChromium(page string, flags, env []string) (stop func() error, err error) {
	for _, path := range []string{"/usr/bin/chromium", filepath.Join(folder(), "../../../node_modules/playwright-core")} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("chromium or playwright-core is %w; run make setup", errNoProgram)
		}
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(callerPage)
	}))
	cmd := exec.Command("node", append([]string{filepath.Join(folder(), "caller.mjs"), site.URL + page}, flags...)...)
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		site.Close()
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	time.Sleep(browserStart)
	return func() error {
		defer site.Close()
		if err := errors.Join(hold.Close(), cmd.Wait()); err != nil || bytes.Contains(said.Bytes(), []byte("failed:")) {
			return fmt.Errorf("chromium: %w: %s", errors.Join(err, errNoProgram), said.Bytes())
		}
		return nil
	}, nil
}
