// Package limits decides whether the server takes on something new. What runs already is never
// touched.
package limits

import (
	"fmt"
	"sync"
	"time"
)

// Kind is what asks to be taken on.
type Kind int

// The kinds of Admit.
const (
	Room Kind = iota
	Participant
)

// Config bounds the server; 0 leaves a figure unbounded.
type Config struct {
	Rooms           int
	PerRoom         int   // participants of one room
	MemoryBytes     int64 // resident memory of the process above which no room is begun
	PacketsASecond  int   // audio packets of one participant; more are dropped
	MemoryUsed      func() (int64, error)
	MemoryRetry     time.Duration // what a refused client is told to wait for memory; 30 s when 0
	ParticipantWait time.Duration // the same for a place; 10 s when 0
}

// Load is how much the server carries now.
type Load struct {
	Rooms  int
	InRoom int // participants in the room that is asked for
}

// Refusal says why nothing new is taken on and when to ask again.
type Refusal struct {
	Reason     string // for people
	RetryAfter time.Duration
}

// Error says why and when to try again.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s Try again in %d seconds.", r.Reason, int(r.RetryAfter.Seconds()))
}

// Guard admits or refuses. It may be used from any goroutine.
type Guard struct {
	cfg Config

	mu       sync.Mutex
	measured time.Time
	memory   int64
}

// New makes a guard. Without cfg.MemoryUsed it reads the process's own resident memory.
func New(cfg Config) *Guard {
	if cfg.MemoryUsed == nil {
		cfg.MemoryUsed = residentBytes
	}
	if cfg.MemoryRetry == 0 {
		cfg.MemoryRetry = 30 * time.Second
	}
	if cfg.ParticipantWait == 0 {
		cfg.ParticipantWait = 10 * time.Second
	}
	return &Guard{cfg: cfg}
}

// Admit returns nil, or a *Refusal when one more of the kind would be too much. What memory bounds is
// the rooms that run: without memory no room is made and nobody enters an empty one, but a room with
// people in it goes on and takes more of them, up to PerRoom.
func (g *Guard) Admit(kind Kind, load Load, now time.Time) error {
	full := func(most, have int) bool { return most > 0 && have >= most }
	switch {
	case kind == Room && full(g.cfg.Rooms, load.Rooms):
		return g.refuse("The server has as many rooms as it may.")
	case kind == Participant && full(g.cfg.PerRoom, load.InRoom):
		return g.refuse("The room is full.")
	case kind == Participant && load.InRoom > 0:
		return nil
	case g.memoryShort(now):
		return &Refusal{Reason: "The server is short of memory and begins no new room.", RetryAfter: g.cfg.MemoryRetry}
	}
	return nil
}

func (g *Guard) refuse(reason string) *Refusal {
	return &Refusal{Reason: reason, RetryAfter: g.cfg.ParticipantWait}
}

// memoryShort measures at most once a second. Memory that cannot be read doesn't refuse anybody.
func (g *Guard) memoryShort(now time.Time) bool {
	if g.cfg.MemoryBytes <= 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.measured.IsZero() || now.Sub(g.measured) >= time.Second || now.Before(g.measured) {
		g.measured = now
		if used, err := g.cfg.MemoryUsed(); err == nil {
			g.memory = used
		}
	}
	return g.memory > g.cfg.MemoryBytes
}

// Packets makes the packet limit of one participant.
func (g *Guard) Packets() *Rate { return &Rate{most: g.cfg.PacketsASecond} }

// Rate counts packets by the second. It belongs to one goroutine.
type Rate struct {
	most   int
	count  int
	second time.Time
}

// Allow tells whether one more packet fits into the second that now is in.
func (r *Rate) Allow(now time.Time) bool {
	if r.most <= 0 {
		return true
	}
	if d := now.Sub(r.second); d >= time.Second || d < 0 {
		r.second, r.count = now, 0
	}
	r.count++
	return r.count <= r.most
}
