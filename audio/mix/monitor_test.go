package mix

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
)

// monitorRig is a microphone and a loudspeaker whose callbacks come in blocks of their own and whose
// rates differ by ppm.
type monitorRig struct {
	m          *Monitor
	write, add int
	ppm        float64
	at         int // samples of the loudspeaker so far
	written    int
	heard      []float32 // left
	signal     func(i int) float32
}

// run lets the loudspeaker take so many samples.
func (r *monitorRig) run(samples int) {
	frame, bus := make([]float32, r.write), make([]float32, 2*r.add)
	for end := r.at + samples; r.at < end; {
		r.at += r.add
		for float64(r.written+r.write) <= float64(r.at)*(1+r.ppm*1e-6) {
			for i := range frame {
				frame[i] = r.signal(r.written + i)
			}
			r.m.Write(frame, 1)
			r.written += r.write
		}
		clear(bus)
		r.m.Add(bus)
		r.heard = append(r.heard, audiotest.Channel(bus, 0, 2)...)
	}
}

func newMonitorRig(write, add int, ppm float64) *monitorRig {
	r := &monitorRig{m: NewMonitor(), write: write, add: add, ppm: ppm}
	r.signal = func(i int) float32 { return float32(0.5 * math.Sin(2*math.Pi*440*float64(i)/sampleRate)) }
	return r
}

func TestMonitorPlaysTheMicrophoneSoonAndWithoutGaps(t *testing.T) {
	for _, c := range []struct {
		write, add int
		ppm        float64
		most       int // samples of latency
	}{
		{240, 240, 0, 480}, {120, 480, 0, 800}, {480, 120, 0, 800}, {240, 441, 0, 900}, {128, 240, 0, 650},
		{240, 240, 200, 650}, {240, 240, -200, 650}, {480, 1024, 150, 2100},
	} {
		r := newMonitorRig(c.write, c.add, c.ppm)
		r.m.SetOn(true)
		r.run(120 * sampleRate) // long enough for the blocks of one device to pass those of the other
		r.heard = nil
		r.run(60 * sampleRate)
		latency := r.m.LatencySamples()
		freq := 440 * (1 + c.ppm*1e-6)
		worst := 0.0 // largest second difference: a click bends more than the tone does
		for i := 1; i+1 < len(r.heard); i++ {
			worst = max(worst, math.Abs(float64(r.heard[i-1]-2*r.heard[i]+r.heard[i+1])))
		}
		smooth := 0.5 * math.Pow(2*math.Pi*freq/sampleRate, 2)
		t.Logf("%+v: latency %d samples, curvature %.5f (tone %.5f)", c, latency, worst, smooth)
		if latency > c.most {
			t.Errorf("%+v: latency is %d samples", c, latency)
		}
		if worst > 1.2*smooth {
			t.Errorf("%+v: clicks of %.4f", c, worst)
		}
	}
}

func TestMonitorLatencyIsAsStated(t *testing.T) {
	r := newMonitorRig(240, 240, 0)
	noise := audiotest.Speech(3, -20, 4*sampleRate)
	r.signal = func(i int) float32 { return noise[i%len(noise)] }
	r.m.SetOn(true)
	r.run(4 * sampleRate)
	lag, correlation := audiotest.Delay(noise[2*sampleRate:3*sampleRate], r.heard[2*sampleRate:], 2000)
	// A block is written just before it is added: what waits includes it, its first sample does not wait for it.
	if d := lag + r.add - r.m.LatencySamples(); correlation < 0.98 || d < -48 || d > 48 {
		t.Errorf("lag %d samples (correlation %.2f), stated %d with a block of %d", lag, correlation, r.m.LatencySamples(), r.add)
	}
}

func TestMonitorIsOffAtFirstAndSwitchesWithoutClick(t *testing.T) {
	r := newMonitorRig(240, 240, 0)
	r.run(sampleRate)
	if peak := audiotest.PeakDB(r.heard); peak > -119 || r.m.LatencySamples() != 0 {
		t.Errorf("off, the monitor is heard at %.1f dBFS", peak)
	}
	for range 3 {
		r.m.SetOn(true)
		r.run(sampleRate)
		r.m.SetGainDB(-20)
		r.run(sampleRate)
		if level := audiotest.ToneLevelDB(r.heard[len(r.heard)-sampleRate/2:], 0, 1, 440); math.Abs(level+26.02) > 0.1 {
			t.Errorf("at -20 dB the tone of -6 dBFS is at %.2f dBFS", level)
		}
		r.m.SetGainDB(0)
		r.run(sampleRate)
		r.m.SetOn(false)
		r.run(sampleRate)
	}
	if peak := audiotest.PeakDB(r.heard[len(r.heard)-sampleRate/2:]); peak > -119 {
		t.Errorf("off again, the monitor is heard at %.1f dBFS", peak)
	}
	for i := 1; i < len(r.heard); i++ {
		if step := math.Abs(float64(r.heard[i] - r.heard[i-1])); step > 0.05 { // the tone itself steps 0.029
			t.Fatalf("a step of %.3f at %.3f s", step, float64(i)/sampleRate)
		}
	}
}

func TestMonitorSurvivesAMicrophoneThatStops(t *testing.T) {
	r := newMonitorRig(240, 240, 0)
	r.m.SetOn(true)
	r.run(2 * sampleRate)
	r.written = math.MaxInt32 // nothing is written any more
	r.heard = nil
	r.run(2 * sampleRate)
	if peak := audiotest.PeakDB(r.heard[sampleRate:]); peak > -119 {
		t.Errorf("without a microphone there is sound at %.1f dBFS", peak)
	}
	r.written = r.at
	r.run(3 * sampleRate)
	if level := audiotest.ToneLevelDB(r.heard[len(r.heard)-sampleRate:], 0, 1, 440); math.Abs(level+6.02) > 0.1 {
		t.Errorf("back again, the tone of -6 dBFS is at %.2f dBFS", level)
	}
}

func TestMonitorAllocatesNothing(t *testing.T) {
	m := NewMonitor()
	m.SetOn(true)
	frame, bus := make([]float32, 240), make([]float32, 480)
	for range 200 {
		m.Write(frame, 1)
		m.Add(bus)
	}
	audiotest.CheckNoAllocs(t, func() {
		m.Write(frame, 1)
		m.Write(bus, 2)
		m.Add(bus)
	})
}
