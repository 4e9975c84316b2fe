package voice

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/jitter"
	"gasso/audio/opus"
	"gasso/audio/resample"
	"gasso/internal/bench/table"
)

const (
	purityGoalDB  = -90
	packetSamples = 240
	frameSamples  = 60  // of the playout
	windowSamples = 120 // 2.5 ms
	crossFade     = 240 // from what is invented to what returns: part of the concealment
	greatestError = 25  // percent of the amplitude in a window
	roomStart     = int64(1_790_000_000) * rate
)

// Purity measures how clean tones stay: in the resampler, and in the player's stretching and concealment.
func Purity(w io.Writer) error {
	t := table.New(w, fmt.Sprintf("purity (tones at -6 dBFS, seed %d)", seed), "stage", "tone, Hz", "figure")
	for _, c := range []struct {
		name  string
		ratio float64
	}{
		{"resampler, 44.1 to 48 kHz", 48000.0 / 44100},
		{"resampler, +300 ppm", 1 + 300e-6},
		{"resampler, -300 ppm", 1 - 300e-6},
	} {
		for _, hz := range []float64{100, 997, 10000} {
			db := resamplerPurity(c.ratio, hz)
			t.Row([]string{c.name, fmt.Sprintf("%.0f", hz), "THD+N, dB"}, fmt.Sprintf("<= %d", purityGoalDB), fmt.Sprintf("%.1f", db), db <= purityGoalDB)
		}
	}
	for _, c := range journeys() {
		for _, hz := range []float64{440, 997, 3000} {
			r, err := c.listen(hz)
			if err != nil {
				return err
			}
			cells := []string{c.name, fmt.Sprintf("%.0f", hz), fmt.Sprintf("windows of 2.5 ms with more than %d %% amplitude error", greatestError)}
			t.Row(cells, "0 outside concealment", fmt.Sprintf("%d of %d (worst %.0f %%); %.2f %% concealed", r.bad, r.windows, r.worst, r.concealed), r.bad == 0)
		}
	}
	return t.Err()
}

// resamplerPurity is what is not the tone, in dB below it.
func resamplerPurity(ratio, hz float64) float64 {
	src := make([]float32, 2*rate)
	for i := range src {
		src[i] = float32(0.5 * math.Sin(2*math.Pi*hz*ratio*float64(i)/rate))
	}
	dst := make([]float32, int(1.5*rate))
	written, _ := resample.New(1, ratio).Process(dst, src)
	return -audiotest.SINADDB(dst[1000:written], hz)
}

// journey is how packets of 5 ms travel to a player whose clock may differ.
type journey struct {
	name  string
	loss  float64
	ppm   float64                                  // by which the player's clock runs faster
	delay func(i int, rnd *rand.Rand) (ms float64) // of packet i
}

func journeys() []journey {
	return []journey{
		{"player, delay steps from 10 to 35 ms and back", 0, 0, func(i int, _ *rand.Rand) float64 {
			if i/1600%2 == 1 {
				return 35
			}
			return 10
		}},
		{"player, jitter of 3 ms, clocks apart by +200 ppm", 0, 200, func(_ int, rnd *rand.Rand) float64 { return 10 + math.Abs(3*rnd.NormFloat64()) }},
		{"player, jitter of 3 ms, clocks apart by -200 ppm", 0, -200, func(_ int, rnd *rand.Rand) float64 { return 10 + math.Abs(3*rnd.NormFloat64()) }},
		{"player, 5 % lost", 0.05, 0, func(_ int, rnd *rand.Rand) float64 { return 10 + math.Abs(rnd.NormFloat64()) }},
	}
}

// heard is what a listener got.
type heard struct {
	windows, bad     int
	worst, concealed float64 // percent
}

