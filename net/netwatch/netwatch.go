// Package netwatch tells when the way to the network may have changed: other addresses, other routes
// (a VPN that goes up or down included), or a machine that slept. A change is a hint to look whether
// connections still work, no proof that they do not.
package netwatch

import (
	"context"
	"time"
)

// Kind is what changed.
type Kind string

// The kinds of changes.
const (
	Addresses Kind = "addresses" // of this machine, loopback and link-local ones left out
	Routes    Kind = "routes"    // or the address that this machine would send from
	Slept     Kind = "slept"     // the machine was suspended, or its clock was set forward where the two cannot be told apart
)

// Change is one hint.
type Change struct {
	Kind Kind
	At   time.Time // when it was noticed
}

const (
	pollEvery   = time.Second
	settleAfter = 50 * time.Millisecond // changes come in bursts of messages
	queue       = 16                    // changes; drop rule: the newest, since those before tell the same
)

// Watch tells of changes until ctx ends, which closes the channel. Where the system reports changes
// (netlink on Linux) they are noticed within a tenth of a second, otherwise within one.
func Watch(ctx context.Context) <-chan Change {
	events, stop := systemEvents()
	return watch(ctx, look, events, stop, pollEvery)
}

// watch looks at each event, once it has settled, and at each poll; stop ends the events.
func watch(ctx context.Context, look func() view, events <-chan struct{}, stop func(), poll time.Duration) <-chan Change {
	changes := make(chan Change, queue)
	go func() {
		defer close(changes)
		defer stop()
		runWatch(ctx, look, events, poll, changes)
	}()
	return changes
}

func runWatch(ctx context.Context, look func() view, events <-chan struct{}, poll time.Duration, changes chan<- Change) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	settle := time.NewTimer(time.Hour)
	settle.Stop()
	defer settle.Stop()
	var d detector
	d.observe(look())
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				events = nil // polling goes on
				continue
			}
			settle.Reset(settleAfter)
			continue
		case <-settle.C:
		case <-tick.C:
		}
		for _, kind := range d.observe(look()) {
			select {
			case changes <- Change{Kind: kind, At: time.Now()}:
			default:
			}
		}
	}
}
