//go:build !aec3

package aec

import "errors"

var errNotBuilt = errors.New("echo cancellation is not part of this build: build with -tags aec3, or use headphones")

// Canceller is not part of this build.
type Canceller struct{}

// New says that a canceller is not part of this build.
func New() (*Canceller, error) { return nil, errNotBuilt }

// Process leaves near as it is.
func (c *Canceller) Process(_, _ []float32) {}

// EnhancementDB is 0.
func (c *Canceller) EnhancementDB() float64 { return 0 }

// Close does nothing.
func (c *Canceller) Close() {}
