package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gasso/app/session"
	"gasso/assets/wasm"
	"gasso/internal/bench/table"
	"gasso/internal/procstat"
)

const (
	starts      = 20
	measureFor  = time.Second
	probeLength = 30 * time.Second
)

// latencyCase is a row of the table.
type latencyCase struct {
	name       string
	mode       session.Mode
	goalMS     float64
	processing session.Processing
	added      bool // the goal is for what comes on top of the row of the mode alone
}

var latencyCases = []latencyCase{
	{name: "studio", mode: session.ModeStudio, goalMS: 8},
	{name: "live", mode: session.ModeLive, goalMS: 12.5},
	{name: "safe", mode: session.ModeSafe, goalMS: 25},
	{
		name: "live, echo, noise and gain control", mode: session.ModeLive, goalMS: 20, added: true,
		processing: session.Processing{EchoCancellation: true, NoiseSuppression: true, AutoGainControl: true},
	},
}

// Latency prints the table "engine latency": from a sample at the microphone's device to the
// loudspeaker's, through two whole engines. A sample counts as spoken when the device's clock passes
// it and as heard when its callback asks for it and plays it from that moment on, so what hardware and
// its driver buffer beyond one period is not in it.
func Latency(w io.Writer) error {
	t := table.New(w, "engine latency (virtual devices, both ways)",
		"mode", "starts", "settled after (median s)", "lower quartile ms", "median ms", "upper quartile ms", "the app says (median ms)", "device + network + buffer ms", "heard", "underruns")
	err := within(func(dir string) (err error) {
		s, err := startServer(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		medians := map[session.Mode]float64{}
		for _, c := range latencyCases {
			if err := c.row(t, site{s.base, dir}, medians); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		return nil
	})
	return errors.Join(err, t.Err())
}

// site is where a pair of engines meets: a server, and a folder for what they say and hear.
type site struct{ base, dir string }

// measure makes all starts of a case, one after the other.
func (c latencyCase) measure(at site) ([]latencyRun, error) {
	runs := make([]latencyRun, starts)
	for i := range runs {
		runs[i] = latencyRun{latencyCase: c, site: at, seed: uint64(i)}
		if err := runs[i].measure(); err != nil {
			return nil, fmt.Errorf("start %d: %w", i+1, err)
		}
	}
	return runs, nil
}

// row measures all starts of a case.
func (c latencyCase) row(t *table.Table, at site, medians map[session.Mode]float64) error {
	sampler := procstat.NewSampler(time.Now())
	var all, settling []float64
	var said saidLatency
	underruns, wanted := int64(0), 0
	runs, err := c.measure(at)
	if err != nil {
		return err
	}
	for _, run := range runs {
		all, settling = append(all, run.late...), append(settling, run.settling.Seconds())
		said.add(run.said)
		underruns, wanted = underruns+run.underruns, wanted+run.wanted
	}
	lower, median, upper := quartiles(all)
	_, settled, _ := quartiles(settling)
	cells := []string{c.name, fmt.Sprint(starts), fmt.Sprintf("%.1f", settled), ms(lower), ms(median), ms(upper), said.total(), said.parts(), fmt.Sprintf("%d of %d", len(all), wanted), fmt.Sprint(underruns)}
	figure, goal := median, fmt.Sprintf("<= %.1f ms", c.goalMS)
	if c.added {
		figure, goal = median-medians[c.mode], fmt.Sprintf("adds <= %.0f ms", c.goalMS)
	} else {
		medians[c.mode] = median
	}
	switch percent := sampler.Sample(time.Now()).MachinePercent; {
	case percent > table.BusyPercent:
		t.NotMeasured(cells, goal, fmt.Sprintf("the machine was %.0f %% busy", percent))
	default:
		t.Row(cells, goal, fmt.Sprintf("%.1f ms", figure), len(all) > 0 && figure <= c.goalMS)
	}
	return nil
}

func ms(figure float64) string { return fmt.Sprintf("%.2f", figure) }

// latencyRun is one start of two engines.
type latencyRun struct {
	latencyCase
	site
	seed uint64

	engines   []*engine
	probes    []probe
	late      []float64 // ms
	wanted    int
	underruns int64
	settling  time.Duration // what that took
	said      []session.Latency
}

// measure starts the two, lets them settle and finds what each heard of the other.
func (r *latencyRun) measure() (err error) {
	defer func() {
		for _, e := range r.engines {
			err = errors.Join(err, os.Remove(e.output))
		}
		r.engines, r.probes = nil, nil
	}()
	if err := errors.Join(r.start(), r.settled()); err != nil {
		for _, e := range r.engines {
			err = errors.Join(err, e.end())
		}
		return err
	}
	before := r.countUnderruns()
	from := time.Now()
	time.Sleep(measureFor)
	r.underruns = r.countUnderruns() - before
	for _, e := range r.engines {
		for _, p := range e.session.Snapshot().Performers {
			r.said = append(r.said, p.Latency)
		}
	}
	time.Sleep(inTime(latencyAtMost + speechSamples)) // for the last pieces to come out
	for _, e := range r.engines {
		if err := e.end(); err != nil {
			return err
		}
	}
	for i, e := range r.engines {
		if err := r.find(r.engines[1-i], e, r.probes[1-i], from); err != nil {
			return err
		}
	}
	return nil
}

func (r *latencyRun) start() error {
	model, err := wasm.RNNoise()
	if err != nil && r.processing.NoiseSuppression {
		return fmt.Errorf("noise suppression: %w; run make setup", err)
	}
	for i, name := range []string{"Ai", "Ben"} {
		p := chirps(probeLength, chirpEvery)
		if r.processing != (session.Processing{}) {
			p = speech(2*r.seed+uint64(i), probeLength)
		}
		input := filepath.Join(r.dir, name+".wav")
		if err := writeProbe(input, p.pcm); err != nil {
			return err
		}
		e, err := startEngine(session.Config{
			Server: r.base, Name: name, Input: "file:" + input, Mode: r.mode, Processing: r.processing, NoiseModel: model,
		}, filepath.Join(r.dir, name+"-heard.wav"))
		if err != nil {
			return err
		}
		r.engines, r.probes = append(r.engines, e), append(r.probes, p)
	}
	return nil
}

func (r *latencyRun) settled() error {
	for _, e := range r.engines {
		if err := e.meets(1); err != nil {
			return err
		}
	}
	r.settling = settle(func() []time.Duration {
		var all []time.Duration
		for _, e := range r.engines {
			all = append(all, e.buffered()...)
		}
		return all
	})
	return nil
}

func (r *latencyRun) countUnderruns() (all int64) {
	for _, e := range r.engines {
		all += e.session.Snapshot().Self.Underruns
	}
	return all
}

// find measures the way from one microphone to the other's loudspeaker.
func (r *latencyRun) find(speaker, listener *engine, p probe, from time.Time) error {
	heard, err := listener.heard()
	if err != nil {
		return err
	}
	if !speaker.capture.known || !listener.render.known {
		return errors.New("a device never started")
	}
	// What a callback takes is counted as taken at the moment at which its first frame begins to play.
	offset := samplesOf(speaker.capture.zero.Sub(listener.render.zero)) - listener.render.period
	first := samplesOf(from.Sub(speaker.capture.zero))
	p.pcm = p.pcm[:first+samplesOf(measureFor)]
	for _, late := range p.latencies(heard, offset, first) {
		r.late = append(r.late, inMS(late))
	}
	r.wanted += samplesOf(measureFor) / p.every
	return nil
}

func inTime(samples int) time.Duration { return time.Duration(samples) * time.Second / rate }

// saidLatency is what the engines themselves measured.
type saidLatency struct{ all, device, network, buffer []float64 }

func (s *saidLatency) add(said []session.Latency) {
	for _, l := range said {
		s.all = append(s.all, l.Total.Seconds()*1000)
		s.device, s.network, s.buffer = append(s.device, l.Device.Seconds()*1000), append(s.network, l.Network.Seconds()*1000), append(s.buffer, l.Buffer.Seconds()*1000)
	}
}

func (s *saidLatency) total() string { return middle(s.all) }

func (s *saidLatency) parts() string {
	return middle(s.device) + " + " + middle(s.network) + " + " + middle(s.buffer)
}

func middle(figures []float64) string {
	_, median, _ := quartiles(figures)
	return ms(median)
}
