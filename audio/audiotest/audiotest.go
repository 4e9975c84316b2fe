// Package audiotest makes test signals, measures what came out, and checks what every stage of sound
// must keep: the same output for any block size, and no allocation. PCM is interleaved at 48 kHz.
package audiotest

import (
	"math"
	"math/rand/v2"
)

// Rate is the sample rate of every signal here in Hz.
const Rate = 48000

// floorDB is what silence measures.
const floorDB = -120

// Tone returns a sine of freq Hz whose amplitude is levelDB dBFS, equal on all channels.
func Tone(freq, levelDB float64, samples, channels int) []float32 {
	pcm := make([]float32, samples*channels)
	amplitude := math.Pow(10, levelDB/20)
	for i := range samples {
		v := float32(amplitude * math.Sin(2*math.Pi*freq*float64(i)/Rate))
		for c := range channels {
			pcm[i*channels+c] = v
		}
	}
	return pcm
}

// Noise returns white noise whose RMS is levelDB dBFS, independent on each channel, drawn from seed.
func Noise(seed uint64, levelDB float64, samples, channels int) []float32 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pcm := make([]float32, samples*channels)
	amplitude := math.Pow(10, levelDB/20)
	for i := range pcm {
		pcm[i] = float32(amplitude * rnd.NormFloat64())
	}
	return pcm
}

// Speech returns a mono speech-like signal drawn from seed: syllables of voiced sound with formants,
// hiss between them and pauses as in talk. Its RMS while active is about levelDB dBFS.
func Speech(seed uint64, levelDB float64, samples int) []float32 {
	return newTalker(seed, levelDB).speak(samples)
}

// Channel returns one channel of interleaved PCM as a slice of its own.
func Channel(pcm []float32, channel, channels int) []float32 {
	mono := make([]float32, len(pcm)/channels)
	for i := range mono {
		mono[i] = pcm[i*channels+channel]
	}
	return mono
}

// Interleave returns mono repeated on so many channels.
func Interleave(mono []float32, channels int) []float32 {
	pcm := make([]float32, len(mono)*channels)
	for i := range pcm {
		pcm[i] = mono[i/channels]
	}
	return pcm
}
