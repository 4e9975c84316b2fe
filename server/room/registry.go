package room

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"gasso/net/signaling"
	"gasso/server/limits"
)

// Bounds of the connections that have not joined a room yet: of all, and of one address, so that
// nobody takes every place.
const (
	maxPending        = 256
	maxPendingAddress = 64
)

// Registry holds the rooms of a server. Its methods may be called from any goroutine.
type Registry struct {
	cfg         Config
	connections sync.WaitGroup
	refusals    *refusals

	mu      sync.Mutex
	rooms   map[string]*Room
	pending map[*signaling.Conn]struct{} // not in a room yet
	waiting int                          // those, and those that are being accepted
	from    map[string]int               // the same by address
	closing *signaling.Closed            // what is told since the registry closes; nil before
}

// NewRegistry makes a registry without rooms.
func NewRegistry(cfg Config) *Registry {
	return &Registry{
		cfg: cfg.withDefaults(), rooms: make(map[string]*Room), pending: make(map[*signaling.Conn]struct{}),
		from: make(map[string]int), refusals: newRefusals(),
	}
}

// Create opens a room. A server at its limits returns a *limits.Refusal.
func (reg *Registry) Create(options Options) (*Room, error) {
	if !ValidID(options.ID) {
		return nil, ErrBadID
	}
	if options.Title = cleanText(options.Title, maxTitleRunes); options.Title == "" {
		options.Title = options.ID
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	switch {
	case reg.closing != nil:
		return nil, ErrEnded
	case reg.rooms[options.ID] != nil:
		return nil, ErrRoomExists
	}
	if err := reg.cfg.Limits.Admit(limits.Room, limits.Load{Rooms: len(reg.rooms)}, reg.cfg.Now()); err != nil {
		return nil, fmt.Errorf("create room: %w", err)
	}
	r := newRoom(reg, options)
	reg.rooms[options.ID] = r
	return r, nil
}

// Get returns a room by its id.
func (reg *Registry) Get(id string) (*Room, bool) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	r, ok := reg.rooms[id]
	return r, ok
}

// List returns the rooms in order of their ids.
func (reg *Registry) List() []*Room {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	rooms := make([]*Room, 0, len(reg.rooms))
	for _, r := range reg.rooms {
		rooms = append(rooms, r)
	}
	slices.SortFunc(rooms, func(a, b *Room) int { return cmp.Compare(a.id, b.id) })
	return rooms
}

// Delete ends a room: everybody in it is told and the broadcast stops. It waits for the end.
func (reg *Registry) Delete(id string) error {
	reg.mu.Lock()
	r := reg.rooms[id]
	delete(reg.rooms, id)
	reg.mu.Unlock()
	if r == nil {
		return ErrUnknownRoom
	}
	r.end(&signaling.Closed{Reason: signaling.ClosedRemoved, Text: "The operator ended the room."})
	<-r.ended
	return nil
}

// Remove takes a participant out of a room. The participant's id cannot be resumed; its invite is not
// touched.
func (reg *Registry) Remove(roomID, participantID string) error {
	r, ok := reg.Get(roomID)
	if !ok {
		return ErrUnknownRoom
	}
	return r.Remove(participantID)
}

// Status tells how all rooms are.
func (reg *Registry) Status() []Status {
	rooms := reg.List()
	all := make([]Status, 0, len(rooms))
	for _, r := range rooms {
		if s, err := r.Status(); err == nil {
			all = append(all, s)
		}
	}
	return all
}

// Shutdown ends all rooms, tells everybody so, refuses new connections and waits for what it started,
// at most until ctx ends.
func (reg *Registry) Shutdown(ctx context.Context) error {
	last := &signaling.Closed{
		Reason: signaling.ClosedShutdown, Text: "The server is shutting down. Reconnect in a moment.", ReconnectAfterMS: reconnectAfterMS,
	}
	reg.sayGoodbye(last)
	rooms := reg.List()
	for _, r := range rooms {
		r.end(last)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, r := range rooms {
			<-r.ended
		}
		reg.connections.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("shut rooms down: %w", ctx.Err())
	}
}

// sayGoodbye refuses new connections and tells those that have not joined.
func (reg *Registry) sayGoodbye(last *signaling.Closed) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	reg.closing = last
	for conn := range reg.pending {
		conn.Finish(last)
	}
}
