package room

import (
	"time"

	"gasso/net/peer"
	"gasso/net/signaling"
)

// Status is how a room is, for API and command line.
type Status struct {
	ID                  string               `json:"id"`
	Title               string               `json:"title"`
	OnAir               signaling.OnAirState `json:"onAir"`
	Participants        []ParticipantStatus  `json:"participants"` // in order of joining
	Program             signaling.Level      `json:"program"`
	PacketsReceived     int64                `json:"packetsReceived"`     // from performers, since the room opened
	PacketsToPerformers int64                `json:"packetsToPerformers"` // forwarded
	PacketsDropped      int64                `json:"packetsDropped"`      // above a participant's limit, by those in the room
}

// ParticipantStatus is how a participant is.
type ParticipantStatus struct {
	signaling.Participant
	Connected       bool                    `json:"connected"` // by signaling
	Link            string                  `json:"link"`      // state of the media connection with the server; empty without one
	RTTMS           float64                 `json:"rttMs"`     // of that connection; 0 while unknown
	PacketsReceived int64                   `json:"packetsReceived"`
	PacketsDropped  int64                   `json:"packetsDropped"` // above the limit
	Strip           *signaling.StripChanged `json:"strip,omitempty"`
	Level           *signaling.Level        `json:"level,omitempty"` // in the program
}

// Status tells how the room is.
func (r *Room) Status() (Status, error) {
	var s Status
	if !r.call(func() { s = r.status() }) {
		return Status{}, ErrEnded
	}
	return s, nil
}

// Public is what everybody may know of a room.
type Public struct {
	OnAir      signaling.OnAirState
	Performers []string // names, in order of joining
}

// Public tells it. Unlike Status it asks nothing of the mixer, which rests while nobody takes or
// meters the program.
func (r *Room) Public() (Public, error) {
	var public Public
	ran := r.call(func() {
		public.OnAir = r.airState()
		for _, p := range r.order {
			if p.performs() {
				public.Performers = append(public.Performers, p.name)
			}
		}
	})
	if !ran {
		return Public{}, ErrEnded
	}
	return public, nil
}

func (r *Room) status() Status {
	counters := r.forwarder.Counters()
	s := Status{
		ID: r.id, Title: r.title, OnAir: r.airState(), Participants: make([]ParticipantStatus, 0, len(r.order)),
		PacketsReceived: counters.Received, PacketsToPerformers: counters.Forwarded,
	}
	levels := r.levels()
	s.Program = levels.Program
	for _, p := range r.order {
		ps := participantStatus(p, levels)
		s.PacketsDropped += ps.PacketsDropped
		s.Participants = append(s.Participants, ps)
	}
	return s
}

func participantStatus(p *participant, levels *signaling.Levels) ParticipantStatus {
	ps := ParticipantStatus{Participant: p.public(), Connected: p.lostAt.IsZero()}
	if link := p.currentLink(); link != nil {
		ps.Link = string(link.current())
		if link.current() == peer.StateConnected {
			ps.RTTMS = float64(link.Stats().RTT) / float64(time.Millisecond)
		}
	}
	if p.track != nil {
		ps.PacketsReceived, ps.PacketsDropped = p.track.received.Load(), p.track.dropped.Load()
		strip := p.strip
		ps.Strip = &strip
	}
	for _, l := range levels.Strips {
		if l.ParticipantID == p.id {
			ps.Level = &l
		}
	}
	return ps
}
