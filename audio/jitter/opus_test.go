package jitter

import (
	"math"
	"testing"
	"time"

	"gasso/audio/opus"
)

// The real codec: its concealment, faded by the player, must not click either.
func TestOpusUnderLoss(t *testing.T) {
	const length = 20 * time.Second
	for _, loss := range []float64{0, 0.01, 0.05, 0.10} {
		enc, err := opus.NewEncoder(opus.EncoderConfig{
			Channels: 2, BitrateBPS: 128000, FrameSamples: frame, Complexity: 5, Application: opus.LowDelay,
		})
		if err != nil {
			t.Fatal(err)
		}
		dec, err := opus.NewDecoder(2)
		if err != nil {
			t.Fatal(err)
		}
		coded := map[int64][]byte{}
		pcm, buf := make([]float32, 2*frame), make([]byte, maxPayload)
		for number := int64(0); samplesToTime(number*frame) < length; number++ {
			for i := range frame {
				pcm[2*i] = toneAt(roomStart + number*frame + int64(i))
				pcm[2*i+1] = pcm[2*i]
			}
			n, err := enc.Encode(pcm, buf)
			if err != nil {
				t.Fatal(err)
			}
			coded[number] = append([]byte(nil), buf[:n]...)
		}
		all := network{seed: 5, packet: frame, length: length, delay: usualDelay, dev: 3 * time.Millisecond, loss: loss}.flights()
		for i := range all {
			all[i].payload = coded[all[i].number]
		}
		p := NewPlayer(Config{}, dec)
		heard := listen(p, all, length, frame)
		s := p.Stats()
		step, at := greatestStep(heard)
		ratio := float64(s.ConcealedSamples) / float64(s.PlayedSamples)
		t.Logf("loss %.0f %%: concealed %.2f %%, delay %v, greatest step %.2f slopes", 100*loss, 100*ratio, s.CurrentDelay, step/toneSlope)
		if step > 3*toneSlope {
			t.Errorf("loss %.2f: a click: step of %.3f at sample %d", loss, step, at)
		}
		if math.Abs(ratio-loss) > 0.2*loss+0.005 {
			t.Errorf("loss %.2f: concealed %.4f", loss, ratio)
		}
		if level := rms(heard[sampleRate:]); level < 0.3 {
			t.Errorf("loss %.2f: RMS %.3f", loss, level)
		}
		enc.Close()
		dec.Close()
	}
}

// One frame of 2.5 ms of eight remote performers: 128 kbit/s stereo in packets of 5 ms, jitter, 5 % loss.
func BenchmarkEightPerformers(b *testing.B) {
	const length = 10 * time.Second
	enc, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: 128000, FrameSamples: frame, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer enc.Close()
	var payloads [16][]byte
	pcm := make([]float32, 2*frame)
	for k := range payloads {
		for i := range pcm {
			pcm[i] = toneAt(int64(k*frame+i/2)) + toneAt(int64(7*(k*frame+i/2)))/4
		}
		buf := make([]byte, maxPayload)
		n, err := enc.Encode(pcm, buf)
		if err != nil {
			b.Fatal(err)
		}
		payloads[k] = buf[:n]
	}
	var players [8]*Player
	var flights [8][]flight
	for i := range players {
		dec, err := opus.NewDecoder(2)
		if err != nil {
			b.Fatal(err)
		}
		defer dec.Close()
		players[i] = NewPlayer(Live(), dec)
		flights[i] = network{seed: int64(i), packet: frame, length: length, delay: usualDelay, dev: 3 * time.Millisecond, loss: 0.05}.flights()
	}
	var sent [8]int
	at := time.Duration(0)
	for b.Loop() {
		at += 2500 * time.Microsecond
		for i, p := range players {
			for {
				f, lap := &flights[i][sent[i]%len(flights[i])], int64(sent[i]/len(flights[i]))
				if f.arrival+time.Duration(lap)*length > at {
					break
				}
				first := f.first + lap*int64(length.Seconds()*sampleRate)
				p.Inbox(0).Push(f.number+lap*int64(length.Seconds()*200), first, frame, payloads[f.number%16], simStart.Add(at))
				sent[i]++
			}
			p.Frame(pcm[:frame], simStart.Add(at))
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/2.5e6*100, "%core")
}
