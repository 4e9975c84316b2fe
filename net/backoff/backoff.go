// Package backoff spaces out attempts: exponentially growing waits with full jitter, so that many
// clients that lost the same server do not come back in step.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Backoff is owned by one goroutine.
type Backoff struct {
	lowest, highest time.Duration
	ceiling         time.Duration
	rnd             *rand.Rand
}

// New returns waits between lowest and highest; rnd makes them repeatable in tests.
func New(lowest, highest time.Duration, rnd *rand.Rand) *Backoff {
	b := &Backoff{lowest: lowest, highest: highest, rnd: rnd}
	b.Reset()
	return b
}

// Next returns how long to wait before the next attempt: between lowest and a ceiling that doubles
// with each call up to highest.
func (b *Backoff) Next() time.Duration {
	wait := b.lowest
	if spread := b.ceiling - b.lowest; spread > 0 {
		wait += time.Duration(b.rnd.Int64N(int64(spread) + 1))
	}
	b.ceiling = min(2*b.ceiling, b.highest)
	return wait
}

// Reset starts over, after success or when the network changed.
func (b *Backoff) Reset() { b.ceiling = min(2*b.lowest, b.highest) }
