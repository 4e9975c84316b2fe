package voice

import (
	"fmt"
	"io"
	"time"

	"gasso/audio/aec"
	"gasso/audio/audiotest"
	"gasso/audio/capture"
	"gasso/audio/ns"
	"gasso/audio/ring"
	"gasso/internal/bench/table"
)

// stages are the chain's switches one by one and together.
var stages = []struct {
	name   string
	on     capture.Processing
	goalUS float64
	goalMS float64
}{
	{"high-pass", capture.Processing{HighPass: true}, 5, 0},
	{"AEC3", capture.Processing{EchoCancellation: true}, 84, 9},
	{"RNNoise", capture.Processing{NoiseSuppression: true}, 238, 10},
	{"gain control and limiter", capture.Processing{AutoGainControl: true}, 25, 2},
	{"all", capture.Processing{HighPass: true, EchoCancellation: true, NoiseSuppression: true, AutoGainControl: true}, 350, 20},
}

// cost is the processor time of each stage.
func (b *bench) cost(w io.Writer) error {
	t := table.New(w, "voice: cost (mono, best of 8 runs of 5 s)", "stage", "figure")
	const seconds = 5
	near, far := looped(b.speech.near, 0, seconds*rate, -26), looped(b.speech.far, 0, seconds*rate, -20)
	for _, s := range stages {
		loudspeaker := ring.New(rate/2, 1)
		engines := capture.NewEngines(b.model)
		c := capture.NewChain(1, loudspeaker, engines)
		if err := c.SetProcessing(s.on); err != nil {
			engines.Close()
			return err
		}
		pcm, frame := make([]float32, block), make([]float32, block)
		busy := make(chan float64, 1)
		go func() { busy <- table.Busy(time.Second) }()
		spent := quickest(8, seconds*rate/block, func() {
			for at := 0; at < len(near); at += block {
				loudspeaker.Write(far[at : at+block])
				copy(pcm, near[at:at+block])
				c.Push(pcm)
				for c.Take(frame) {
				}
				if !s.on.EchoCancellation {
					loudspeaker.Skip(block)
				}
			}
		})
		engines.Close()
		us := float64(spent.Nanoseconds()) / 1000
		cells, goal := []string{s.name, "µs for each 10 ms"}, fmt.Sprintf("<= %.0f", s.goalUS)
		if percent := <-busy; percent > table.BusyPercent && us > s.goalUS {
			t.NotMeasured(cells, goal, fmt.Sprintf("the machine was %.0f %% busy", percent))
			continue
		}
		t.Row(cells, goal, fmt.Sprintf("%.0f", us), us <= s.goalUS)
	}
	return t.Err()
}

// delay is by how much each stage delays, for packets of each mode: what went in and has not come out.
func (b *bench) delay(w io.Writer) error {
	t := table.New(w, "voice: delay (a block of 10 ms has to fill first where packets are shorter)", "stage", "packets, ms", "figure")
	for _, s := range stages {
		for _, frame := range []int{120, 240, 480} {
			engines := capture.NewEngines(b.model)
			c := capture.NewChain(1, nil, engines)
			if err := c.SetProcessing(s.on); err != nil {
				engines.Close()
				return err
			}
			waiting := longestWait(c, frame)
			engines.Close()
			goal := s.goalMS
			if s.on.EchoCancellation || s.on.NoiseSuppression {
				goal = max(goal, 1000*float64(max(aec.FrameSamples, ns.FrameSamples)-frame)/rate+s.goalMS)
			}
			if s.name == "all" {
				goal = s.goalMS
			}
			ms := 1000 * float64(waiting) / rate
			t.Row([]string{s.name, fmt.Sprintf("%.1f", 1000*float64(frame)/rate), "delay, ms"}, fmt.Sprintf("<= %.1f", goal), fmt.Sprintf("%.1f", ms), ms <= goal+0.05)
		}
	}
	return t.Err()
}

// longestWait pushes frames and tells how many samples waited at most after all that was ready was taken.
func longestWait(c *capture.Chain, frame int) (longest int) {
	pcm, out := audiotest.Noise(seed, -40, frame, 1), make([]float32, 24)
	pushed, taken := 0, 0
	for range rate / frame {
		c.Push(append([]float32(nil), pcm...))
		pushed += frame
		for c.Take(out) {
			taken += len(out)
		}
		longest = max(longest, pushed-taken)
	}
	return longest
}
