package meter

import (
	"math"
	"math/rand"
	"testing"
)

// tone returns seconds of a stereo sine at a peak level in dBFS.
func tone(hz, db, seconds float64) []float32 {
	pcm := make([]float32, 2*int(seconds*sampleRate))
	a := math.Pow(10, db/20)
	for i := range len(pcm) / 2 {
		v := float32(a * math.Sin(2*math.Pi*hz*float64(i)/sampleRate))
		pcm[2*i], pcm[2*i+1] = v, v
	}
	return pcm
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s is %.3f, want %.3f ± %.3f", what, got, want, within)
	}
}

func TestMeterReadsTone(t *testing.T) {
	m := New(2)
	near(t, "peak of silence", m.Level().PeakDB, FloorDB, 0)
	m.Process(tone(1000, -6, 2))
	near(t, "peak", m.Level().PeakDB, -6, 0.1)
	near(t, "RMS", m.Level().RMSDB, -9.03, 0.1)
	m.Process(make([]float32, 2*sampleRate))
	near(t, "peak after a second of silence", m.Level().PeakDB, -26, 0.2)
	m.Process(make([]float32, 2*30*sampleRate))
	near(t, "peak after long silence", m.Level().PeakDB, FloorDB, 0)
	near(t, "RMS after long silence", m.Level().RMSDB, FloorDB, 0)
}

func TestMeterIgnoresWhatIsNoNumber(t *testing.T) {
	m, l := New(2), NewLoudness(2)
	bad := []float32{float32(math.NaN()), float32(math.Inf(1)), 0.5, 0.5}
	m.Process(bad)
	l.Process(bad)
	near(t, "peak", m.Level().PeakDB, -6.02, 0.1)
	l.Process(tone(1000, -20, 1))
	near(t, "momentary", l.Momentary(), -20, 0.2)
}

func TestBlockSizeDoesNotMatter(t *testing.T) {
	pcm := tone(440, -12, 1.2345)
	whole, pieces := New(2), New(2)
	loud, loudPieces := NewLoudness(2), NewLoudness(2)
	whole.Process(pcm)
	loud.Process(pcm)
	rnd := rand.New(rand.NewSource(1))
	for len(pcm) > 0 {
		n := min(len(pcm), 2*rnd.Intn(1000))
		pieces.Process(pcm[:n])
		loudPieces.Process(pcm[:n])
		pcm = pcm[n:]
	}
	if whole.Level() != pieces.Level() {
		t.Errorf("levels differ: %v and %v", whole.Level(), pieces.Level())
	}
	if loud.Integrated() != loudPieces.Integrated() || loud.Momentary() != loudPieces.Momentary() {
		t.Error("loudness depends on the block size")
	}
}

func TestProcessAllocatesNothing(t *testing.T) {
	m, l, pcm := New(2), NewLoudness(2), tone(440, -12, 0.01)
	if n := testing.AllocsPerRun(100, func() { m.Process(pcm); l.Process(pcm) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The cases 1 to 5 of EBU Tech 3341: sequences of a 1000 Hz stereo tone.
func TestIntegratedLoudnessOfTech3341(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts [][2]float64 // dBFS, seconds
		want  float64
	}{
		{"case 1", [][2]float64{{-23, 20}}, -23},
		{"case 2", [][2]float64{{-33, 20}}, -33},
		{"case 3", [][2]float64{{-36, 10}, {-23, 60}, {-36, 10}}, -23},
		{"case 4", [][2]float64{{-72, 10}, {-36, 10}, {-23, 60}, {-36, 10}, {-72, 10}}, -23},
		{"case 5", [][2]float64{{-26, 20}, {-20, 20.1}, {-26, 20}}, -23},
	} {
		l := NewLoudness(2)
		for _, p := range c.parts {
			l.Process(tone(1000, p[0], p[1]))
		}
		near(t, c.name+" integrated", l.Integrated(), c.want, 0.1)
	}
}

func TestMomentaryAndShortTerm(t *testing.T) {
	l := NewLoudness(2)
	l.Process(tone(1000, -23, 3))
	near(t, "momentary", l.Momentary(), -23, 0.1)
	near(t, "short-term", l.ShortTerm(), -23, 0.1)
	l.Process(tone(1000, -33, 0.5))
	near(t, "momentary after a change", l.Momentary(), -33, 0.1)
}
