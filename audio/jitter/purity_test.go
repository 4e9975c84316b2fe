package jitter

import (
	"math"
	"testing"
	"time"

	"gasso/audio/audiotest"
)

// stepped plays a tone of any pitch and makes the delay follow an aim that goes up and down.
func stepped(hz float64, length time.Duration, aims ...time.Duration) (heard []float32, s Stats) {
	p := NewPlayer(Config{}, &pitchDecoder{hz: hz})
	all := packets(0, roomStart, int(length/(5*time.Millisecond)), usualDelay)
	pcm := make([]float32, 2*frame)
	for at := 5 * time.Millisecond; at <= length; at += 5 * time.Millisecond {
		for len(all) > 0 && all[0].arrival <= at {
			p.Inbox(0).Push(all[0].number, all[0].first, frame, all[0].payload, simStart.Add(all[0].arrival))
			all = all[1:]
		}
		aim := aims[int(at/(3*time.Second))%len(aims)]
		p.SetTarget(Config{Initial: aim, Min: aim})
		p.Frame(pcm, simStart.Add(at))
		for i := 0; i < len(pcm); i += 2 {
			heard = append(heard, pcm[i])
		}
	}
	return heard, p.Stats()
}

// pitchDecoder is a toneDecoder of another pitch.
type pitchDecoder struct {
	toneDecoder
	hz float64
}

func (d *pitchDecoder) Decode(pcm []float32, payload []byte) (int, error) {
	n, err := d.toneDecoder.Decode(pcm, payload)
	for i := range n {
		at := float64((d.pos - int64(n) + int64(i)) % (sampleRate * 100))
		pcm[2*i] = float32(toneLevel * math.Sin(2*math.Pi*d.hz*at/sampleRate))
		pcm[2*i+1] = pcm[2*i]
	}
	return n, err
}

// Cuts and glides of a tone leave its level alone: no 2.5 ms differ by more than a quarter.
func TestTonesKeepTheirLevelWhenStretched(t *testing.T) {
	for _, hz := range []float64{220, 440, 1000, 3000} {
		heard, s := stepped(hz, 24*time.Second, 20*time.Millisecond, 40*time.Millisecond)
		worst, window := 0.0, sampleRate/400
		for i := sampleRate; i+window <= len(heard); i += window / 4 {
			worst = max(worst, math.Abs(amplitude(heard[i:i+window], hz)/toneLevel-1))
		}
		t.Logf("%.0f Hz: %d stretches, %d samples, greatest error of the level %.1f %%", hz, s.Stretches, s.Stretched, 100*worst)
		if s.Stretches < 8 || s.ConcealedSamples != 0 {
			t.Errorf("%.0f Hz: %d stretches, %d samples concealed", hz, s.Stretches, s.ConcealedSamples)
		}
		if worst > 0.25 {
			t.Errorf("%.0f Hz: a window of 2.5 ms is %.0f %% off its level", hz, 100*worst)
		}
	}
}

// amplitude of a tone by a fit of sine, cosine and a constant.
func amplitude(pcm []float32, hz float64) float64 {
	var ss, sc, cc, vs, vc float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / sampleRate)
		ss += sin * sin
		sc += sin * cos
		cc += cos * cos
		vs += float64(v) * sin
		vc += float64(v) * cos
	}
	det := ss*cc - sc*sc
	return math.Hypot((vs*cc-vc*sc)/det, (vc*ss-vs*sc)/det)
}

// A glide changes the pitch by 0.05 % and adds next to nothing.
func TestGlidesAreClean(t *testing.T) {
	for _, hz := range []float64{440, 1000, 5000} {
		s := newSource(&pitchDecoder{hz: hz}, sampleRate, &counters{})
		s.restart(roomStart)
		for i, f := range packets(0, roomStart, 200, 0) {
			s.accept(int64(i), f.first, frame, f.payload)
		}
		g, pcm := newGlide(), make([]float32, 2*64)
		for s.fill(4 * frame); s.position() < roomStart+3*frame; {
			s.take(pcm[:2*48])
		}
		for _, direction := range []int{1, -1} {
			var heard []float32
			before := s.position()
			if !g.begin(s, direction, 64) {
				t.Fatal("no glide")
			}
			for g.active() {
				n := min(64, glideSamples-g.done)
				g.take(s, pcm[:2*n])
				for i := range n {
					heard = append(heard, pcm[2*i])
				}
			}
			if moved := s.position() - before; moved != glideSamples+int64(direction) {
				t.Errorf("%v Hz: %d samples were taken for %d", hz, moved, glideSamples)
			}
			pitch := hz * (1 + float64(direction)/glideSamples)
			sinad := audiotest.SINADDB(heard, pitch)
			t.Logf("%.0f Hz, %+d: THD+N %.1f dB", hz, direction, -sinad)
			if sinad < 90 {
				t.Errorf("%.0f Hz, %+d: tone is %.1f dB over the rest, want 90", hz, direction, sinad)
			}
		}
	}
}

// wideDecoder plays a tone whose channels are opposite: their sum is silent.
type wideDecoder struct{ pitchDecoder }

func (d *wideDecoder) Decode(pcm []float32, payload []byte) (int, error) {
	n, err := d.pitchDecoder.Decode(pcm, payload)
	for i := range n {
		pcm[2*i+1] = -pcm[2*i]
	}
	return n, err
}

func TestCutsLookAtBothChannels(t *testing.T) {
	const period = 240 // samples of 200 Hz
	s := newSource(&wideDecoder{pitchDecoder{hz: 200}}, sampleRate, &counters{})
	s.restart(roomStart)
	for i, f := range packets(0, roomStart, 20, 0) {
		s.accept(int64(i), f.first, frame, f.payload)
	}
	s.fill(8 * frame)
	s.take(make([]float32, 2*2*frame)) // past the beginning, which is faded in
	if m := likeness(s, period/2); m > -0.99 {
		t.Errorf("half a period away the tone is like itself by %.2f", m)
	}
	if lag, match := bestLag(s, 1, longestCut); lag%period != 0 || match < 0.99 {
		t.Errorf("best cut of %d samples, likeness %.2f", lag, match)
	}
}
