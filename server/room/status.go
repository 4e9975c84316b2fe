package room

import (
	"time"

	"gasso/net/backfill"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// Status is how a room is, for API and command line.
type Status struct {
	ID                  string               `json:"id"`
	Title               string               `json:"title"`
	OnAir               signaling.OnAirState `json:"onAir"`
	RoomNS              int64                `json:"roomNs"`              // room time, in nanoseconds since the Unix epoch
	Participants        []ParticipantStatus  `json:"participants"`        // in order of joining
	Program             signaling.Level      `json:"program"`             // silence while nobody takes or meters it
	PacketsReceived     int64                `json:"packetsReceived"`     // from performers, since the room opened
	PacketsToPerformers int64                `json:"packetsToPerformers"` // forwarded
	PacketsDropped      int64                `json:"packetsDropped"`      // above a participant's limit
	PacketsUnannounced  int64                `json:"packetsUnannounced"`  // of publications that were not announced: forwarded, not mixed
	Backfilled          int64                `json:"packetsBackfilled"`   // sent later
	BackfillRefused     int64                `json:"backfillRefused"`     // messages and packets of backfill that nobody asked for, or that cannot be
}

// ParticipantStatus is how a participant is.
type ParticipantStatus struct {
	signaling.Participant
	Connected       bool                    `json:"connected"` // by signaling
	Link            string                  `json:"link"`      // state of the media connection with the server; empty without one
	RTTMS           float64                 `json:"rttMs"`     // of that connection; 0 while unknown
	PacketsReceived int64                   `json:"packetsReceived"`
	PacketsDropped  int64                   `json:"packetsDropped"`     // above the limit
	Unannounced     int64                   `json:"packetsUnannounced"` // of publications that were not announced: forwarded, not mixed
	Backfilled      int64                   `json:"packetsBackfilled"`  // sent later
	BackfillRefused int64                   `json:"backfillRefused"`    // messages and packets of backfill that nobody asked for, or that cannot be
	Strip           *signaling.StripChanged `json:"strip,omitempty"`
	Level           *signaling.Level        `json:"level,omitempty"` // in the program, while it runs
}

// Status tells how the room is. It asks nothing of the mixer, which rests while nobody takes or meters
// the program.
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

// Public tells it.
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
		ID: r.id, Title: r.title, OnAir: r.airState(), RoomNS: r.cfg.Clock.NowNS(r.cfg.Now()), Participants: make([]ParticipantStatus, 0, len(r.order)),
		PacketsReceived: counters.Received, PacketsToPerformers: counters.Forwarded,
	}
	s.PacketsDropped, s.PacketsUnannounced = r.past.dropped, r.past.strays
	s.Backfilled, s.BackfillRefused = r.past.backfilled, r.past.refused
	levels := &signaling.Levels{Program: signaling.Level{PeakDB: silentDB, RMSDB: silentDB}}
	if l, running := r.mixer.Peek(); running {
		levels = wireLevels(l)
	}
	s.Program = levels.Program
	for _, p := range r.order {
		ps := participantStatus(p, levels)
		s.PacketsDropped += ps.PacketsDropped
		s.PacketsUnannounced += ps.Unannounced
		s.Backfilled += ps.Backfilled
		s.BackfillRefused += ps.BackfillRefused
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
		ps.PacketsReceived, ps.PacketsDropped, ps.Unannounced = p.track.received.Load(), p.track.dropped.Load(), p.track.strays.Load()
		later := p.track.shelf.stats()
		ps.Backfilled = later.Packets
		ps.BackfillRefused = refusedLater(later)
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

// refusedLater sums up what was refused of what came later.
func refusedLater(s backfill.RequesterStats) int64 {
	return s.Strays + s.Lies + s.Refused + s.Excess + s.Malformed
}
