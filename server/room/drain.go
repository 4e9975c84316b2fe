package room

import (
	"context"
	"time"

	"gasso/net/signaling"
)

const (
	reconnectAfterMS = 500
	settleEvery      = 100 * time.Millisecond
	settleWithin     = 20 * time.Second
	lastWords        = 300 * time.Millisecond // beyond the program's delay, for packets on their way
)

// Drain prepares for Shutdown while everything still works: what is being sent later comes in, at most
// for 20 s, then everybody is told to connect again soon, and what they sent until then still goes on
// air. It returns early when ctx ends.
func (reg *Registry) Drain(ctx context.Context) {
	reg.settle(ctx)
	last := &signaling.Closed{
		Reason: signaling.ClosedDrain, Text: "The server is being restarted.", ReconnectAfterMS: reconnectAfterMS,
	}
	reg.sayGoodbye(last)
	onAir := false
	for _, r := range reg.List() {
		r.call(func() {
			onAir = onAir || r.air.live && len(r.order) > 0
			for _, p := range r.order {
				if conn := p.takeConn(); conn != nil {
					conn.Finish(last)
				}
			}
		})
	}
	if !onAir {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(reg.cfg.programDelay() + lastWords):
	}
}

// settle waits until nothing that was asked for is on its way.
func (reg *Registry) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	look := time.NewTicker(settleEvery)
	defer look.Stop()
	for reg.waitsForBackfill() {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (reg *Registry) waitsForBackfill() (waits bool) {
	for _, r := range reg.List() {
		r.call(func() {
			for _, p := range r.order {
				if p.track != nil && p.currentConn() != nil && p.track.shelf.stats().Waiting > 0 {
					waits = true
				}
			}
		})
	}
	return waits
}
