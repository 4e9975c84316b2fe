package voice

import (
	"math"
	"math/cmplx"
	"time"

	"gasso/audio/audiotest"
)

const (
	activeDB = 25 // speech within this of the loudest 10 ms is active
	lostDB   = 10 // a frame of the near end quieter by more is lost
)

// blockLevels are the RMS levels of each 10 ms.
func blockLevels(pcm []float32) []float64 {
	levels := make([]float64, len(pcm)/block)
	for i := range levels {
		levels[i] = audiotest.RMSDB(pcm[i*block : (i+1)*block])
	}
	return levels
}

// active tells which blocks of 10 ms of a voice hold speech.
func active(pcm []float32) []bool {
	levels := blockLevels(pcm)
	loudest := -200.0
	for _, l := range levels {
		loudest = max(loudest, l)
	}
	is := make([]bool, len(levels))
	for i, l := range levels {
		is[i] = l > loudest-activeDB
	}
	return is
}

// activeLevelDB is the RMS of the active blocks.
func activeLevelDB(pcm []float32) float64 {
	power, n := 0.0, 0
	is := active(pcm)
	for i, l := range blockLevels(pcm) {
		if is[i] {
			power += math.Pow(10, l/10)
			n++
		}
	}
	return 10 * math.Log10(power/float64(max(1, n))+1e-30)
}

// lostPercent is how many of the active blocks of near are quieter by more than lostDB in got. Only what
// resembles near counts: each block is projected on it.
func lostPercent(near, got []float32) float64 {
	lost, all := 0, 0
	for i, is := range active(near[:len(got)]) {
		if !is {
			continue
		}
		var with, own float64
		for j := i * block; j < (i+1)*block; j++ {
			with += float64(near[j]) * float64(got[j])
			own += float64(near[j]) * float64(near[j])
		}
		all++
		if with/own < math.Pow(10, -lostDB/20.0) {
			lost++
		}
	}
	return 100 * float64(lost) / float64(max(1, all))
}

// bandEdgesHz are the critical bands of the frequency-weighted segmental SNR.
var bandEdgesHz = [...]float64{50, 120, 190, 260, 330, 400, 470, 540, 617, 703, 798, 904, 1020, 1148, 1288, 1442, 1610, 1794, 1993, 2221, 2446, 2701, 2978, 3276, 3597, 4200, 5300, 6400, 7700}

// fwSegSNR is the frequency-weighted segmental SNR in dB (Hu and Loizou, 2008): frames of 30 ms, critical
// bands weighted by the clean magnitude to the power of 0.2, each from -10 to 35 dB, frames with speech.
func fwSegSNR(clean, got []float32) float64 {
	const frame, hop, size = 1440, 720, 2048
	is := active(clean)
	total, frames := 0.0, 0
	a, b := make([]complex128, size), make([]complex128, size)
	for at := 0; at+frame <= min(len(clean), len(got)); at += hop {
		if !is[min((at+frame/2)/block, len(is)-1)] {
			continue
		}
		clear(a)
		clear(b)
		for i := range frame {
			w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/frame)
			a[i] = complex(w*float64(clean[at+i]), 0)
			b[i] = complex(w*float64(got[at+i]), 0)
		}
		transform(a)
		transform(b)
		total += frameSNR(a, b)
		frames++
	}
	return total / float64(max(1, frames))
}

func frameSNR(clean, got []complex128) float64 {
	var sum, weights float64
	for band := range len(bandEdgesHz) - 1 {
		from := int(math.Ceil(bandEdgesHz[band] * float64(len(clean)) / rate))
		to := int(math.Ceil(bandEdgesHz[band+1] * float64(len(clean)) / rate))
		var x, y float64
		for k := from; k < to; k++ {
			x += cmplx.Abs(clean[k])
			y += cmplx.Abs(got[k])
		}
		snr := 10 * math.Log10((x*x+1e-20)/((x-y)*(x-y)+1e-20))
		w := math.Pow(x, 0.2)
		sum += w * min(max(snr, -10), 35)
		weights += w
	}
	return sum / (weights + 1e-20)
}

// transform is the fast Fourier transform in place; the length is a power of two.
func transform(x []complex128) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for length := 2; length <= n; length <<= 1 {
		turn := cmplx.Rect(1, -2*math.Pi/float64(length))
		for at := 0; at < n; at += length {
			w := complex(1, 0)
			for k := at; k < at+length/2; k++ {
				u, v := x[k], x[k+length/2]*w
				x[k], x[k+length/2] = u+v, u-v
				w *= turn
			}
		}
	}
}

// convolved is pcm in a room.
func convolved(pcm []float32, h []float64) []float32 {
	size := 1
	for size < len(pcm)+len(h) {
		size <<= 1
	}
	a, b := make([]complex128, size), make([]complex128, size)
	for i, v := range pcm {
		a[i] = complex(float64(v), 0)
	}
	for i, v := range h {
		b[i] = complex(v, 0)
	}
	transform(a)
	transform(b)
	for i := range a { // the inverse transform is the transform of the conjugate
		a[i] = cmplx.Conj(a[i] * b[i])
	}
	transform(a)
	out := make([]float32, len(pcm))
	for i := range out {
		out[i] = float32(real(a[i]) / float64(size))
	}
	return out
}

// quickest is the least time of several runs that f took for one of its steps.
func quickest(runs, steps int, f func()) time.Duration {
	least := time.Duration(math.MaxInt64)
	for range runs {
		start := time.Now()
		f()
		least = min(least, time.Since(start)/time.Duration(steps))
	}
	return least
}
