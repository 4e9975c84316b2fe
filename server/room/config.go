// Package room is the rooms of a server: who is in them, what they may do, what they hear of each
// other and when they are on air.
//
// Each Room has one goroutine that owns its state; everybody else posts to its mailbox. Packets
// don't pass it: a Track delivers them straight to forwarder and mixer.
package room

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/journal"
	"gasso/server/limits"
)

// Errors that callers tell apart.
var (
	ErrUnknownRoom        = errors.New("there is no such room")
	ErrRoomExists         = errors.New("a room with this id exists already")
	ErrUnknownParticipant = errors.New("there is no such participant in the room")
	ErrBadID              = errors.New("a room id has 1 to 64 letters, digits, - or _")
	ErrBadInvite          = errors.New("the invite is not valid for this room")
	ErrExpiredInvite      = errors.New("the invite has expired")
	ErrNoBroadcast        = errors.New("this server has no broadcast")
	ErrEnded              = errors.New("the room has ended")
)

// MostParticipants is how large a room can be, so that what everybody is told about it fits into one
// message.
const MostParticipants = 250

// Grant is what an invite, or an open room, allows.
type Grant struct {
	Role     signaling.Role
	InviteID string // for logs; empty in an open room
	Expiry   time.Time
}

// Authorizer decides what a token allows in a room. It returns ErrBadInvite or ErrExpiredInvite,
// possibly wrapped, for a token that allows nothing.
type Authorizer interface {
	Authorize(roomID, token string) (Grant, error)
}

// Broadcast publishes a room's program. The room's goroutine calls it, so each call returns at once.
type Broadcast interface {
	Start() error // begins or begins again
	Stop()        // ends what Start began; a second call does nothing
	State() BroadcastState
}

// BroadcastState is what people are told of a broadcast.
type BroadcastState struct {
	ListenerURL string // also known before the broadcast starts
	Listeners   int
	Problem     string // for people: why it is not as wished
}

// Clock is room time.
type Clock interface {
	NowNS(now time.Time) int64
	Sample(now time.Time) int64
}

// Media makes the links to participants; *peer.Factory is the real one.
type Media interface {
	NewLink(cfg peer.LinkConfig) (*peer.Link, error)
}

// Config is what all rooms of a server share. Clock and Authorizer must be set.
type Config struct {
	Clock        Clock
	Authorizer   Authorizer
	Media        Media                                                 // nil: signaling only
	Limits       *limits.Guard                                         // nil: no limits
	NewBroadcast func(*Room) Broadcast                                 // nil: rooms never go on air
	Journal      *journal.Journal                                      // nil: nothing is kept, and nothing sent later
	Transport    func(participantID string) signaling.TransportOptions // nil: nothing to tell
	Left         func(participantID string, forGood bool)              // nil: nobody asks; told at once, must not block
	CheckOrigin  func(*http.Request) bool                              // nil: same host only
	ResumeKey    []byte                                                // keeps resume secrets valid over a restart; random when empty
	ResumeFor    time.Duration                                         // state is kept after a lost connection; 60 s when 0
	ProgramDelay time.Duration                                         // of the program bus behind live; the mixer's default when 0
	Now          func() time.Time                                      // time.Now when nil
	Log          *slog.Logger                                          // discarded when nil
}

// Options describe one room.
type Options struct {
	ID        string
	Title     string // the id when empty
	AutoOnAir bool   // goes on air at the first join

	OnAirUntil time.Time // was on air when the server ended: goes on at a performer's return until then
}

// programDelay is ProgramDelay as the mixer takes it.
func (c Config) programDelay() time.Duration {
	if c.ProgramDelay == 0 {
		return defaultProgram
	}
	return c.ProgramDelay
}

func (c Config) withDefaults() Config {
	if c.Limits == nil {
		c.Limits = limits.New(limits.Config{})
	}
	if c.ResumeFor == 0 {
		c.ResumeFor = 60 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		c.Transport = func(string) signaling.TransportOptions { return signaling.TransportOptions{} }
	}
	if c.Left == nil {
		c.Left = func(string, bool) {}
	}
	if len(c.ResumeKey) == 0 {
		c.ResumeKey = randomBytes(32)
	}
	return c
}
