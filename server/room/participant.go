package room

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gasso/net/signaling"
)

// Bounds of the signals kept for a participant whose connection is lost. Drop rule: the newest.
const (
	maxHeld      = 128
	maxHeldBytes = 256 << 10
)

// Chat may come in bursts but not for long.
const (
	chatASecond = 1
	chatBurst   = 8
)

// So may new publications, each of which everybody is told of.
const (
	publicationsASecond = 1
	publicationBurst    = 16
)

// And wishes for a new offer, each of which has the link gather candidates.
const (
	wishesASecond = 1
	wishBurst     = 16
)

// participant is somebody in a room. Its fields belong to the room's goroutine, except those below mu.
type participant struct {
	id, name    string
	log         *slog.Logger
	role        signaling.Role
	topology    signaling.Topology
	receive     signaling.Receive
	short       bool // of downlink: it receives a small mix for now
	inviteID    string
	publication *signaling.Publication
	strip       signaling.StripChanged
	off         map[string]bool       // publishers whose forwarded packets it does without
	subscribed  map[string]*mediaLink // publisher -> link that its packets are forwarded to
	track       *Track                // nil for listeners
	feed        *mixFeed              // nil unless it receives the mix
	chat        *rate.Limiter
	starts      *rate.Limiter // of a new link at its wish
	wishes      *rate.Limiter // for a new offer
	announces   *rate.Limiter // of publications
	lostAt      time.Time     // zero while connected
	starting    bool          // a new link is on its way
	history     linkHistory   // of the link with it

	dataChannels bool // its link may have some

	mu   sync.Mutex
	conn *signaling.Conn     // nil while lost
	held []*signaling.Signal // for when it is back
	link *mediaLink          // nil for listeners and without media
}

func newParticipant(id string, e *entry, log *slog.Logger) *participant {
	p := &participant{
		id: id, log: log, role: e.grant.Role, inviteID: e.grant.InviteID,
		strip: signaling.StripChanged{ParticipantID: id},
		off:   make(map[string]bool), subscribed: make(map[string]*mediaLink),
		chat:   rate.NewLimiter(chatASecond, chatBurst),
		starts: rate.NewLimiter(1.0/startOverSeconds, startOverBurst),
		wishes: rate.NewLimiter(wishesASecond, wishBurst), announces: rate.NewLimiter(publicationsASecond, publicationBurst),
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
	p.topology, p.receive, p.dataChannels, p.short = join.Topology, join.Receive, join.DataChannels, false
	clear(p.off)
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
	if s, ok := m.(*signaling.Signal); ok && conn == nil {
		p.holdLocked(s)
	}
	p.mu.Unlock()
	if conn != nil {
		p.queue(conn, m)
	}
}

// queue puts a message into a connection's queue. A connection that fails ends by itself and says why.
func (p *participant) queue(conn *signaling.Conn, m signaling.Message) {
	if err := conn.Send(m); errors.Is(err, signaling.ErrTooLong) {
		p.log.Error("message not sent", "participant", p.id, "error", err)
	}
}

func (p *participant) holdLocked(s *signaling.Signal) {
	size := signalBytes(s)
	for _, other := range p.held {
		size += signalBytes(other)
	}
	if len(p.held) < maxHeld && size <= maxHeldBytes {
		p.held = append(p.held, s)
	}
}

// signalBytes is the size of what in a signal may be long.
func signalBytes(s *signaling.Signal) int {
	n := len(s.Link)
	if s.Description != nil {
		n += len(s.Description.SDP)
	}
	if s.Candidate != nil {
		n += len(s.Candidate.Candidate)
	}
	if s.Renegotiate != nil {
		n += len(s.Renegotiate.Reason)
	}
	return n
}

// attach makes conn the participant's connection and returns the one before. first goes out first,
// then what was held.
func (p *participant) attach(conn *signaling.Conn, first []signaling.Message) (before *signaling.Conn) {
	for _, m := range first {
		p.queue(conn, m)
	}
	p.mu.Lock()
	before, p.conn = p.conn, conn
	held := p.held
	p.held = nil
	p.mu.Unlock()
	for _, m := range held {
		p.queue(conn, m)
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

func (p *participant) currentConn() *signaling.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
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
	for _, s := range p.held {
		if s.From != signaling.ServerID {
			kept = append(kept, s)
		}
	}
	p.held = kept
	return before
}
