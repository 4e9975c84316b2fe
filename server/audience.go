package server

import (
	"hash/maphash"
	"net/http"
	"sync"
	"time"
)

const (
	audienceMemory = 10 * time.Second // players fetch a playlist every 2 s
	audienceMost   = 100_000
)

// audience counts listeners by their playlist requests. Those behind one address with the same
// browser count once, and a CDN hides its listeners.
type audience struct {
	seed maphash.Seed

	mu    sync.Mutex
	seen  map[uint64]time.Time
	swept time.Time
}

func newAudience() *audience {
	return &audience{seed: maphash.MakeSeed(), seen: map[uint64]time.Time{}}
}

// note remembers who asked; only a hash of it is kept.
func (a *audience) note(r *http.Request, now time.Time) {
	key := maphash.String(a.seed, clientAddress(r)+"\x00"+r.UserAgent())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweepLocked(now)
	if _, known := a.seen[key]; known || len(a.seen) < audienceMost {
		a.seen[key] = now
	}
}

// count is how many listened just now.
func (a *audience) count(now time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweepLocked(now)
	return len(a.seen)
}

// sweepLocked forgets those who went, at most once a second.
func (a *audience) sweepLocked(now time.Time) {
	if now.Sub(a.swept) < time.Second {
		return
	}
	a.swept = now
	for key, at := range a.seen {
		if now.Sub(at) > audienceMemory {
			delete(a.seen, key)
		}
	}
}
