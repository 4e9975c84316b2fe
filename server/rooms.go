package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gasso/net/signaling"
	"gasso/server/room"
	"gasso/server/state"
)

// showLives is for how long after the end of the server a show goes on by itself when performers are back.
const showLives = 10 * time.Minute

// demoRoom is open under --dev.
const demoRoom = "demo"

// devTokenLife is how long the host link that --dev prints is good for.
const devTokenLife = 30 * 24 * time.Hour

// restoreRooms opens the rooms of configuration and state, and demo under --dev.
func (s *Server) restoreRooms() error {
	for _, r := range s.cfg.Rooms {
		if err := s.openRoom(state.Room{ID: r.ID, Title: r.Title, Open: r.Open}, false); err != nil {
			return fmt.Errorf("rooms: open %s: %w", r.ID, err)
		}
	}
	if s.cfg.Dev {
		err := s.openRoom(state.Room{ID: demoRoom, Title: "Demo", Open: true}, true)
		if err != nil && !errors.Is(err, room.ErrRoomExists) {
			return fmt.Errorf("open %s: %w", demoRoom, err)
		}
	}
	stored, err := s.store.Rooms()
	if err != nil {
		return err
	}
	for _, r := range stored {
		if err := s.openRoom(r, false); err != nil && !errors.Is(err, room.ErrRoomExists) {
			s.log.Error("room of an earlier run not opened", "room", r.ID, "error", err)
		}
	}
	return nil
}

// openRoom opens a room without keeping it.
func (s *Server) openRoom(r state.Room, autoOnAir bool) error {
	options := room.Options{ID: r.ID, Title: r.Title, AutoOnAir: autoOnAir}
	if !room.ValidID(r.ID) {
		return room.ErrBadID
	}
	was, err := s.store.Broadcast(r.ID)
	if err != nil {
		return err
	}
	if was.OnAir {
		options.OnAirUntil = was.Seen.Add(showLives)
	}
	if _, err := s.registry.Create(options); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[r.ID] = r.Open
	return nil
}

// createRoom opens a room and keeps it over restarts.
func (s *Server) createRoom(r state.Room) error {
	r.Created = time.Now().UTC()
	if err := s.openRoom(r, false); err != nil {
		return err
	}
	if err := s.store.PutRoom(r); err != nil {
		return errors.Join(err, s.registry.Delete(r.ID), s.forgetRoom(r.ID))
	}
	return nil
}

// closeRoom ends a room for good.
func (s *Server) closeRoom(id string) error {
	if err := s.registry.Delete(id); err != nil {
		return err
	}
	return errors.Join(s.forgetRoom(id), s.store.EndBroadcast(id), s.store.DeleteRoom(id))
}

// forgetRoom ends the broadcast of a room that is gone.
func (s *Server) forgetRoom(id string) error {
	s.mu.Lock()
	b := s.broadcasts[id]
	delete(s.broadcasts, id)
	delete(s.open, id)
	delete(s.statuses, id)
	s.mu.Unlock()
	if b != nil {
		b.close()
	}
	return nil
}

// closeRooms ends everything that is on air. A second call does nothing.
func (s *Server) closeRooms() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.registry.Shutdown(ctx)
	s.mu.Lock()
	broadcasts := s.broadcasts
	s.broadcasts = map[string]*broadcast{}
	s.mu.Unlock()
	var ending sync.WaitGroup // one whose encoder hangs must not keep the others waiting
	for _, b := range broadcasts {
		ending.Go(b.close)
	}
	ending.Wait()
	return err
}

func (s *Server) isOpen(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

func (s *Server) broadcastOf(id string) *broadcast {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broadcasts[id]
}

// newBroadcast is called by the registry when it makes a room.
func (s *Server) newBroadcast(r *room.Room) room.Broadcast {
	b := (&broadcast{
		roomID: r.ID(), listenerURL: s.base + "/room/" + r.ID(), ffmpeg: s.ffmpeg,
		program: r.Mixer(), progress: s.store, now: time.Now, log: s.log,
	}).open()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcasts[r.ID()] = b
	return b
}

// Link is one printed line: who it is for and where it leads.
type Link struct{ For, URL string }

// Links are the links of the room demo under --dev; none otherwise.
func (s *Server) Links() ([]Link, error) {
	if !s.cfg.Dev {
		return nil, nil
	}
	token, _, err := s.invites.Issue(demoRoom, signaling.RoleHost, time.Now(), devTokenLife)
	if err != nil {
		return nil, err
	}
	return []Link{
		{"host", s.joinURL(demoRoom, token)}, {"performer", s.joinURL(demoRoom, "")}, {"listener", s.base + "/room/" + demoRoom},
	}, nil
}

// joinURL is an invite link. The token stands in the fragment, which browsers keep to themselves.
func (s *Server) joinURL(id, token string) string {
	link := s.base + "/join/" + id
	if token != "" {
		link += "#" + token
	}
	return link
}
