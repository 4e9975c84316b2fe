package voice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"gasso/assets/wasm"
	"gasso/audio/audiotest"
	"gasso/audio/capture"
	"gasso/audio/meter"
	"gasso/audio/resample"
	"gasso/internal/bench/table"
)

// bench is what the tables share.
type bench struct {
	speech *speech
	model  []byte
}

// Tables measures the processing of the microphone: echo, noise, level, cost and delay.
func Tables(w io.Writer) error {
	model, err := wasm.RNNoise()
	if err != nil {
		return err
	}
	s, err := newSpeech(context.Background())
	if err != nil {
		return err
	}
	b := &bench{speech: s, model: model}
	for _, measure := range []func(io.Writer) error{b.echo, b.noise, b.level, b.cost, b.delay} {
		if err := measure(w); err != nil {
			return err
		}
	}
	return nil
}

// echoCase is a loudspeaker in a room with the performer.
type echoCase struct {
	name       string
	levelDB    float64 // of the echo, where the performer has -26
	ppm        float64 // by which the loudspeaker runs faster than the microphone
	distortion bool
}

// echo: 15 s of the other alone, then 15 s of both, the mean of three delays.
func (b *bench) echo(w io.Writer) error {
	t := table.New(w, fmt.Sprintf("voice: echo (espeak-ng voices, performer at -26 dBFS, room of 0.3 s, delays of 20, 30 and 40 ms, seed %d)", seed), "echo", "figure", "AEC3 alone")
	for _, c := range []echoCase{
		{"linear", -36, 0, false},
		{"nonlinear (tanh loudspeaker)", -36, 0, true},
		{"skewed by 80 ppm", -36, 80, false},
		{"as loud as the performer", -26, 0, false},
	} {
		if err := b.echoCase(t, c); err != nil {
			return err
		}
	}
	return t.Err()
}

func (b *bench) echoCase(t *table.Table, c echoCase) error {
	var theirs, ours echoFigures
	delays := []int{20, 30, 40} // ms; the canceller's double talk differs by 10 points from one to the other
	for _, delay := range delays {
		if err := b.echoAt(c, delay, &theirs, &ours); err != nil {
			return err
		}
	}
	n := float64(len(delays))
	atLeast(t, []string{c.name, "ERLE, dB"}, theirs.reduced/n, ours.reduced/n, 0.5)
	goal := max(theirs.lost/n, 31)
	t.Row([]string{c.name, "near-end frames lost in double talk, %", fmt.Sprintf("%.1f", theirs.lost/n)},
		fmt.Sprintf("<= %.1f", goal), fmt.Sprintf("%.1f", ours.lost/n), ours.lost/n <= goal)
	atLeast(t, []string{c.name, "fwSegSNR in double talk, dB (beside: AEC3 and RNNoise, one after the other)"}, theirs.snr/n, ours.snr/n, 0.2)
	return nil
}

// echoFigures are sums over the delays: dB, percent, dB.
type echoFigures struct{ reduced, lost, snr float64 }

// echoAt adds the figures for an echo that is late by so many milliseconds.
func (b *bench) echoAt(c echoCase, delayMS int, theirs, ours *echoFigures) error {
	const alone, both = 15 * rate, 15 * rate
	far := looped(b.speech.far, 0, alone+both, -20)
	echo := c.echo(far, delayMS)
	near := silenced(looped(b.speech.near, 3*rate, alone+both, -26), 0, alone)
	hiss := audiotest.Noise(seed, -75, len(near), 1)
	mic := sum(sum(near, echo), hiss)
	// What the same processing makes of the performer alone is what a frame can be lost of.
	quiet, silence := sum(near, hiss), make([]float32, len(far))
	on := capture.Processing{HighPass: true, EchoCancellation: true, NoiseSuppression: true}
	cancelled, err := cancelAlone(mic, far)
	cancelledNear, err2 := cancelAlone(quiet, silence)
	processed, err3 := process(on, mic, far, b.model)
	processedNear, err4 := process(on, quiet, silence, b.model)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return err
	}
	series, err := suppressAlone(cancelled, b.model)
	if err != nil {
		return err
	}
	end := min(len(processed), len(series))
	for _, x := range []struct {
		to                 *echoFigures
		out, near, heardAs []float32
	}{{theirs, cancelled, cancelledNear, series}, {ours, processed, processedNear, processed}} {
		x.to.reduced += audiotest.RMSDB(mic[alone/2:alone]) - audiotest.RMSDB(x.out[alone/2:alone])
		x.to.lost += lostPercent(x.near[alone:end], x.out[alone:end])
		x.to.snr += fwSegSNR(near[alone:end], x.heardAs[alone:end])
	}
	return nil
}

