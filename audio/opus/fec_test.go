package opus

import (
	"errors"
	"math"
	"testing"

	"gasso/audio/audiotest"
)

func safeSpeech(bitrate, loss int, fec bool) EncoderConfig {
	return EncoderConfig{Channels: 1, BitrateBPS: bitrate, FrameSamples: 480, Complexity: 9, Application: VoIP, LossPercent: loss, FEC: fec}
}

// hearWithLoss decodes with each seventh packet lost, and rebuilt from the one behind it when that works.
func hearWithLoss(t *testing.T, cfg EncoderConfig, in []float32) (errDB float64, lost, recovered int) {
	t.Helper()
	e, d := newPair(t, cfg)
	_, clean := newPair(t, cfg)
	packets := encodeAll(t, e, in)
	pcm, want := make([]float32, 480), make([]float32, 480)
	var signal, noise float64
	for i, packet := range packets {
		if _, err := clean.Decode(want, packet); err != nil {
			t.Fatal(err)
		}
		if i%7 != 5 || i+1 == len(packets) {
			if _, err := d.Decode(pcm, packet); err != nil {
				t.Fatal(err)
			}
			continue
		}
		lost++
		if d.Recover(pcm, packets[i+1]) == nil {
			recovered++
		} else if err := d.Conceal(pcm); err != nil {
			t.Fatal(err)
		}
		for k := range pcm {
			signal += float64(want[k]) * float64(want[k])
			noise += float64(want[k]-pcm[k]) * float64(want[k]-pcm[k])
		}
	}
	return 10 * math.Log10(noise/signal), lost, recovered
}

func TestCopiesRebuildLostSpeech(t *testing.T) {
	in := audiotest.Speech(1, -20, 10*SampleRate)
	for _, bitrate := range []int{32000, 96000} {
		plain, _, none := hearWithLoss(t, safeSpeech(bitrate, 10, false), in)
		rebuilt, lost, recovered := hearWithLoss(t, safeSpeech(bitrate, 10, true), in)
		t.Logf("%d bit/s: lost packets differ by %.1f dB concealed, %.1f dB rebuilt; %d of %d had a copy", bitrate, plain, rebuilt, recovered, lost)
		if none != 0 {
			t.Errorf("%d bit/s: %d packets rebuilt without FEC", bitrate, none)
		}
		if recovered < lost/2 || rebuilt > plain-4 {
			t.Errorf("%d bit/s: %.1f dB with FEC, %.1f dB without, want 4 dB less", bitrate, rebuilt, plain)
		}
	}
}

func TestNothingIsRecoveredWithoutACopy(t *testing.T) {
	e, d := newPair(t, music(2, 480)) // CELT has none
	packets := encodeAll(t, e, audiotest.Tone(440, -12, SampleRate/10, 2))
	for _, payload := range [][]byte{nil, {}, {0}, {0, 0}, {0xff, 0xff, 0xff}, packets[3]} {
		if d.Recover(make([]float32, 2*480), payload) == nil {
			t.Errorf("something is recovered from % x", payload[:min(len(payload), 4)])
		}
	}
	d.Close()
	if err := d.Recover(make([]float32, 2*480), packets[3]); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
