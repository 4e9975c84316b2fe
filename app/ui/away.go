package ui

import (
	"sync/atomic"
	"time"

	"gasso/app/session"
)

const (
	slowAfter = 30 * time.Second // without the focus: pictures come at a third of their rate
	restAfter = 5 * time.Minute  // without the focus: none come
)

// away tells how often the window needs to be drawn: less while somebody works in another one or the
// computer is busy, and not at all after a long while. Both are set on the main goroutine and read by
// the drawing one.
type away struct {
	since   atomic.Int64 // when the focus went, in ns since 1970; 0 while it is here
	resting bool         // of the drawing goroutine
}

func (a *away) leave(now time.Time) { a.since.Store(now.UnixNano()) }
func (a *away) enter()              { a.since.Store(0) }

// interval is the time between two pictures; 0 draws none.
func (a *away) interval(now time.Time, governor time.Duration) time.Duration {
	every := max(frameEvery, governor)
	since := a.since.Load()
	switch gone := now.Sub(time.Unix(0, since)); {
	case since == 0 || gone < slowAfter:
		return every
	case gone < restAfter:
		return max(every, 3*frameEvery)
	}
	return 0
}

// due decides about the next picture: whether it is time for one, and whether rest begins or ends, which
// the engine is told. The picture with which rest begins is drawn.
func (a *away) due(now, drawn time.Time, governor time.Duration, rest func(resting bool)) bool {
	every := a.interval(now, governor)
	if resting := every == 0; resting != a.resting {
		a.resting = resting
		rest(resting)
		return true
	}
	return !a.resting && now.Sub(drawn) >= every-frameEvery/2
}

// setHidden tells the session that nobody looks, or looks again.
func setHidden(run *running, hidden bool) {
	if run != nil {
		run.engine.SetHidden(hidden)
	}
}

// quietWords say what the governor did: a while after each change, and as long as others hear the difference.
type quietWords struct {
	said  string
	until time.Time
}

const quietFor = 12 * time.Second

func (q *quietWords) next(g session.Governor, asked session.Mode, now time.Time) string {
	if g.Said != q.said {
		q.said, q.until = g.Said, now.Add(quietFor)
	}
	if now.Before(q.until) || g.NoiseOff || g.Mode != "" && g.Mode != asked {
		return q.said
	}
	return ""
}