// echo is what the microphone picks up of the loudspeaker.
func (c echoCase) echo(far []float32, delayMS int) []float32 {
	if c.distortion {
		played := make([]float32, len(far))
		for i, v := range far {
			played[i] = float32(math.Tanh(6*float64(v)) / 6)
		}
		far = played
	}
	echo := convolved(far, room(seed, delayMS*rate/1000, 0.3))
	if c.ppm != 0 {
		skewed := make([]float32, len(echo))
		resample.New(1, 1-c.ppm*1e-6).Process(skewed, echo)
		echo = skewed
	}
	return scaled(echo, c.levelDB-activeLevelDB(echo))
}

// atLeast prints a row whose goal is what another reaches, less a tolerance.
func atLeast(t *table.Table, cells []string, theirs, ours, tolerance float64) {
	goal := theirs - tolerance
	t.Row(append(cells, fmt.Sprintf("%.1f", theirs)), fmt.Sprintf(">= %.1f", goal), fmt.Sprintf("%.1f", ours), ours >= goal)
}

// noise: 3 s of noise alone, then speech with its pauses, then 5 s of noise alone.
func (b *bench) noise(w io.Writer) error {
	t := table.New(w, fmt.Sprintf("voice: noise (espeak-ng speech at -26 dBFS, noise at -46 dBFS RMS, seed %d)", seed), "noise", "figure", "RNNoise alone")
	const before, spoken, after = 3 * rate, 15 * rate, 5 * rate
	clean := silenced(looped(b.speech.near, rate, before+spoken+after, -26), 0, before)
	silenced(clean, before+spoken, len(clean))
	for _, n := range noises(b.speech, len(clean)) {
		mic := sum(clean, scaled(n.pcm, -46))
		theirs, err := suppressAlone(mic, b.model)
		if err != nil {
			return err
		}
		ours, err := process(capture.Processing{HighPass: true, NoiseSuppression: true}, mic, nil, b.model)
		if err != nil {
			return err
		}
		cut := func(out []float32, from, to int) float64 {
			return audiotest.RMSDB(mic[from:to]) - audiotest.RMSDB(out[from:to])
		}
		from, to := before+spoken+rate/2, len(clean)-rate/2
		goal := n.goalCut
		if goal == 0 {
			goal = cut(theirs, from, to) - 0.5
		}
		ourCut := cut(ours, from, to)
		t.Row([]string{n.name, "cut in a gap, dB", fmt.Sprintf("%.1f", cut(theirs, from, to))}, fmt.Sprintf(">= %.1f", goal), fmt.Sprintf("%.1f", ourCut), ourCut >= goal)
		atLeast(t, []string{n.name, "cut before the first word (1-3 s), dB"}, cut(theirs, rate, before), cut(ours, rate, before), 0.5)
		end := min(len(ours), before+spoken)
		atLeast(t, []string{n.name, "fwSegSNR, dB"}, fwSegSNR(clean[before:end], theirs[before:end]), fwSegSNR(clean[before:end], ours[before:end]), 0.2)
		atLeast(t, []string{n.name, "fwSegSNR of the first second of speech, dB"}, fwSegSNR(clean[before:before+rate], theirs[before:before+rate]), fwSegSNR(clean[before:before+rate], ours[before:before+rate]), 0.5)
	}
	return t.Err()
}

// level: the loudness at which speech leaves, whatever it came in at.
func (b *bench) level(w io.Writer) error {
	t := table.New(w, "voice: level (espeak-ng speech, clipped at 0 dBFS; loudness after 10 s)", "speech at, dBFS", "figure")
	loudest, softest := -100.0, 100.0
	for _, db := range []float64{-50, -40, -30, -20, -12} {
		mic := sum(clipped(looped(b.speech.near, 0, 40*rate, db)), audiotest.Noise(seed, -84, 40*rate, 1))
		out, err := process(capture.Processing{HighPass: true, NoiseSuppression: true, AutoGainControl: true}, mic, nil, b.model)
		if err != nil {
			return err
		}
		l, p := meter.NewLoudness(1), meter.NewTruePeak(1)
		l.Process(out[10*rate:])
		p.Process(out)
		lufs := l.Integrated()
		loudest, softest = max(loudest, lufs), min(softest, lufs)
		cells := []string{fmt.Sprintf("%.0f", db), "loudness, LUFS"}
		t.Row(cells, "-20 ± 1", fmt.Sprintf("%.1f", lufs), math.Abs(lufs+20) <= 1)
		cells[1] = "true peak, dBTP"
		t.Row(cells, "<= -1", fmt.Sprintf("%.1f", p.PeakDB()), p.PeakDB() <= -0.95)
	}
	t.Row([]string{"-50 to -12", "spread, LU"}, "<= 2", fmt.Sprintf("%.1f", loudest-softest), loudest-softest <= 2)
	return t.Err()
}
