// Package recovery decides when a link looks for another way (ICE restart). What counts is that packets
// come, never a state: a link that is silent and whose other side can be reached through signaling is
// restarted, and again until packets come. When signaling is silent too the whole network is away; then
// the link is left alone, since it works again by itself with the first packet after the outage, while a
// restart would have thrown its way away.
package recovery

import (
	"math/rand/v2"
	"time"

	"gasso/net/backoff"
)

const (
	shortest = 800 * time.Millisecond  // of silence on a link that packets came on all the time
	longest  = 3500 * time.Millisecond // on one with few
	declined = 15 * time.Second        // on one that this side asked to carry nothing
	hinted   = 300 * time.Millisecond  // after a hint that the network changed
	hintLife = 5 * time.Second         // what a hint still counts for
	rhythms  = 3                       // silence is longer than that many usual distances
	smooth   = 8                       // distances that the usual one is the mean of
	atFirst  = time.Second             // the usual distance before it is known

	proofAfter  = 400 * time.Millisecond // behind the last packet; a sign of life before may have been on its way
	proofHinted = 100 * time.Millisecond
	askEvery    = 200 * time.Millisecond // for a sign of life

	connectWithin = 9 * time.Second // of the beginning, or of a restart before the first packet
	firstWait     = 2500 * time.Millisecond
	lastWait      = 10 * time.Second
	ownRestart    = 500 * time.Millisecond // a restart noted that soon behind ours is ours
	mostRestarts  = 3                      // that bring nothing, until the link is made anew
)

// Action is what to do now.
type Action int

// The actions. Ask wants a sign of life of the other side over signaling; StartOver wants a new link,
// where the side that offers can make one, and Restart otherwise.
const (
	None Action = iota
	Ask
	Restart
	StartOver
)

// Sample is what is known of a link now.
type Sample struct {
	Received  uint64    // any counter that each packet changes; 0 while there is none
	Heard     time.Time // the other side's last sign of life over signaling
	Restarted time.Time // the last restart by either side; zero without
	Declined  bool      // this side asked for no packets, so that few come
}

// Watch follows one link. It is owned by one goroutine, which calls Observe about ten times a second.
type Watch struct {
	wait      *backoff.Backoff
	received  uint64
	came      time.Time     // last packet; before the first, when the link was made
	usual     time.Duration // between moments at which packets had come
	flowed    bool          // packets have come
	lost      bool
	wanted    time.Time // when packets were last declined: they are expected since
	hint      time.Time
	asked     time.Time
	restarted time.Time
	restarts  int       // since packets came
	next      time.Time // no restart before
}

// New follows a link that is made now. rnd spreads repetitions, so that both sides do not keep step.
func New(now time.Time, rnd *rand.Rand) *Watch {
	return &Watch{wait: backoff.New(firstWait, lastWait, rnd), came: now, usual: atFirst, next: now.Add(connectWithin)}
}

// Hint tells that the network changed: silence is noticed sooner, and nothing waits any more.
func (w *Watch) Hint(now time.Time) {
	w.hint = now
	w.asked = time.Time{}
	w.wait.Reset()
	if w.flowed {
		w.next = now
	}
}

// Silence is how long packets that should come have not, 0 while they do.
func (w *Watch) Silence(now time.Time) time.Duration {
	if !w.lost {
		return 0
	}
	return now.Sub(w.came)
}

// Observe takes a look and tells what to do.
func (w *Watch) Observe(now time.Time, s Sample) Action {
	if s.Received != 0 && s.Received != w.received {
		w.flow(now, s.Received)
		return None
	}
	w.noteRestart(s.Restarted)
	if w.flowed && w.mayBeSilent(now, s.Declined) {
		return None
	}
	w.lost = w.flowed
	if now.Before(w.next) {
		return None
	}
	if !s.Heard.After(w.proofSince(now)) {
		return w.ask(now)
	}
	w.restarted = now
	w.next = now.Add(w.pause())
	if w.restarts++; w.restarts > mostRestarts {
		w.restarts = 0
		return StartOver
	}
	return Restart
}

// mayBeSilent tells whether a link on which packets came is silent for no longer than it may be.
func (w *Watch) mayBeSilent(now time.Time, isDeclined bool) bool {
	if isDeclined {
		w.wanted = now
		return now.Sub(w.came) < declined
	}
	since := w.came
	if w.wanted.After(since) {
		since = w.wanted
	}
	return now.Sub(since) < w.patience(now)
}

// flow notes that packets came.
func (w *Watch) flow(now time.Time, received uint64) {
	if w.flowed && !w.lost {
		w.usual += (now.Sub(w.came) - w.usual) / smooth
	}
	w.received, w.came, w.flowed = received, now, true
	if w.lost {
		w.lost = false
		w.wait.Reset()
	}
	w.next, w.restarts = now, 0
}

// noteRestart has what the other side began run its course, too.
func (w *Watch) noteRestart(at time.Time) {
	if at.Sub(w.restarted) > ownRestart {
		w.restarted = at
		w.next = at.Add(w.pause())
	}
}

func (w *Watch) pause() time.Duration {
	if !w.flowed {
		return connectWithin
	}
	return w.wait.Next()
}

// patience is how long a silence may last.
func (w *Watch) patience(now time.Time) time.Duration {
	most := max(shortest, min(longest, rhythms*w.usual))
	if !w.isHinted(now) {
		return most
	}
	before := max(0, w.hint.Sub(w.came)) // the part of the silence that the hint ends
	return min(most, before+max(hinted, 2*w.usual))
}

// isHinted tells whether the network changed lately. Packets that come well behind that have answered it.
func (w *Watch) isHinted(now time.Time) bool {
	return !w.hint.IsZero() && now.Sub(w.hint) <= hintLife && w.came.Sub(w.hint) <= hinted
}

// proofSince is after when the other side must have been heard: behind the beginning of the silence, the
// hint and the last restart.
func (w *Watch) proofSince(now time.Time) time.Time {
	since := w.came.Add(proofAfter)
	switch {
	case !w.flowed:
		since = w.came
	case w.isHinted(now):
		since = w.came.Add(proofHinted)
		if w.hint.After(w.came) {
			since = w.hint.Add(proofHinted)
		}
	}
	if w.restarted.After(since) {
		since = w.restarted
	}
	return since
}

func (w *Watch) ask(now time.Time) Action {
	if now.Sub(w.asked) < askEvery {
		return None
	}
	w.asked = now
	return Ask
}
