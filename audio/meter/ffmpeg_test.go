package meter

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"gasso/audio/audiotest"
)

// speech is 20 s of two talkers, left and right of each other, with pauses.
func speech() []float32 {
	pcm := make([]float32, 2*20*sampleRate)
	a, b := audiotest.Speech(1, -26, 20*sampleRate), audiotest.Speech(2, -32, 20*sampleRate)
	for i := range a {
		pcm[2*i], pcm[2*i+1] = a[i]+0.4*b[i], 0.4*a[i]+b[i]
	}
	return pcm
}

// music is 20 s of plucked chords that grow louder, hot enough that true peaks exceed the samples.
func music() []float32 {
	pcm := make([]float32, 2*20*sampleRate)
	rnd := rand.New(rand.NewSource(5))
	for note := range 120 {
		hz := 110 * math.Pow(2, float64(rnd.Intn(48))/12)
		pan, level := rnd.Float64(), 0.05+0.25*float64(note)/120
		for i := range sampleRate {
			at := note*sampleRate/6 + i
			if at >= len(pcm)/2 {
				break
			}
			seconds := float64(i) / sampleRate
			v := level * math.Exp(-4*seconds) * math.Sin(2*math.Pi*hz*seconds) * min(1, 500*seconds)
			v += level / 3 * math.Exp(-9*seconds) * math.Sin(2*math.Pi*7*hz*seconds)
			pcm[2*at] += float32(v * (1 - pan))
			pcm[2*at+1] += float32(v * pan)
		}
	}
	return pcm
}

// noise is 12 s of unequal noises that swell.
func noise() []float32 {
	rnd := rand.New(rand.NewSource(7))
	pcm := make([]float32, 2*12*sampleRate)
	last := 0.0
	for i := range len(pcm) / 2 {
		env := math.Pow(math.Sin(float64(i)/sampleRate), 2)
		last = 0.7*last + 0.3*rnd.NormFloat64()
		pcm[2*i], pcm[2*i+1] = float32(0.2*env*last), float32(0.1*env*rnd.NormFloat64())
	}
	return pcm
}

// faded fades 100 ms in and out: where a high tone begins at once, the true peak depends on the
// length of the interpolator.
func faded(pcm []float32) []float32 {
	const fade = 2 * sampleRate / 10
	for i := range fade {
		pcm[i] *= float32(i) / fade
		pcm[len(pcm)-1-i] *= float32(i) / fade
	}
	return pcm
}

// reference is what ffmpeg's ebur128 says of a signal.
type reference struct {
	integrated, peakDB   float64
	momentary, shortTerm []float64 // each 100 ms
}

var (
	stepLine = regexp.MustCompile(`M:\s*(-?[\d.]+)\s+S:\s*(-?[\d.]+)`)
	integral = regexp.MustCompile(`I:\s+(-?[\d.]+) LUFS`)
	peakLine = regexp.MustCompile(`Peak:\s+(-?[\d.]+) dBFS`)
)

// measureWithFFmpeg asks ffmpeg. Its summary has one decimal; M and S of each step have one, too.
func measureWithFFmpeg(t *testing.T, pcm []float32) (r reference) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing; run make setup")
	}
	raw := make([]byte, 4*len(pcm))
	for i, v := range pcm {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(v))
	}
	path := filepath.Join(t.TempDir(), "signal.f32")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ffmpeg, "-hide_banner", "-nostats", "-f", "f32le", "-ar", "48000", "-ac", "2",
		"-i", path, "-af", "ebur128=peak=true:framelog=info", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	number := func(text []byte) float64 {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, step := range stepLine.FindAllSubmatch(out, -1) {
		r.momentary = append(r.momentary, number(step[1]))
		r.shortTerm = append(r.shortTerm, number(step[2]))
	}
	summary := out[max(0, bytes.LastIndex(out, []byte("Summary:"))):]
	i, p := integral.FindSubmatch(summary), peakLine.FindSubmatch(summary)
	if i == nil || p == nil || len(r.momentary) == 0 {
		t.Fatalf("ffmpeg's output lacks a figure:\n%s", out)
	}
	r.integrated, r.peakDB = number(i[1]), number(p[1])
	return r
}

func TestReadingsAgreeWithFFmpeg(t *testing.T) {
	const rounding = 0.051 // ffmpeg prints one decimal
	for name, pcm := range map[string][]float32{
		"speech": speech(), "music": music(), "noise": noise(),
		"1 kHz": faded(tone(1000, -23, 6)), "100 Hz": faded(tone(100, -20, 6)), "10 kHz": faded(tone(10000, -18, 6)),
		"12 kHz, off the samples": faded(tone(12007, -3, 6)), "full-scale 997 Hz": faded(tone(997, 0, 6)),
	} {
		want := measureWithFFmpeg(t, pcm)
		l, p := NewLoudness(2), NewTruePeak(2)
		worstM, worstS := 0.0, 0.0
		for step := range want.momentary {
			if (step+1)*2*stepSamples > len(pcm) {
				break
			}
			frame := pcm[step*2*stepSamples : (step+1)*2*stepSamples]
			l.Process(frame)
			p.Process(frame)
			got := l.Reading()
			if got.Momentary > absoluteGate && step >= momentarySteps {
				worstM = max(worstM, math.Abs(got.Momentary-want.momentary[step]))
			}
			if got.ShortTerm > absoluteGate && step >= shortSteps {
				worstS = max(worstS, math.Abs(got.ShortTerm-want.shortTerm[step]))
			}
		}
		t.Logf("%s: integrated %.2f (ffmpeg %.1f), true peak %.2f (%.1f), momentary off by %.2f, short-term by %.2f",
			name, l.Integrated(), want.integrated, p.PeakDB(), want.peakDB, worstM, worstS)
		near(t, name+" integrated", l.Integrated(), want.integrated, 0.1)
		near(t, name+" true peak", p.PeakDB(), want.peakDB, 0.2)
		near(t, name+" worst momentary error", worstM, 0, 0.1+rounding)
		near(t, name+" worst short-term error", worstS, 0, 0.1+rounding)
	}
}

func TestTruePeakIsBetweenTheSamples(t *testing.T) {
	p := NewTruePeak(2)
	near(t, "true peak of nothing", p.PeakDB(), FloorDB, 0)
	pcm := make([]float32, 2*sampleRate)
	for i := range sampleRate {
		pcm[2*i] = float32(math.Sin(math.Pi/2*float64(i) + math.Pi/4)) // no sample is above -3 dBFS
	}
	faded(pcm)
	p.Process(pcm)
	p.Process([]float32{float32(math.NaN()), float32(math.Inf(-1))})
	near(t, "true peak of a tone", p.PeakDB(), 0, 0.1)
	audiotest.CheckNoAllocs(t, func() { p.Process(pcm) })
}

func TestTruePeakDoesNotDependOnBlocks(t *testing.T) {
	pcm := music()
	whole, pieces := NewTruePeak(2), NewTruePeak(2)
	whole.Process(pcm)
	for rest := pcm; len(rest) > 0; {
		n := min(len(rest), 2*441)
		pieces.Process(rest[:n])
		rest = rest[n:]
	}
	if whole.PeakDB() != pieces.PeakDB() {
		t.Errorf("true peak is %g or %g", whole.PeakDB(), pieces.PeakDB())
	}
}
