package ui

import (
	"context"
	"sync/atomic"

	"gasso/app/session"
)

// soundchecks keeps the soundcheck of the wanted microphone open. One goroutine, run, opens and closes.
type soundchecks struct {
	open    func(input, soundSystem string) (Soundcheck, error)
	failed  func(error)
	wanted  chan soundcheckWish // holds the newest wish; an older one is dropped
	current atomic.Pointer[Soundcheck]
}

type soundcheckWish struct {
	input, soundSystem string        // no input: none
	done               chan struct{} // closed when it is so; may be nil
}

func newSoundchecks(open func(input, soundSystem string) (Soundcheck, error), failed func(error)) *soundchecks {
	return &soundchecks{open: open, failed: failed, wanted: make(chan soundcheckWish, 1)}
}

// want asks for the soundcheck of an input of a sound system. It never blocks.
func (c *soundchecks) want(input, soundSystem string) {
	c.wish(soundcheckWish{input: input, soundSystem: soundSystem})
}

func (c *soundchecks) wish(next soundcheckWish) {
	for {
		select {
		case c.wanted <- next:
			return
		default:
		}
		select {
		case old := <-c.wanted:
			if old.done != nil {
				close(old.done)
			}
		default:
		}
	}
}

// pause closes the soundcheck and returns when the microphone is free.
func (c *soundchecks) pause(ctx context.Context) {
	done := make(chan struct{})
	c.wish(soundcheckWish{done: done})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (c *soundchecks) level() session.Level {
	if check := c.current.Load(); check != nil {
		return (*check).Level()
	}
	return session.Level{PeakDB: -120, RMSDB: -120}
}

func (c *soundchecks) run(ctx context.Context) {
	var open soundcheckWish
	stop := func() {
		if old := c.current.Swap(nil); old != nil {
			(*old).Close()
		}
		open = soundcheckWish{}
	}
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-c.wanted:
			if next.input != open.input || next.soundSystem != open.soundSystem || next.input == "" {
				stop()
				c.begin(next)
				open = next
			}
			if next.done != nil {
				close(next.done)
			}
		}
	}
}

func (c *soundchecks) begin(w soundcheckWish) {
	if w.input == "" {
		return
	}
	check, err := c.open(w.input, w.soundSystem)
	if err != nil {
		c.failed(err)
		return
	}
	c.current.Store(&check)
}
