package mix

// Bus sums stereo frames. It belongs to one goroutine. The sum is kept in double precision, so that
// taking one contribution away again leaves nothing of it.
type Bus struct{ total []float64 }

// NewBus returns a bus for frames of up to frameSamples samples per channel.
func NewBus(frameSamples int) *Bus { return &Bus{total: make([]float64, 0, 2*frameSamples)} }

// Clear starts a new frame of samples per channel, not more than NewBus was told.
func (b *Bus) Clear(samples int) {
	b.total = b.total[:2*samples]
	clear(b.total)
}

// Add sums a contribution onto the frame.
func (b *Bus) Add(contribution []float32) {
	total := b.total[:len(contribution)]
	for i, v := range contribution {
		total[i] += float64(v)
	}
}

// Mix writes everything to dst.
func (b *Bus) Mix(dst []float32) {
	for i, v := range b.total[:len(dst)] {
		dst[i] = float32(v)
	}
}

// MixMinus writes everything but own, one of the contributions of this frame, to dst.
func (b *Bus) MixMinus(dst, own []float32) {
	for i, v := range b.total[:len(dst)] {
		dst[i] = float32(v - float64(own[i]))
	}
}
