// Package signaling is the protocol between performers, hosts and the companion server: JSON
// messages over one WebSocket. docs/protocol.md describes it for other implementations.
package signaling

import "gasso/net/packet"

// ProtocolVersion is the version that this package speaks; join-room carries it. Clients from
// OldestVersion on are let in: they ignore what they do not know.
const (
	ProtocolVersion = 2
	OldestVersion   = 1
)

// MaxMessageBytes bounds one message, inflated.
const MaxMessageBytes = 64 << 10

// ServerID addresses the server in signal messages.
const ServerID = "server"

// Role is what a participant may do. It comes from the invite alone.
type Role string

// The roles of a room. An operator runs the server and joins as a host.
const (
	RoleHost      Role = "host"
	RolePerformer Role = "performer"
	RoleListener  Role = "listener"
)

// Topology is how a participant's packets travel.
type Topology string

// Auto uses both paths, P2P only the direct one (the server still gets a copy for the mix), SFU only the server.
const (
	TopologyAuto Topology = "auto"
	TopologyP2P  Topology = "p2p"
	TopologySFU  Topology = "sfu"
)

// Receive says what the server sends to a participant.
type Receive string

// Tracks are the other performers' publications one by one; a mix is everything but oneself in one track.
const (
	ReceiveTracks Receive = "tracks"
	ReceiveMix    Receive = "mix"
)

// Levels of Forwarding.
const (
	ForwardFull    = "full"
	ForwardStandby = "standby" // negotiated and silent, so that full takes effect at once
	ForwardOff     = "off"
)

// Reasons of ParticipantLeft.
const (
	LeftByWish    = "left"
	LeftByTimeout = "timeout"
	LeftRemoved   = "removed"
)

// Reasons of Closed.
const (
	ClosedShutdown = "shutdown"
	ClosedDrain    = "drain" // the server ends in good order, and its successor knows who was there
	ClosedRemoved  = "removed"
	ClosedReplaced = "replaced"
	ClosedError    = "error"
)

// RejoinGone is the reason of Rejoin when the room knows the participant no more.
const RejoinGone = "gone"

// Message is any message; Type is its name on the wire.
type Message interface{ Type() string }

// JoinRoom asks to enter a room: the first message of a connection.
type JoinRoom struct {
	Protocol int      `json:"protocol"`
	RoomID   string   `json:"roomId"`
	UserID   string   `json:"userId"`          // a name to display, not an identity
	Role     Role     `json:"role,omitempty"`  // a wish; the invite decides
	Token    string   `json:"token,omitempty"` // invite; not needed for an open room
	Topology Topology `json:"topology,omitempty"`
	Receive  Receive  `json:"receive,omitempty"`
	Resume   *Resume  `json:"resume,omitempty"`

	DataChannels bool `json:"dataChannels,omitempty"` // the link with the server may have some
}

// Resume claims an earlier participant id.
type Resume struct {
	ParticipantID string `json:"participantId"`
	Secret        string `json:"secret"`
	Link          string `json:"link,omitempty"` // Signal.Link of the link with the server that is still there; otherwise the server starts a new one
}

// Joined answers JoinRoom.
type Joined struct {
	Protocol         int              `json:"protocol"`
	ParticipantID    string           `json:"participantId"`
	ResumeSecret     string           `json:"resumeSecret"`
	Resumed          bool             `json:"resumed"`
	Role             Role             `json:"role"`
	Room             Room             `json:"room"`
	Participants     []Participant    `json:"participants"` // the others
	Strips           []StripChanged   `json:"strips"`       // the program's strips
	OnAir            OnAirState       `json:"onAir"`
	TransportOptions TransportOptions `json:"transportOptions"`
}

// Room is what everybody in it may know.
type Room struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Participant is somebody in the room.
type Participant struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Role        Role         `json:"role"`
	Topology    Topology     `json:"topology"`
	Receive     Receive      `json:"receive"`
	Publication *Publication `json:"publication,omitempty"` // the current one
}

// ParticipantJoined tells of a new participant.
type ParticipantJoined struct {
	Participant Participant `json:"participant"`
}

