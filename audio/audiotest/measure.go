package audiotest

import "math"

// ToneLevelDB measures the amplitude of a sine of freq Hz on one channel in dBFS, -120 at least. A
// Hann window keeps neighbours 10 bins away (10/duration Hz) out by more than 80 dB.
func ToneLevelDB(pcm []float32, channel, channels int, freq float64) float64 {
	samples := len(pcm) / channels
	var re, im, weight float64
	for i := range samples {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(samples))
		sin, cos := math.Sincos(2 * math.Pi * freq * float64(i) / Rate)
		v := w * float64(pcm[i*channels+channel])
		re += v * cos
		im += v * sin
		weight += w
	}
	if weight == 0 {
		return floorDB
	}
	return decibels(2 * math.Hypot(re, im) / weight)
}

// RMSDB measures the RMS of all samples in dBFS, -120 at least.
func RMSDB(pcm []float32) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return decibels(math.Sqrt(sum / float64(max(1, len(pcm)))))
}

// PeakDB measures the largest sample in dBFS, -120 at least.
func PeakDB(pcm []float32) float64 {
	peak := 0.0
	for _, v := range pcm {
		peak = max(peak, math.Abs(float64(v)))
	}
	return decibels(peak)
}

// SignalToErrorDB measures how far got is from want in dB: the power of want over that of the difference.
func SignalToErrorDB(want, got []float32) float64 {
	signal, wrong := 0.0, 1e-30
	for i, v := range want {
		signal += float64(v) * float64(v)
		d := float64(v) - float64(got[i])
		wrong += d * d
	}
	return 10 * math.Log10(signal/wrong)
}

// SINADDB measures mono PCM that should hold a sine of freq Hz and nothing else: the power of the
// fitted sine over that of all the rest, in dB.
func SINADDB(mono []float32, freq float64) float64 {
	re, im := fit(mono, freq)
	signal, rest := 0.0, 1e-30
	for i, v := range mono {
		sin, cos := math.Sincos(2 * math.Pi * freq * float64(i) / Rate)
		s := re*cos + im*sin
		signal += s * s
		rest += (float64(v) - s) * (float64(v) - s)
	}
	return 10 * math.Log10(signal/rest)
}

// fit is the least-squares cosine and sine of freq Hz.
func fit(mono []float32, freq float64) (re, im float64) {
	var cc, ss, cs, cv, sv float64
	for i, v := range mono {
		sin, cos := math.Sincos(2 * math.Pi * freq * float64(i) / Rate)
		cc += cos * cos
		ss += sin * sin
		cs += cos * sin
		cv += cos * float64(v)
		sv += sin * float64(v)
	}
	det := cc*ss - cs*cs
	return (cv*ss - sv*cs) / det, (sv*cc - cv*cs) / det
}

func decibels(amplitude float64) float64 {
	return max(floorDB, 20*math.Log10(amplitude+1e-30))
}

// Delay finds by how many samples got lags behind want, from 0 to maxSamples, by the highest
// correlation of the two mono signals, and how high that is (-1 to 1).
func Delay(want, got []float32, maxSamples int) (samples int, correlation float64) {
	coarse := max(1, min(8, maxSamples/64))
	samples, correlation = bestLag(want, got, 0, maxSamples, coarse)
	if coarse > 1 {
		samples, correlation = bestLag(want, got, max(0, samples-4*coarse), min(maxSamples, samples+4*coarse), 1)
	}
	return samples, correlation
}

// bestLag compares every stride-th sample at every lag.
func bestLag(want, got []float32, from, to, stride int) (best int, correlation float64) {
	correlation = -2
	for lag := from; lag <= to && lag < len(got); lag++ {
		n := min(len(want), len(got)-lag)
		if r := pearson(want[:n], got[lag:lag+n], stride); r > correlation {
			best, correlation = lag, r
		}
	}
	return best, correlation
}

// pearson is the correlation of every stride-th pair, 0 when one of the two does not change.
func pearson(a, b []float32, stride int) float64 {
	var n, sa, sb, saa, sbb, sab float64
	for i := 0; i < len(a); i += stride {
		x, y := float64(a[i]), float64(b[i])
		n++
		sa += x
		sb += y
		saa += x * x
		sbb += y * y
		sab += x * y
	}
	va, vb := saa-sa*sa/n, sbb-sb*sb/n
	if n < 2 || va <= 1e-20 || vb <= 1e-20 {
		return 0
	}
	return (sab - sa*sb/n) / math.Sqrt(va*vb)
}

// envelopeSamples is one step of an envelope: 10 ms.
const envelopeSamples = Rate / 100

// envelope returns the RMS of each 10 ms of mono PCM.
func envelope(mono []float32) []float32 {
	steps := make([]float32, len(mono)/envelopeSamples)
	for i := range steps {
		sum := 0.0
		for _, v := range mono[i*envelopeSamples : (i+1)*envelopeSamples] {
			sum += float64(v) * float64(v)
		}
		steps[i] = float32(math.Sqrt(sum / envelopeSamples))
	}
	return steps
}

// EnvelopeCorrelation compares the loudness over time of two mono signals, steps of 10 ms smoothed
// over 50: the highest correlation over every shift at which the shorter one lies within the longer
// one. The same speech gives nearly 1, unrelated speech little; it may have been coded, filtered
// and scaled.
func EnvelopeCorrelation(a, b []float32) float64 {
	short, long := smooth(envelope(a)), smooth(envelope(b))
	if len(short) > len(long) {
		short, long = long, short
	}
	correlation := -1.0
	for shift := 0; shift+len(short) <= len(long); shift++ {
		correlation = max(correlation, pearson(short, long[shift:shift+len(short)], 1))
	}
	return correlation
}

// smooth averages five steps.
func smooth(steps []float32) []float32 {
	means := make([]float32, len(steps))
	for i := range steps {
		from, to := max(0, i-2), min(len(steps), i+3)
		for _, v := range steps[from:to] {
			means[i] += v / float32(to-from)
		}
	}
	return means
}
