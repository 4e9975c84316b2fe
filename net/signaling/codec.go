package signaling

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds of text fields in bytes.
const (
	maxIDBytes    = 128
	maxNameBytes  = 256
	maxTokenBytes = 4 << 10
)

// newMessage returns an empty message of the type, or nil when there is no such type.
func newMessage(name string) Message {
	switch name {
	case "join-room":
		return &JoinRoom{}
	case "joined":
		return &Joined{}
	case "participant-joined":
		return &ParticipantJoined{}
	case "participant-left":
		return &ParticipantLeft{}
	case "signal":
		return &Signal{}
	case "transport-options":
		return &TransportOptions{}
	case "publication":
		return &Publication{}
	case "forwarding":
		return &Forwarding{}
	case "receive-set":
		return &ReceiveSet{}
	case "strip-set":
		return &StripSet{}
	case "strip-changed":
		return &StripChanged{}
	}
	return newRoomMessage(name)
}

// newRoomMessage is newMessage for the messages about the room as a whole and the connection.
func newRoomMessage(name string) Message {
	switch name {
	case "on-air":
		return &OnAir{}
	case "on-air-state":
		return &OnAirState{}
	case "levels":
		return &Levels{}
	case "chat":
		return &Chat{}
	case "clock-ping":
		return &ClockPing{}
	case "clock-pong":
		return &ClockPong{}
	case "link-report":
		return &LinkReport{}
	case "leave":
		return &Leave{}
	case "rejoin":
		return &Rejoin{}
	case "closed":
		return &Closed{}
	case "error":
		return &Error{}
	}
	return nil
}

// ErrTooLong tells that a message has more than MaxMessageBytes.
var ErrTooLong = errors.New("the message is too long")

// Encode writes a message as one JSON object whose first field is its type.
func Encode(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s message: %w", m.Type(), err)
	}
	var b bytes.Buffer
	b.Grow(len(body) + len(m.Type()) + 16)
	fmt.Fprintf(&b, `{"type":%q`, m.Type())
	if len(body) > 2 { // more than {}
		b.WriteByte(',')
	}
	b.Write(body[1:])
	if b.Len() > MaxMessageBytes {
		return nil, fmt.Errorf("encode %s message: %w: %d bytes are more than the %d that one may have",
			m.Type(), ErrTooLong, b.Len(), MaxMessageBytes)
	}
	return b.Bytes(), nil
}

// Decode reads one message. What it refuses comes back as an *Error that can be sent as the answer.
// Fields it doesn't know are ignored, so that a newer version may add some.
func Decode(payload []byte) (Message, error) {
	if len(payload) > MaxMessageBytes {
		return nil, errTooLarge(false)
	}
	if !utf8.Valid(payload) {
		return nil, &Error{Code: CodeMalformed, Message: "The message is not UTF-8 text.", Next: "Send JSON in UTF-8."}
	}
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(payload, &head); err != nil {
		return nil, malformed("", err)
	}
	m := newMessage(head.Type)
	if m == nil {
		return nil, &Error{
			Code: CodeUnknownType, Message: fmt.Sprintf("There is no message type %q.", clip(head.Type)),
			Next: "The types are listed in docs/protocol.md.", About: clip(head.Type),
		}
	}
	if err := json.Unmarshal(payload, m); err != nil {
		return nil, malformed(head.Type, err)
	}
	if err := check(m); err != nil {
		return nil, &Error{
			Code: CodeBadValue, Message: fmt.Sprintf("The %s message has a bad value: %v.", head.Type, err),
			Next: "Correct it and send it again.", About: head.Type,
		}
	}
	return m, nil
}

func malformed(about string, err error) *Error {
	return &Error{
		Code: CodeMalformed, Message: fmt.Sprintf("The message is not valid JSON of its type: %v.", err),
		Next: "Send one JSON object with a type, as in docs/protocol.md.", About: about,
	}
}

func errTooLarge(fatal bool) *Error {
	return &Error{
		Code: CodeTooLarge, Message: fmt.Sprintf("The message has more than %d bytes.", MaxMessageBytes),
		Next: "Send a shorter one.", Fatal: fatal,
	}
}

// clip keeps a foreign text short enough to be quoted in an error.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return string([]rune(s[:most])[:most/utf8.UTFMax]) + "…"
}

// check refuses what JSON alone lets through: texts without bound and contradictions.
func check(m Message) error {
	switch m := m.(type) {
	case *JoinRoom:
		return checkJoin(m)
	case *Signal:
		return checkSignal(m)
	case *ReceiveSet:
		if m.Receive != ReceiveTracks && m.Receive != ReceiveMix {
			return errors.New("receive must be tracks or mix")
		}
	case *StripSet:
		return checkLengths(m.ParticipantID)
	case *Forwarding:
		if m.Level != ForwardFull && m.Level != ForwardStandby && m.Level != ForwardOff {
			return errors.New("level must be full, standby or off")
		}
		return checkLengths(m.ParticipantID)
	}
	return nil
}

func checkJoin(m *JoinRoom) error {
	switch {
	case len(m.UserID) > maxNameBytes:
		return fmt.Errorf("userId is longer than %d bytes", maxNameBytes)
	case len(m.Token) > maxTokenBytes:
		return fmt.Errorf("token is longer than %d bytes", maxTokenBytes)
	case m.Role != "" && !m.Role.valid():
		return errors.New("role must be host, performer or listener")
	case m.Topology != "" && !m.Topology.valid():
		return errors.New("topology must be auto, p2p or sfu")
	case m.Receive != "" && m.Receive != ReceiveTracks && m.Receive != ReceiveMix:
		return errors.New("receive must be tracks or mix")
	}
	if m.Resume != nil {
		return checkLengths(m.RoomID, m.Resume.ParticipantID, m.Resume.Secret)
	}
	return checkLengths(m.RoomID)
}

func checkSignal(m *Signal) error {
	set := 0
	for _, present := range []bool{m.Description != nil, m.Candidate != nil, m.Renegotiate != nil} {
		if present {
			set++
		}
	}
	if set != 1 {
		return errors.New("exactly one of description, candidate and renegotiate must be set")
	}
	if d := m.Description; d != nil && d.Type != "offer" && d.Type != "answer" {
		return errors.New("description type must be offer or answer")
	}
	return checkLengths(m.To, m.From, m.Link)
}

func checkLengths(ids ...string) error {
	for _, id := range ids {
		if len(id) > maxIDBytes {
			return fmt.Errorf("an id is longer than %d bytes", maxIDBytes)
		}
	}
	return nil
}

func (r Role) valid() bool {
	return r == RoleHost || r == RolePerformer || r == RoleListener
}

func (t Topology) valid() bool {
	return t == TopologyAuto || t == TopologyP2P || t == TopologySFU
}
