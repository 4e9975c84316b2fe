package room

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gasso/net/signaling"
)

// maxHeld bounds the signals kept for a participant whose connection is lost. Drop rule: the newest.
const maxHeld = 128

// Chat may come in bursts but not for long.
const (
	chatASecond = 1
	chatBurst   = 8
)

// participant is somebody in a room. Its fields belong to the room's goroutine, except those below mu.
type participant struct {
	id, name    string
	role        signaling.Role
	topology    signaling.Topology
	receive     signaling.Receive
	inviteID    string
	publication *signaling.Publication
	strip       signaling.StripChanged
	off         map[string]bool       // publishers whose forwarded packets it does without
	subscribed  map[string]*mediaLink // publisher -> link that its packets are forwarded to
	track       *Track                // nil for listeners
	feed        *mixFeed              // nil unless it receives the mix
	chat        *rate.Limiter
	starts      *rate.Limiter // of a new link at its wish
	lostAt      time.Time     // zero while connected
	restartedAt time.Time     // last ICE restart since the link worked; zero if none
	starting    bool          // a new link is on its way

	mu   sync.Mutex
	conn *signaling.Conn     // nil while lost
	held []signaling.Message // signals for when it is back
	link *mediaLink          // nil for listeners and without media
}

func newParticipant(id string, e *entry) *participant {
	p := &participant{
		id: id, role: e.grant.Role, inviteID: e.grant.InviteID,
		strip: signaling.StripChanged{ParticipantID: id},
		off:   make(map[string]bool), subscribed: make(map[string]*mediaLink),
		chat:   rate.NewLimiter(chatASecond, chatBurst),
		starts: rate.NewLimiter(1.0/startOverSeconds, startOverBurst),
	}
	p.describe(e.join)
	return p
}

// describe takes over what a participant says about itself.
func (p *participant) describe(join *signaling.JoinRoom) {
	p.name = cleanText(join.UserID, maxNameRunes)
	if p.name == "" {
		p.name = "?"
	}
	p.topology, p.receive = join.Topology, join.Receive
	if p.topology == "" {
		p.topology = signaling.TopologyAuto
	}
	if p.receive == "" {
		p.receive = signaling.ReceiveTracks
	}
}

// performs tells whether the participant publishes: hosts and performers do.
func (p *participant) performs() bool { return p.role != signaling.RoleListener }

func (p *participant) public() signaling.Participant {
	return signaling.Participant{
		ID: p.id, Name: p.name, Role: p.role, Topology: p.topology, Receive: p.receive, Publication: p.publication,
	}
}

// send queues a message for the participant. While its connection is lost, signals are held and
// everything else is dropped, since joined tells it all again.
func (p *participant) send(m signaling.Message) {
	p.mu.Lock()
	conn := p.conn
	if _, ok := m.(*signaling.Signal); ok && conn == nil && len(p.held) < maxHeld {
		p.held = append(p.held, m)
	}
	p.mu.Unlock()
	if conn != nil {
		_ = conn.Send(m) // a connection that fails ends by itself
	}
}

// attach makes conn the participant's connection and returns the one before. joined goes out first,
// then what was held.
func (p *participant) attach(conn *signaling.Conn, joined *signaling.Joined) (before *signaling.Conn) {
	_ = conn.Send(joined)
	p.mu.Lock()
	before, p.conn = p.conn, conn
	held := p.held
	p.held = nil
	p.mu.Unlock()
	for _, m := range held {
		_ = conn.Send(m)
	}
	return before
}

// detach forgets conn and reports whether it was the participant's.
func (p *participant) detach(conn *signaling.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != conn {
		return false
	}
	p.conn = nil
	return true
}

// takeConn forgets the connection and returns it, or nil.
func (p *participant) takeConn() *signaling.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.conn
	p.conn = nil
	return conn
}

func (p *participant) currentLink() *mediaLink {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link
}

// swapLink replaces the link and forgets the signals held for the one before, which is returned.
func (p *participant) swapLink(l *mediaLink) (before *mediaLink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, p.link = p.link, l
	kept := p.held[:0]
	for _, m := range p.held {
		if s, ok := m.(*signaling.Signal); !ok || s.From != signaling.ServerID {
			kept = append(kept, m)
		}
	}
	p.held = kept
	return before
}