// listen lets a tone travel for 40 s, encoded by Opus.
func (j journey) listen(hz float64) (heard, error) {
	const packets = 8000
	encoder, err := opus.NewEncoder(opus.EncoderConfig{Channels: 2, BitrateBPS: 256000, FrameSamples: packetSamples, Complexity: 5, Application: opus.LowDelay, Independent: true})
	if err != nil {
		return heard{}, fmt.Errorf("open encoder: %w", err)
	}
	defer encoder.Close()
	decoder, err := opus.NewDecoder(2)
	if err != nil {
		return heard{}, fmt.Errorf("open decoder: %w", err)
	}
	defer decoder.Close()
	rnd := rand.New(rand.NewPCG(seed, uint64(hz)))
	player := jitter.NewPlayer(jitter.Live(), decoder)
	arrivals := make([][]byte, 0, packets)
	moments := make([]time.Duration, 0, packets)
	pcm := make([]float32, 2*packetSamples)
	for i := range packets {
		for k := range packetSamples {
			v := float32(0.5 * math.Sin(2*math.Pi*math.Mod(hz*float64(i*packetSamples+k)/rate, 1)))
			pcm[2*k], pcm[2*k+1] = v, v
		}
		payload := make([]byte, 1500)
		n, err := encoder.Encode(pcm, payload)
		if err != nil {
			return heard{}, fmt.Errorf("encode tone: %w", err)
		}
		moment := time.Duration((float64((i+1)*packetSamples)/rate + j.delay(i, rnd)/1000) * float64(time.Second))
		if rnd.Float64() < j.loss {
			payload, n = nil, 0
		}
		arrivals, moments = append(arrivals, payload[:n]), append(moments, moment)
	}
	return j.play(player, arrivals, moments, hz), nil
}

// play lets the player fetch frames on its own clock and looks at what comes after 5 s.
func (j journey) play(player *jitter.Player, arrivals [][]byte, moments []time.Duration, hz float64) (r heard) {
	start := time.Unix(1_790_000_000, 0)
	var mono []float32
	var invented []span
	pcm := make([]float32, 2*frameSamples)
	next, was, missing := 0, int64(0), int64(0)
	for f := 0; next < len(arrivals); f++ {
		now := time.Duration(float64((f+1)*frameSamples) / (rate * (1 + j.ppm*1e-6)) * float64(time.Second))
		for ; next < len(moments) && moments[next] <= now; next++ {
			if len(arrivals[next]) > 0 {
				player.Inbox(0).Push(int64(next), roomStart+int64(next*packetSamples), packetSamples, arrivals[next], start.Add(moments[next]))
			}
		}
		player.Frame(pcm, start.Add(now))
		mono = append(mono, audiotest.Channel(pcm, 0, 2)...)
		if is := player.Stats().ConcealedSamples; is != was { // that many, up to the last frame's end
			invented = append(invented, span{len(mono) - frameSamples - int(is-was), len(mono) + crossFade})
			missing += is - was
			was = is
		}
	}
	r.concealed = 100 * float64(missing) / float64(len(mono))
	for at := 5 * rate; at+windowSamples <= len(mono); at += windowSamples {
		for len(invented) > 0 && invented[0].end <= at {
			invented = invented[1:]
		}
		if len(invented) > 0 && invented[0].begin < at+windowSamples {
			continue
		}
		off := 100 * math.Abs(toneAmplitude(mono[at:at+windowSamples], hz)/0.5-1)
		r.windows++
		r.worst = max(r.worst, off)
		if off > greatestError {
			r.bad++
		}
	}
	return r
}

// span is a part of what is heard, in samples.
type span struct{ begin, end int }

// toneAmplitude is that of the sine of hz that fits best.
func toneAmplitude(window []float32, hz float64) float64 {
	var cc, ss, cs, cv, sv float64
	for i, v := range window {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / rate)
		cc, ss, cs = cc+cos*cos, ss+sin*sin, cs+cos*sin
		cv, sv = cv+cos*float64(v), sv+sin*float64(v)
	}
	det := cc*ss - cs*cs
	return math.Hypot((cv*ss-sv*cs)/det, (sv*cc-cv*cs)/det)
}
