package session

import (
	"context"
	"time"
)

const (
	farewellMost = 2 * time.Second // that what was said last is waited for
	farewellLook = 20 * time.Millisecond
)

// awaitKept waits, after the last packet and where the server keeps them, until it says that it has all
// of them: the end of a show is not worth less than its middle. Ctx ends it before.
func (s *Session) awaitKept(ctx context.Context) {
	tick := time.NewTicker(farewellLook)
	defer tick.Stop()
	for until := time.Now().Add(farewellMost); s.keeping.waits(); {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if now.After(until) {
				return
			}
		}
	}
}

// waits tells whether the server is about to say that it has packets which are kept here.
func (k *keeping) waits() bool {
	kept := k.spool.Load()
	if kept == nil || kept.Status().Packets == 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.answered && k.channel != nil && k.cutSince.IsZero()
}