// ParticipantLeft tells that somebody went; Reason is left, timeout or removed.
type ParticipantLeft struct {
	ParticipantID string `json:"participantId"`
	Reason        string `json:"reason"`
}

// Signal carries session descriptions and trickled candidates. Exactly one of the three is set.
type Signal struct {
	To          string       `json:"to,omitempty"`   // set by the sender
	From        string       `json:"from,omitempty"` // set by the server
	Link        string       `json:"link"`           // the offerer's id for this PeerConnection; a new one starts over
	Description *Description `json:"description,omitempty"`
	Candidate   *Candidate   `json:"candidate,omitempty"`
	Renegotiate *Renegotiate `json:"renegotiate,omitempty"` // from the side that never offers
}

// Description is an SDP offer or answer.
type Description struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

// Candidate is an ICE candidate; an empty Candidate ends them.
type Candidate struct {
	Candidate        string `json:"candidate"`
	SDPMid           string `json:"sdpMid,omitempty"`
	SDPMLineIndex    uint16 `json:"sdpMLineIndex"`
	UsernameFragment string `json:"usernameFragment,omitempty"`
}

// Renegotiate asks the fixed offerer for a new offer.
type Renegotiate struct {
	Reason  string `json:"reason"`
	Restart bool   `json:"restart,omitempty"` // with new ICE credentials
}

// TransportOptions tells how to reach others. A client may send it empty to get fresh credentials.
type TransportOptions struct {
	ICEServers []ICEServer `json:"iceServers,omitempty"`
	Loopback   bool        `json:"loopback,omitempty"`   // everybody is on this machine (--dev)
	TTLSeconds int         `json:"ttlSeconds,omitempty"` // how long the credentials hold; ask again before. 0: for good
}

// ICEServer is a STUN or TURN server.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Publication announces an encoder's life before its first packet.
type Publication struct {
	ParticipantID    string               `json:"participantId,omitempty"` // set by the server
	ID               packet.PublicationID `json:"id"`
	Generation       uint8                `json:"generation"`
	Channels         int                  `json:"channels"`
	FrameSamples     int                  `json:"frameSamples"`
	LookAheadSamples int                  `json:"lookAheadSamples"` // already subtracted from first samples
	Music            bool                 `json:"music,omitempty"`

	// DelaySamples is how long after its first sample a packet is sent; announced again when it changes.
	// ClockErrorSamples bounds the error of the room time in first samples. 0: unknown.
	DelaySamples      int `json:"delaySamples,omitempty"`
	ClockErrorSamples int `json:"clockErrorSamples,omitempty"`
}

// Forwarding tells the server whether to send a publisher's packets to the sender of this message.
type Forwarding struct {
	ParticipantID string `json:"participantId"`
	Level         string `json:"level"` // full or off
}

// ReceiveSet has the server send a small mix in place of tracks, to somebody whose network carries no more,
// or tracks again. It holds for this connection.
type ReceiveSet struct {
	Receive Receive `json:"receive"`
}

// StripSet changes a strip of the program; only a host may send it. Absent fields stay.
type StripSet struct {
	ParticipantID string   `json:"participantId"`
	GainDB        *float64 `json:"gainDB,omitempty"` // -80 to +12
	Pan           *float64 `json:"pan,omitempty"`    // -1 left to +1 right
	Mute          *bool    `json:"mute,omitempty"`
}

// StripChanged tells a strip's state.
type StripChanged struct {
	ParticipantID string  `json:"participantId"`
	GainDB        float64 `json:"gainDB"`
	Pan           float64 `json:"pan"`
	Mute          bool    `json:"mute"`
}

// OnAir starts or stops the broadcast; only a host may send it.
type OnAir struct {
	Live bool `json:"live"`
}

// OnAirState tells whether the room is on air.
type OnAirState struct {
	Live        bool   `json:"live"`
	SinceUnixMS int64  `json:"sinceUnixMs,omitempty"`
	ListenerURL string `json:"listenerUrl,omitempty"`
	Listeners   int    `json:"listeners"`
	Problem     string `json:"problem,omitempty"` // for people: why the broadcast is not as wished
}

