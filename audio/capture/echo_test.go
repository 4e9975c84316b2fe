//go:build aec3

package capture

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
	"gasso/audio/ring"
)

// echoRig is a loudspeaker beside the simulated microphone. Its device plays what it has taken after
// delaySamples, and its rate differs from the microphone's by ppm.
type echoRig struct {
	far    []float32
	ring   *ring.Ring
	period int
	ppm    float64
	played float64 // far frames that the callback should have taken by now
	taken  int
}

// tick lets so many microphone samples pass.
func (r *echoRig) tick(samples int) {
	r.played += float64(samples) * (1 + r.ppm*1e-6)
	for r.taken+r.period <= int(r.played) {
		stereo := make([]float32, 2*r.period)
		for i := range r.period {
			x := r.far[(r.taken+i)%len(r.far)]
			stereo[2*i], stereo[2*i+1] = x, x
		}
		r.ring.Write(stereo)
		r.taken += r.period
	}
}

// echo is what the microphone picks up at one of its frames.
func (r *echoRig) echo(frame int64, delay int) float32 {
	at := (float64(frame) - float64(delay)) * (1 + r.ppm*1e-6)
	if at < 1 {
		return 0
	}
	whole, part := int(at), float32(at-math.Floor(at))
	a, b := r.far[whole%len(r.far)], r.far[(whole+1)%len(r.far)]
	return 0.5 * (a + part*(b-a))
}

func TestEchoIsCancelledInThePackets(t *testing.T) {
	for _, test := range []struct {
		delayMS, period int
		ppm             float64
	}{{20, 240, 0}, {40, 480, 0}, {120, 480, 150}, {40, 1024, -150}} {
		rig := &echoRig{far: audiotest.Speech(7, -20, 40*48000), ring: ring.New(16384, 2), period: test.period, ppm: test.ppm}
		m := newFakeSource(func(f int64) float32 { return rig.echo(f, test.delayMS*48) })
		cfg := testConfig(m, 2, 240)
		cfg.Far = rig.ring
		s := simulate(t, m, cfg)
		s.before = func() { rig.tick(240) }
		s.run(4)
		open, _ := s.run(6)
		if err := s.mic.SetProcessing(Processing{EchoCancellation: true}); err != nil {
			t.Fatal(err)
		}
		s.run(10)
		cancelled, _ := s.run(9)
		got := audiotest.RMSDB(open) - audiotest.RMSDB(cancelled)
		stats := s.mic.Stats()
		t.Logf("%+v: echo is %.1f dB quieter; far end padded %d, dropped %d", test, got, stats.FarPadded, stats.FarDropped)
		if got < 25 {
			t.Errorf("%+v: echo is %.1f dB quieter, want at least 25", test, got)
		}
	}
}

func TestFarEndStaysAlignedWhenDevicesDrift(t *testing.T) {
	rig := &echoRig{far: audiotest.Speech(7, -20, 40*48000), ring: ring.New(16384, 2), period: 480, ppm: 250}
	m := newFakeSource(nil)
	cfg := testConfig(m, 1, 480)
	cfg.Far = rig.ring
	cfg.Processing.EchoCancellation = true
	s := simulate(t, m, cfg)
	s.before = func() { rig.tick(240) }
	s.run(60)
	was := s.mic.Stats()
	least, most := math.MaxInt, 0
	s.before = func() {
		rig.tick(240)
		n := rig.ring.Len()
		least, most = min(least, n), max(most, n)
	}
	s.run(60)
	stats := s.mic.Stats()
	t.Logf("backlog %d to %d samples; padded %d, dropped %d", least, most, stats.FarPadded, stats.FarDropped)
	if stats.FarDropped != was.FarDropped || stats.FarPadded != was.FarPadded {
		t.Errorf("after settling %d samples were dropped, %d padded", stats.FarDropped-was.FarDropped, stats.FarPadded-was.FarPadded)
	}
	if most > 2400 {
		t.Errorf("up to %d samples of the far end wait, want at most 2400", most)
	}
}

func TestNearSpeechStaysWithEchoCancellation(t *testing.T) {
	speech := audiotest.Speech(1, -24, 20*48000)
	m := newFakeSource(play(speech))
	cfg := testConfig(m, 2, 240)
	cfg.Far = ring.New(16384, 2)
	cfg.Engines = NewEngines(model(t))
	cfg.Processing = Processing{EchoCancellation: true, NoiseSuppression: true}
	s := simulate(t, m, cfg)
	heard, first := s.run(8)
	offset := int(first - roomSample(m.start))
	mono := audiotest.Channel(heard, 0, 2)
	lag, correlation := audiotest.Delay(speech[offset+3*48000+240:offset+5*48000+240], mono[3*48000:5*48000], 480)
	lost := audiotest.RMSDB(speech[offset+3*48000:offset+7*48000]) - audiotest.RMSDB(mono[3*48000:7*48000])
	t.Logf("off by %d samples, correlation %.2f, lost %.1f dB, %d samples of delay", lag-240, correlation, lost, s.mic.Stats().ProcessingSamples)
	if lag < 210 || lag > 270 || math.Abs(lost) > 3 {
		t.Errorf("speech is off by %d samples and lost %.1f dB", lag-240, lost)
	}
}
