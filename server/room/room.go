package room

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gasso/net/signaling"
	"gasso/server/mixer"
	"gasso/server/sfu"
)

const (
	mailboxSize   = 256 // posts; who posts more waits
	levelInterval = 125 * time.Millisecond
	tickInterval  = time.Second
)

// Room is one room. Everything in it but packets goes through its goroutine.
type Room struct {
	id        string
	title     string
	autoOnAir bool
	wasOnAir  time.Time // until when a performer's return puts the room on air again; zero once that is settled
	reg       *Registry
	cfg       Config
	log       *slog.Logger
	forwarder *sfu.Forwarder
	mixer     *mixer.Mixer

	mailbox chan func()
	endOnce sync.Once
	last    *signaling.Closed // what everybody is told at the end; set before ending is closed
	ending  chan struct{}
	done    chan struct{} // the mailbox is not read any more
	ended   chan struct{} // nothing of the room runs any more
	workers sync.WaitGroup

	// State of the room's goroutine.
	participants map[string]*participant
	order        []*participant  // of joining
	removed      map[string]bool // participant ids that must not come back
	past         pastPackets
	entries      *rate.Limiter
	air          air
	ticks        int // until now
}

func newRoom(reg *Registry, options Options) *Room {
	r := &Room{
		id: options.ID, title: options.Title, autoOnAir: options.AutoOnAir, wasOnAir: options.OnAirUntil,
		reg: reg, cfg: reg.cfg, log: reg.cfg.Log.With("room", options.ID),
		forwarder: sfu.New(),
		mailbox:   make(chan func(), mailboxSize),
		ending:    make(chan struct{}), done: make(chan struct{}), ended: make(chan struct{}),
		participants: make(map[string]*participant), removed: make(map[string]bool),
		entries: rate.NewLimiter(entriesASecond, entryBurst),
	}
	r.mixer = mixer.New(mixer.Config{RoomSample: r.cfg.Clock.Sample, ProgramDelay: r.cfg.ProgramDelay, Log: r.log})
	go r.run()
	return r
}

// ID is the room's id, as in its links.
func (r *Room) ID() string { return r.id }

// Title is what people call the room.
func (r *Room) Title() string { return r.title }

// Mixer is where the room's program comes from.
func (r *Room) Mixer() *mixer.Mixer { return r.mixer }

// run owns the room's state until the room ends.
func (r *Room) run() {
	defer close(r.ended)
	ctx, cancel := context.WithCancel(context.Background())
	r.workers.Go(func() {
		if err := r.mixer.Run(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("mixer ended", "error", err)
		}
	})
	if r.cfg.NewBroadcast != nil {
		r.air.broadcast = r.cfg.NewBroadcast(r)
	}
	r.air.state = r.airState()
	levels, tick := time.NewTicker(levelInterval), time.NewTicker(tickInterval)
	defer levels.Stop()
	defer tick.Stop()
	for running := true; running; {
		select {
		case f := <-r.mailbox:
			r.guarded(f)
		case <-levels.C:
			r.guarded(r.sendLevels)
			r.guarded(r.recoverLinks)
		case <-tick.C:
			r.guarded(r.tick)
		case <-r.ending:
			running = false
		}
	}
	close(r.done)
	r.guarded(r.closeAll)
	cancel()
	r.workers.Wait()
}

// guarded keeps a mistake in handling one participant from ending the room, or the server.
func (r *Room) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("goroutine of the room panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// post has the room's goroutine run f, and reports whether it will. It waits while the mailbox is full.
func (r *Room) post(f func()) bool {
	select {
	case <-r.done:
		return false
	case r.mailbox <- f:
		return true
	}
}

// call is post and waits until f has run. It reports false when the room has ended before.
func (r *Room) call(f func()) bool {
	ran := make(chan struct{})
	if !r.post(func() { defer close(ran); f() }) {
		return false
	}
	select {
	case <-ran:
		return true
	case <-r.done:
		return false
	}
}

// end starts the end of the room and doesn't wait for it.
func (r *Room) end(last *signaling.Closed) {
	r.endOnce.Do(func() {
		r.last = last
		close(r.ending)
	})
}

// closeAll says good-bye to everybody.
func (r *Room) closeAll() {
	if r.air.live && r.last.Reason == signaling.ClosedRemoved { // the end of the server is not the show's
		r.air.broadcast.Stop()
	}
	for _, p := range r.order {
		if conn := p.takeConn(); conn != nil {
			conn.Finish(r.last)
		}
		r.closeMedia(p)
		r.cfg.Left(p.id, r.last.Reason == signaling.ClosedRemoved)
	}
	r.participants, r.order = nil, nil
}

// tick does what time brings: participants who stay away, news of the broadcast.
func (r *Room) tick() {
	now := r.cfg.Now()
	for _, p := range slices.Clone(r.order) {
		if !p.lostAt.IsZero() && now.Sub(p.lostAt) >= r.cfg.ResumeFor {
			r.remove(p, signaling.LeftByTimeout)
			continue
		}
	}
	r.reportLinks(now)
	r.refreshAir()
}

// broadcast sends a message to everybody but one, who may be nil.
func (r *Room) broadcast(m signaling.Message, but *participant) {
	for _, p := range r.order {
		if p != but {
			p.send(m)
		}
	}
}

// remove takes a participant out of the room and tells the others.
func (r *Room) remove(p *participant, reason string) {
	if r.participants[p.id] != p {
		return
	}
	delete(r.participants, p.id)
	r.order = slices.DeleteFunc(r.order, func(other *participant) bool { return other == p })
	r.closeMedia(p)
	r.cfg.Left(p.id, reason == signaling.LeftRemoved)
	for _, other := range r.order {
		delete(other.subscribed, p.id)
		delete(other.off, p.id)
	}
	r.broadcast(&signaling.ParticipantLeft{ParticipantID: p.id, Reason: reason}, nil)
	r.log.Info("participant left", "participant", p.id, "reason", reason)
}

// lose notes that a participant's connection has ended. Its state stays for a while.
func (r *Room) lose(p *participant, conn *signaling.Conn) {
	if p.detach(conn) && r.participants[p.id] == p {
		p.lostAt = r.cfg.Now()
		r.log.Info("participant's connection lost", "participant", p.id)
	}
}

// Remove takes a participant out of the room, who is told and whose id cannot come back.
func (r *Room) Remove(participantID string) error {
	err := ErrEnded
	r.call(func() {
		p := r.participants[participantID]
		if p == nil {
			err = ErrUnknownParticipant
			return
		}
		err = nil
		r.removed[p.id] = true
		conn := p.takeConn()
		r.remove(p, signaling.LeftRemoved)
		if conn != nil {
			conn.Finish(&signaling.Closed{Reason: signaling.ClosedRemoved, Text: "The operator took you out of the room."})
		}
	})
	return err
}