// Levels tells the program's meters, to hosts only, some times a second.
type Levels struct {
	Strips  []Level `json:"strips"`
	Program Level   `json:"program"`
}

// Level is one meter in dBFS; -120 is silence.
type Level struct {
	ParticipantID string  `json:"participantId,omitempty"`
	PeakDB        float64 `json:"peakDB"`
	RMSDB         float64 `json:"rmsDB"`
}

// Chat is a line of text for everybody in the room.
type Chat struct {
	From   string `json:"from,omitempty"` // participant id, set by the server
	Name   string `json:"name,omitempty"` // set by the server
	Text   string `json:"text"`           // at most 500 runes
	UnixMS int64  `json:"unixMs,omitempty"`
}

// ClockPing asks for room time.
type ClockPing struct {
	ID int64 `json:"id"`
}

// ClockPong answers ClockPing with room time in nanoseconds at receipt and at answer.
type ClockPong struct {
	ID         int64 `json:"id"`
	ReceivedNS int64 `json:"receivedNs"`
	AnsweredNS int64 `json:"answeredNs"`
}

// Leave says good-bye; the participant id ends at once.
type Leave struct{}

// Rejoin tells that the room has nothing of the participant any more although the connection was
// there: the client connects anew and claims its id, and starts its media over.
type Rejoin struct {
	Reason       string `json:"reason"`                 // gone; another one means the same to a client
	RetryAfterMS int    `json:"retryAfterMs,omitempty"` // to wait before that
}

// Closed is the server's last word on a connection.
type Closed struct {
	Reason           string `json:"reason"` // drain, shutdown, removed, replaced or error
	Text             string `json:"text,omitempty"`
	ReconnectAfterMS int    `json:"reconnectAfterMs,omitempty"` // of drain and shutdown: when to try first
}

// Error codes of Error.Code.
const (
	CodeMalformed   = "malformed"
	CodeTooLarge    = "too-large"
	CodeUnknownType = "unknown-type"
	CodeVersion     = "wrong-version"
	CodeUnknownRoom = "unknown-room"
	CodeInvite      = "bad-invite"
	CodeExpired     = "expired-invite"
	CodeResume      = "bad-resume"
	CodeForbidden   = "forbidden"
	CodeFull        = "full"
	CodeRate        = "too-fast"
	CodeBadMedia    = "bad-media"
	CodeUnknownPeer = "unknown-participant"
	CodeBadValue    = "bad-value"
	CodeInternal    = "internal"
)

// Error says what was refused, and what to do next. Fatal ends the connection.
type Error struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Next       string `json:"next,omitempty"`
	Fatal      bool   `json:"fatal,omitempty"`
	RetryAfter int    `json:"retryAfterSeconds,omitempty"`
	About      string `json:"about,omitempty"` // the type of the refused message
}

// Error makes it a Go error for the side that receives it.
func (e *Error) Error() string {
	if e.Next == "" {
		return e.Message
	}
	return e.Message + " " + e.Next
}

// Type names of the messages on the wire.
func (*JoinRoom) Type() string          { return "join-room" }
func (*Joined) Type() string            { return "joined" }
func (*ParticipantJoined) Type() string { return "participant-joined" }
func (*ParticipantLeft) Type() string   { return "participant-left" }
func (*Signal) Type() string            { return "signal" }
func (*TransportOptions) Type() string  { return "transport-options" }
func (*Publication) Type() string       { return "publication" }
func (*Forwarding) Type() string        { return "forwarding" }
func (*ReceiveSet) Type() string        { return "receive-set" }
func (*StripSet) Type() string          { return "strip-set" }
func (*StripChanged) Type() string      { return "strip-changed" }
func (*OnAir) Type() string             { return "on-air" }
func (*OnAirState) Type() string        { return "on-air-state" }
func (*Levels) Type() string            { return "levels" }
func (*Chat) Type() string              { return "chat" }
func (*ClockPing) Type() string         { return "clock-ping" }
func (*ClockPong) Type() string         { return "clock-pong" }
func (*Leave) Type() string             { return "leave" }
func (*Rejoin) Type() string            { return "rejoin" }
func (*Closed) Type() string            { return "closed" }
func (*Error) Type() string             { return "error" }
