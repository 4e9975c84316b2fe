package mix

// Bus sums stereo frames. It belongs to one goroutine.
type Bus struct{ total []float64 }

// NewBus returns a bus for frames of up to frameSamples samples per channel.
func NewBus(frameSamples int) *Bus { return &Bus{total: make([]float64, 0, 2*frameSamples)} }

// Clear starts a new frame of samples per channel.
func (b *Bus) Clear(samples int) {}

// Add sums a contribution onto the frame.
func (b *Bus) Add(contribution []float32) {}

// Mix writes everything to dst.
func (b *Bus) Mix(dst []float32) {}

// MixMinus writes everything but own, one of the contributions of this frame, to dst.
func (b *Bus) MixMinus(dst, own []float32) {}
