package ns

import (
	"testing"

	"gasso/audio/audiotest"
)

// gated suppresses pcm and lets it pass the gate.
func gated(s *Suppressor, g *Gate, pcm []float32) {
	for ; len(pcm) >= FrameSamples; pcm = pcm[FrameSamples:] {
		level := Level(pcm[:FrameSamples])
		voice := s.Process(pcm[:FrameSamples])
		g.Process(pcm[:FrameSamples], level, voice)
	}
}

func TestWhiteNoiseIsCutBeforeTheFirstWordWhichStaysWhole(t *testing.T) {
	const wait = 3 * 48000
	speech := append(make([]float32, wait), audiotest.Speech(1, -26, 4*48000)...)
	pcm := audiotest.Noise(1, -46, len(speech), 1)
	for i, v := range speech {
		pcm[i] += v
	}
	alone := append([]float32(nil), pcm...)
	run(newSuppressor(t), alone)
	before := audiotest.RMSDB(pcm[48000:wait])
	gated(newSuppressor(t), NewGate(), pcm)
	cut := before - audiotest.RMSDB(pcm[48000:wait])
	word := pcm[wait+LatencySamples : wait+LatencySamples+12000]
	whole := alone[wait+LatencySamples : wait+LatencySamples+12000]
	same := audiotest.SignalToErrorDB(whole, word)
	t.Logf("noise before the first word is cut by %.1f dB, the word differs by %.1f dB", cut, same)
	if cut < 25 {
		t.Errorf("noise before the first word is cut by %.1f dB, want at least 25", cut)
	}
	if same < 20 {
		t.Errorf("the first 250 ms of speech are %.1f dB from what they are without the gate, want at least 20", same)
	}
}

func TestGateStaysOpenForSpeechOverHum(t *testing.T) {
	speech := audiotest.Speech(1, -30, 8*48000)
	pcm := audiotest.Tone(50, -14, len(speech), 1) // far louder than the speech
	for i, v := range speech {
		pcm[i] += v
	}
	alone := append([]float32(nil), pcm...)
	run(newSuppressor(t), alone)
	gated(newSuppressor(t), NewGate(), pcm)
	lost := audiotest.RMSDB(alone[2*48000:]) - audiotest.RMSDB(pcm[2*48000:])
	t.Logf("speech under hum is %.1f dB quieter with the gate", lost)
	if lost > 1 {
		t.Errorf("the gate takes %.1f dB of speech under hum", lost)
	}
}

func TestGateAllocatesNothing(t *testing.T) {
	g, pcm := NewGate(), audiotest.Noise(1, -40, FrameSamples, 1)
	audiotest.CheckNoAllocs(t, func() { g.Process(pcm, Level(pcm), 0) })
}
