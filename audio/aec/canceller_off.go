//go:build !aec3

package aec

// Canceller is not part of this build.
type Canceller struct{}

// New returns ErrNotBuilt.
func New() (*Canceller, error) { return nil, ErrNotBuilt }

// Process leaves near as it is.
func (c *Canceller) Process(_, _ []float32) {}

// LatencySamples is 0.
func (c *Canceller) LatencySamples() int { return 0 }

// Stats is zero.
func (c *Canceller) Stats() Stats { return Stats{} }

// Close does nothing.
func (c *Canceller) Close() {}
