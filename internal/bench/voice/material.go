// Package voice measures the microphone's processing: echo, noise, level, cost and delay (table voice),
// and how clean tones stay in resampler, stretching and concealment (table purity).
package voice

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gasso/audio/audiotest"
	"gasso/internal/material"
)

const (
	rate  = audiotest.Rate
	block = rate / 100 // AEC3 and RNNoise work on 10 ms
	seed  = 20
)

// nearText and farText are what the performer and the one in the loudspeaker say.
const (
	nearText = "Let us begin with the second verse, and take it a little slower than yesterday. I will count four bars, then you come in with the melody. " +
		"When the chorus returns, please hold the last note until I nod. Does everybody have the new pages? The bridge was too loud last time, so start it softly. " +
		"Afterwards we will listen to the recording together and choose the best take."
	farText = "My microphone stands beside the window, so you may hear a car pass by. The weather is fine here, and the whole street is out for a walk. " +
		"I have changed the strings this morning, and they still go flat after a while. Give me a moment to tune before we start again. " +
		"The tempo felt right to me, but the ending came as a surprise. Shall we try it once more from the top?"
)

// speech is the voices of all measurements.
type speech struct {
	near, far []float32 // mono, active level 0 dBFS; repeat them
	crowd     [][]float32
}

func newSpeech(ctx context.Context) (*speech, error) {
	s := &speech{}
	for _, v := range []struct {
		name         string
		pitch, speed int
		text         string
		to           *[]float32
	}{
		{"en-us+f2", 55, 155, nearText, &s.near},
		{"en-gb+m3", 42, 160, farText, &s.far},
	} {
		pcm, err := material.Say(ctx, v.name, v.pitch, v.speed, v.text)
		if err != nil {
			return nil, err
		}
		*v.to = normalised(pcm)
	}
	for i, name := range []string{"en-us+f1", "en-us+m1", "en-gb+f3", "en-gb+m4", "en-us+m7", "en-gb+f4"} {
		text := nearText
		if i%2 == 0 {
			text = farText
		}
		pcm, err := material.Say(ctx, name, 35+8*i, 140+9*i, text)
		if err != nil {
			return nil, fmt.Errorf("make babble: %w", err)
		}
		s.crowd = append(s.crowd, normalised(pcm))
	}
	return s, nil
}

// normalised brings speech to an active level of 0 dBFS (RMS of what is within 25 dB of the loudest 10 ms).
func normalised(pcm []float32) []float32 {
	return scaled(pcm, -activeLevelDB(pcm))
}

func scaled(pcm []float32, db float64) []float32 {
	gain := float32(math.Pow(10, db/20))
	out := make([]float32, len(pcm))
	for i, v := range pcm {
		out[i] = gain * v
	}
	return out
}

// looped repeats pcm from a place on, at a level, until there are so many samples.
func looped(pcm []float32, from, samples int, db float64) []float32 {
	out := make([]float32, samples)
	gain := float32(math.Pow(10, db/20))
	for i := range out {
		out[i] = gain * pcm[(from+i)%len(pcm)]
	}
	return out
}

// silenced is pcm with nothing in the given part.
func silenced(pcm []float32, from, to int) []float32 {
	clear(pcm[from:to])
	return pcm
}

func sum(a, b []float32) []float32 {
	out := make([]float32, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] + b[i]
	}
	return out
}

// clipped is what a converter makes of pcm.
func clipped(pcm []float32) []float32 {
	for i, v := range pcm {
		pcm[i] = min(max(v, -1), 1)
	}
	return pcm
}

// room is an impulse response: the direct sound late by delay samples and a tail of noise that decays by
// 60 dB in reverberation seconds; its energy is 1.
func room(seed uint64, delay int, reverberation float64) []float64 {
	rnd := rand.New(rand.NewPCG(seed, 5))
	h := make([]float64, delay+int(reverberation*rate))
	h[delay] = 1
	for i := delay + 40; i < len(h); i++ {
		h[i] = 0.08 * rnd.NormFloat64() * math.Pow(10, -3*float64(i-delay)/(reverberation*rate))
	}
	energy := 0.0
	for _, v := range h {
		energy += v * v
	}
	for i := range h {
		h[i] /= math.Sqrt(energy)
	}
	return h
}

// noises are the five of the table, RMS at 0 dBFS while they last.
func noises(s *speech, samples int) []namedNoise {
	white := audiotest.Noise(seed, 0, samples, 1)
	return []namedNoise{
		{"white", white, 32},
		{"pink", pink(samples), 0},
		{"room hum", hum(samples), 32},
		{"babble of six", babble(s.crowd, samples), 9},
		{"keyboard clicks", clicks(samples), 0},
	}
}

type namedNoise struct {
	name    string
	pcm     []float32
	goalCut float64 // dB in FACTS; 0: only no worse than RNNoise alone
}

// pink is noise that falls by 3 dB an octave (P. Kellet's filter, three poles).
func pink(samples int) []float32 {
	rnd := rand.New(rand.NewPCG(seed, 6))
	out := make([]float32, samples)
	var a, b, c float64
	for i := range out {
		w := rnd.NormFloat64()
		a = 0.99765*a + w*0.0990460
		b = 0.96300*b + w*0.2965164
		c = 0.57000*c + w*1.0526913
		out[i] = float32(a + b + c + w*0.1848)
	}
	return levelled(out)
}

// hum is mains hum with its harmonics and the rush of a fan.
func hum(samples int) []float32 {
	rnd := rand.New(rand.NewPCG(seed, 7))
	out := make([]float32, samples)
	low := 0.0
	for i := range out {
		low += 0.06 * (rnd.NormFloat64() - low)
		v := 3 * low
		for k := 1; k <= 7; k++ {
			v += 0.5 / float64(k) * math.Sin(2*math.Pi*50*float64(k)*float64(i)/rate+float64(k))
		}
		out[i] = float32(v)
	}
	return levelled(out)
}

func babble(crowd [][]float32, samples int) []float32 {
	out := make([]float32, samples)
	for i, voice := range crowd {
		out = sum(out, looped(voice, i*31*rate/10, samples, 0))
	}
	return levelled(out)
}

// clicks are keys that are hit six times a second: 8 ms of decaying noise each.
func clicks(samples int) []float32 {
	rnd := rand.New(rand.NewPCG(seed, 8))
	out := make([]float32, samples)
	for at := 0; at < samples; at += rate/12 + rnd.IntN(rate/6) {
		loud := 0.5 + rnd.Float64()
		for i := range min(rate/50, samples-at) {
			out[at+i] += float32(loud * rnd.NormFloat64() * math.Exp(-float64(i)/(0.004*rate)))
		}
	}
	return levelled(out)
}

func levelled(pcm []float32) []float32 { return scaled(pcm, -audiotest.RMSDB(pcm)) }
