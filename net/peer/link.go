package peer

import (
	"errors"
	"log/slog"
	"time"

	"gasso/net/signaling"
)

// Errors that callers branch on.
var (
	ErrNotAudio  = errors.New("session description offers something other than audio")
	ErrBadSignal = errors.New("session description or candidate is malformed or too large")
	ErrStartOver = errors.New("the other side started the connection over") // make a new Link, then Handle the signal again
	ErrClosed    = errors.New("link is closed")
)

// State is how a link is.
type State string

// The states of a link. A disconnected link may come back by itself, a failed one needs Restart.
const (
	StateNew          State = "new"
	StateConnecting   State = "connecting"
	StateConnected    State = "connected"
	StateDisconnected State = "disconnected"
	StateFailed       State = "failed"
	StateClosed       State = "closed"
)

// LinkConfig describes one link. None of the callbacks may call Close of the same link.
type LinkConfig struct {
	LocalID, RemoteID string // participant ids or signaling.ServerID

	// Offerer says that this side always offers: between performers the one with the smaller id,
	// toward the server the server.
	Offerer bool

	Send    func(*signaling.Signal) // must not block; To and Link are set
	OnTrack func(*Subscriber)       // runs on a goroutine of its own, which Close waits for: call Subscriber.Run in it
	OnState func(State)             // must not block; one call after the other
	Log     *slog.Logger            // nil: that of the factory
}

// Link is one PeerConnection with one other side.
type Link struct{}

// NewLink makes a link. Attach publishers to it, then Negotiate.
func (f *Factory) NewLink(cfg LinkConfig) (*Link, error) { return &Link{}, nil }

// ID is the offerer's name for this PeerConnection; empty at the answerer until the first offer.
func (l *Link) ID() string { return "" }

// RemoteID is the participant at the other side.
func (l *Link) RemoteID() string { return "" }

// Handle takes one signal from the other side and returns when it has been applied. ErrStartOver
// asks the caller to close this link, to make a new one and to Handle the same signal there.
// ErrNotAudio and ErrBadSignal leave the link as it was. Signals of an earlier PeerConnection,
// stale and repeated answers are ignored.
func (l *Link) Handle(s *signaling.Signal) error { return nil }

// Negotiate starts the exchange: the offerer offers, the other side asks for an offer once there is
// a link. Afterwards attaching and detaching publishers negotiates by itself. Calls while an offer is
// outstanding are folded into one further offer.
func (l *Link) Negotiate() error { return nil }

// Restart finds a new way to the other side (ICE restart) while media keeps its state. An answerer
// that has seen no offer yet asks the offerer to start over.
func (l *Link) Restart() error { return nil }

// Stats is cheap enough to poll some times a second.
func (l *Link) Stats() LinkStats { return LinkStats{} }

// Close ends the link and waits for its goroutines, those of OnTrack included.
func (l *Link) Close() error { return nil }

// LinkStats is what a link counted until now.
type LinkStats struct {
	State               State
	RTT                 time.Duration // of the nominated pair; 0 while unknown
	BytesSent           uint64        // media and overhead below ICE
	BytesReceived       uint64
	LocalCandidateType  string // host, srflx, prflx or relay; empty without a nominated pair
	RemoteCandidateType string
	Protocol            string  // udp or tcp
	Relay               bool    // through a TURN server
	FractionLost        float64 // of our packets, as the other side reported last, 0 to 1
}
