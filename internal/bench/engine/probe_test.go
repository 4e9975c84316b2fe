package engine

import (
	"math"
	"testing"
	"time"

	"gasso/app/session"
	"gasso/audio/audiotest"
	"gasso/audio/device"
	"gasso/audio/ring"
)

func TestProbesFindHowLateTheyAreHeard(t *testing.T) {
	for name, p := range map[string]probe{"chirps": chirps(4*time.Second, chirpEvery), "speech": speech(1, 4*time.Second)} {
		const offset, late = 700, 431
		heard := audiotest.Noise(2, -50, offset+late+len(p.pcm)+latencyAtMost, 1)
		for i, v := range p.pcm {
			heard[offset+late+i] += 0.5 * v
		}
		found := p.latencies(heard, offset, 0)
		if len(found) < 10 {
			t.Fatalf("%s: %d pieces are found", name, len(found))
		}
		for _, got := range found {
			if got != late {
				t.Errorf("%s: heard %v samples late, want %d", name, got, late)
			}
		}
		if got := p.latencies(audiotest.Noise(3, -20, len(heard), 1), offset, 0); len(got) > 0 {
			t.Errorf("%s: %d pieces are found in noise", name, len(got))
		}
	}
}

func TestLagsOfARecording(t *testing.T) {
	said := append(make([]float32, 5000), chirps(6*time.Second, cableEvery).pcm...)
	heard := append(make([]float32, 960), said...)
	lags := lagsOf(said, heard[:len(said)])
	if len(lags) < 10 {
		t.Fatalf("%d chirps are found", len(lags))
	}
	for _, got := range lags {
		if got != 20 {
			t.Errorf("heard %v ms late, want 20", got)
		}
	}
	if got := lagsOf(said, make([]float32, len(said))); len(got) > 0 {
		t.Errorf("%d chirps are found in silence", len(got))
	}
}

func TestADeviceBeganWhenItsEarliestStampSays(t *testing.T) {
	begin := time.Now()
	var c deviceClock
	c.observe(session.Position{})
	for frames, late := range map[int64]time.Duration{4800: 900 * time.Microsecond, 48000: 40 * time.Microsecond, 96000: 5 * time.Millisecond} {
		c.observe(session.Position{Stamp: ring.Stamp{Frames: frames, At: begin.Add(inTime(int(frames)) + late)}, PeriodSamples: 60})
	}
	if got := c.zero.Sub(begin); !c.known || got != 40*time.Microsecond || c.period != 60 {
		t.Errorf("it began %v after its begin, with periods of %d", got, c.period)
	}
}

func TestWhoseFaultAnUnderrunIs(t *testing.T) {
	var s starved
	for _, now := range []device.Stats{
		{Callbacks: 10, Underruns: 4, Starved: 3, LateCallbacks: 1}, // before it was watched
		{Callbacks: 20, Underruns: 5, Starved: 4, LateCallbacks: 1},
		{Callbacks: 30, Underruns: 7, Starved: 4, LateCallbacks: 2, WorstLateness: time.Second},
		{Callbacks: 40, Underruns: 7, Starved: 4, LateCallbacks: 3},
	} {
		s.look(now)
	}
	if s.ours() != 1 || s.others() != 2 || s.lateCalls() != 2 || s.worst != time.Second {
		t.Errorf("%+v", s)
	}
}

func TestQuartiles(t *testing.T) {
	lower, median, upper := quartiles([]float64{5, 1, 4, 2, 3})
	if lower != 2 || median != 3 || upper != 4 {
		t.Errorf("%v %v %v", lower, median, upper)
	}
	if _, median, _ := quartiles(nil); median != 0 || math.IsNaN(median) {
		t.Errorf("the median of nothing is %v", median)
	}
}

func TestBuffersSettle(t *testing.T) {
	var s stillness
	begin, ms := time.Unix(1000, 0), time.Millisecond
	for i, c := range []struct {
		after   time.Duration
		figures []time.Duration
		still   bool
	}{
		{0, []time.Duration{9 * ms, 3 * ms}, false},
		{900 * ms, []time.Duration{9 * ms, 3 * ms}, false},
		{1000 * ms, []time.Duration{9*ms - settleNear - 1, 3 * ms}, false}, // the first has come down
		{1950 * ms, []time.Duration{9 * ms, 3 * ms}, false},                // and is up again
		{2500 * ms, []time.Duration{9 * ms, 3*ms + settleNear}, false},
		{2600 * ms, []time.Duration{9 * ms}, false}, // somebody left
		{3600 * ms, []time.Duration{9*ms - settleNear}, true},
	} {
		if got := s.look(begin.Add(c.after), c.figures); got != c.still {
			t.Errorf("look %d after %v: still %v", i, c.after, got)
		}
	}
}
