// Package resample changes the rate of interleaved PCM by a ratio that may differ at each call: clock
// drift, slewing and 44.1 to 48 kHz in one.
//
// It is a polyphase windowed sinc (J. O. Smith, Digital Audio Resampling): 32 taps at the lower of the
// two rates, a Kaiser window of about 100 dB, 512 phases and a straight line between them.
package resample

import "math"

const (
	baseTaps    = 32  // at ratios of 1 and above; more below
	phases      = 512 // positions between two input samples
	kaiserBeta  = 10.06
	blockFrames = 256  // room for input behind the taps
	maxRatio    = 64.0 // and 1/maxRatio; what is outside is a mistake of the caller
)

// Resampler turns frames at one rate into frames at another. It belongs to one goroutine; no call
// allocates.
type Resampler struct {
	channels int
	taps     int
	step     float64   // input samples for one output sample
	table    []float32 // phases+1 rows of taps coefficients
	row      []float32 // the coefficients between two rows
	window   []float32 // input frames still needed
	frames   int       // in window
	first    int       // frame in window under the first tap
	fraction float64   // of a sample behind first, 0 to 1
}

// New returns a resampler for so many channels; ratio is the output rate over the input rate, 1/64 to
// 64. The ratio given here also decides the filter: what neither rate can carry is taken out.
func New(channels int, ratio float64) *Resampler {
	ratio = bound(ratio)
	taps := 2 * int(math.Ceil(baseTaps/2/min(1, ratio)))
	r := &Resampler{
		channels: channels,
		taps:     taps,
		step:     1 / ratio,
		table:    makeTable(taps, min(1, ratio)),
		row:      make([]float32, taps),
		window:   make([]float32, (taps+blockFrames)*channels),
		frames:   taps - 1, // zeros before the first frame
	}
	return r
}

// SetRatio changes the ratio from the next output sample on. It is meant for small changes: the filter
// stays that of New.
func (r *Resampler) SetRatio(ratio float64) { r.step = 1 / bound(ratio) }

// LatencySamples is how far the output lags behind, in samples at the input rate.
func (r *Resampler) LatencySamples() float64 { return float64(r.taps) / 2 }

// Process fills dst from src and returns how many frames it wrote and how many it took. It takes what
// dst needs and no more, so frames are left over when dst is short; it keeps only the filter's length.
func (r *Resampler) Process(dst, src []float32) (written, consumed int) {
	wanted := len(dst) / r.channels
	given := len(src) / r.channels
	for {
		n := r.produce(dst[written*r.channels:wanted*r.channels], wanted-written)
		written += n
		if written == wanted || consumed == given {
			return written, consumed
		}
		consumed += r.append(src[consumed*r.channels:given*r.channels], wanted-written)
	}
}

// produce writes output frames as long as the window reaches.
func (r *Resampler) produce(dst []float32, wanted int) (written int) {
	for written < wanted && r.first+r.taps <= r.frames {
		r.mixRow()
		input := r.window[r.first*r.channels : (r.first+r.taps)*r.channels]
		switch r.channels {
		case 1:
			dst[written] = r.dotMono(input)
		case 2:
			dst[2*written], dst[2*written+1] = r.dotStereo(input)
		default:
			for c := range r.channels {
				dst[written*r.channels+c] = r.dot(input, c)
			}
		}
		written++
		r.fraction += r.step
		whole := int(r.fraction)
		r.first += whole
		r.fraction -= float64(whole)
	}
	return written
}

// append moves the window to the first tap and takes the input that so many output frames need.
func (r *Resampler) append(src []float32, outputs int) (frames int) {
	if skip := min(r.first, r.frames); skip > 0 {
		copy(r.window, r.window[skip*r.channels:r.frames*r.channels])
		r.frames -= skip
		r.first -= skip
	}
	reach := r.first + r.taps + int(r.fraction+float64(outputs-1)*r.step)
	frames = min(max(1, reach-r.frames), len(r.window)/r.channels-r.frames, len(src)/r.channels)
	copy(r.window[r.frames*r.channels:], src[:frames*r.channels])
	r.frames += frames
	return frames
}

// mixRow sets row to the coefficients for the fraction.
func (r *Resampler) mixRow() {
	position := r.fraction * phases
	phase := int(position)
	weight := float32(position - float64(phase))
	a := r.table[phase*r.taps:][:r.taps]
	b := r.table[(phase+1)*r.taps:][:r.taps]
	row := r.row[:r.taps]
	for i := range row {
		row[i] = a[i] + weight*(b[i]-a[i])
	}
}

func (r *Resampler) dotMono(input []float32) float32 {
	var even, odd float32
	row := r.row
	for i := 0; i+1 < len(row) && i+1 < len(input); i += 2 {
		even += row[i] * input[i]
		odd += row[i+1] * input[i+1]
	}
	return even + odd
}

func (r *Resampler) dotStereo(input []float32) (left, right float32) {
	for i, c := range r.row {
		pair := input[2*i : 2*i+2 : 2*i+2]
		left += c * pair[0]
		right += c * pair[1]
	}
	return left, right
}

func (r *Resampler) dot(input []float32, channel int) (sum float32) {
	for i, c := range r.row {
		sum += c * input[i*r.channels+channel]
	}
	return sum
}

// makeTable samples the windowed sinc; cutoff 1 is half the input rate. Each row sums to one, so that
// a constant stays what it is.
func makeTable(taps int, cutoff float64) []float32 {
	table := make([]float32, (phases+1)*taps)
	row := make([]float64, taps)
	half := float64(taps) / 2
	for p := range phases + 1 {
		sum := 0.0
		for i := range row {
			x := float64(i) - (half - 1) - float64(p)/phases
			row[i] = cutoff * sinc(cutoff*x) * kaiser(x/half)
			sum += row[i]
		}
		for i, v := range row {
			table[p*taps+i] = float32(v / sum)
		}
	}
	return table
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the Kaiser window for x from -1 to 1.
func kaiser(x float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel0(kaiserBeta*math.Sqrt(1-x*x)) / bessel0(kaiserBeta)
}

// bessel0 is the modified Bessel function of order zero, by its series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-16*sum; k++ {
		term *= x / (2 * k) * x / (2 * k)
		sum += term
	}
	return sum
}

func bound(ratio float64) float64 {
	if !(ratio >= 1/maxRatio) { // not a number, too
		return 1 / maxRatio
	}
	return min(ratio, maxRatio)
}
