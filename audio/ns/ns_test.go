package ns

import (
	"math"
	"testing"

	"gasso/assets/wasm"
	"gasso/audio/audiotest"
)

func module(t testing.TB) []byte {
	t.Helper()
	m, err := wasm.RNNoise()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newSuppressor(t testing.TB) *Suppressor {
	t.Helper()
	s, err := New(module(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// run suppresses all of pcm and returns the voice probability of each frame.
func run(s *Suppressor, pcm []float32) (voice []float64) {
	for ; len(pcm) >= FrameSamples; pcm = pcm[FrameSamples:] {
		voice = append(voice, s.Process(pcm[:FrameSamples]))
	}
	return voice
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// TestNoiseIsCutInGaps also shows a trait of the model: white noise is only recognized once it has
// heard speech, so the measurement follows some.
func TestNoiseIsCutInGaps(t *testing.T) {
	s := newSuppressor(t)
	const gap = 5 * 48000
	pcm := audiotest.Noise(1, -40, gap+5*48000, 1)
	for i, x := range audiotest.Speech(1, -24, gap) {
		pcm[i] += x
	}
	before := audiotest.RMSDB(pcm[gap+24000:])
	voice := run(s, pcm)
	after := audiotest.RMSDB(pcm[gap+24000:])
	t.Logf("noise %.1f dB -> %.1f dB, voice %.2f", before, after, mean(voice[gap/480+50:]))
	if before-after < 25 {
		t.Errorf("noise was cut by %.1f dB, want at least 25", before-after)
	}
	if v := mean(voice[gap/480+50:]); v > 0.1 {
		t.Errorf("voice probability of noise is %.2f, want at most 0.1", v)
	}
}

func TestSpeechStaysAndIsDelayedByTheLatency(t *testing.T) {
	s := newSuppressor(t)
	speech := audiotest.Speech(1, -24, 8*48000)
	pcm := append([]float32(nil), speech...)
	voice := run(s, pcm)
	lag, _ := audiotest.Delay(speech[2*48000:4*48000], pcm[2*48000:4*48000], 2000)
	lost := audiotest.RMSDB(speech[2*48000:]) - audiotest.RMSDB(pcm[2*48000:])
	t.Logf("speech lost %.1f dB, lag %d samples, voice %.2f", lost, lag, mean(voice))
	if lag < LatencySamples-4 || lag > LatencySamples+4 {
		t.Errorf("delay is %d samples, LatencySamples says %d", lag, LatencySamples)
	}
	if math.Abs(lost) > 3 {
		t.Errorf("speech changed by %.1f dB, want at most 3", lost)
	}
	if mean(voice) < 0.4 {
		t.Errorf("voice probability of speech is %.2f, want at least 0.4", mean(voice))
	}
}

func TestProcessAllocatesNothing(t *testing.T) {
	s := newSuppressor(t)
	pcm := audiotest.Noise(2, -30, FrameSamples, 1)
	audiotest.CheckNoAllocs(t, func() { s.Process(pcm) })
}

func TestWhatIsNoModuleIsRefused(t *testing.T) {
	empty := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	for name, wasm := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "empty module": empty} {
		if s, err := New(wasm); err == nil {
			s.Close()
			t.Errorf("%s: want an error", name)
		}
	}
}

func BenchmarkProcess(b *testing.B) {
	s := newSuppressor(b)
	pcm := audiotest.Noise(2, -30, FrameSamples, 1)
	for b.Loop() {
		s.Process(pcm)
	}
}
