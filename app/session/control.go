package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gasso/net/signaling"
)

var errDial = errors.New("server cannot be reached")

const joinTimeout = 10 * time.Second // for the answer to the join

// serveConnection joins and serves one connection until it ends; joined tells how far it came, and next
// is the connection that took its place, if one did.
func (s *Session) serveConnection(ctx context.Context, conn *dialled) (joined bool, next *dialled, err error) {
	following, stopFollowing := context.WithCancel(ctx)
	defer stopFollowing()
	var followers sync.WaitGroup
	stopOnCancel := context.AfterFunc(ctx, func() {
		_ = conn.Send(&signaling.Leave{})
		conn.Finish(nil)
	})
	patience := time.AfterFunc(joinTimeout, func() { conn.Finish(nil) })
	defer func() {
		patience.Stop()
		stopOnCancel()
		s.mu.Lock()
		s.conn = nil
		s.mu.Unlock()
		_ = conn.Close(nil)
	}()
	joined, err = s.converse(conn.Conn, func() {
		patience.Stop()
		s.clockwork.hasten()
		if err := s.connector.remember(conn.Conn); err != nil {
			s.log.Warn("the server's address is not kept for the next start", "error", err)
		}
		followers.Go(func() { next = s.runSuccessor(following, conn.Conn) })
		if conn.byAddress {
			followers.Go(func() { s.runNameCheck(following) })
		}
	})
	stopFollowing()
	followers.Wait()
	return joined, next, err
}

// converse asks to join and handles what comes; onJoined is called once.
func (s *Session) converse(conn *signaling.Conn, onJoined func()) (joined bool, err error) {
	if err := conn.Send(s.joinRequest()); err != nil {
		return false, err
	}
	for {
		m, err := conn.Receive()
		var refusal *signaling.Error
		switch {
		case err == nil:
		case errors.As(err, &refusal) && !refusal.Fatal:
			s.log.Warn("message from server ignored", "error", err)
			continue
		case refusal != nil: // what came cannot be read; the server refused nothing
			return joined, fmt.Errorf("server sent what is no message: %s", refusal.Message)
		default:
			return joined, err
		}
		first := !joined
		if err := s.take(conn, m, &joined); err != nil {
			return joined, err
		}
		if joined && first {
			onJoined()
		}
	}
}

// take handles one message; joined becomes true with the answer to the join.
func (s *Session) take(conn *signaling.Conn, m signaling.Message, joined *bool) error {
	s.linking.Lock()
	defer s.linking.Unlock()
	answer, ok := m.(*signaling.Joined)
	if !ok {
		return s.handle(m, *joined)
	}
	if *joined {
		return nil // once is enough
	}
	if err := s.onJoined(conn, answer); err != nil {
		return err
	}
	*joined = true
	return nil
}

// joinRequest claims the earlier identity, if there is one.
func (s *Session) joinRequest() *signaling.JoinRoom {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := &signaling.JoinRoom{
		Protocol: signaling.ProtocolVersion, RoomID: s.cfg.Room, UserID: s.cfg.Name, Token: s.cfg.Token,
		Topology: s.cfg.Topology, Receive: s.cfg.Receive, DataChannels: true,
	}
	if s.self.id != "" {
		j.Resume = &signaling.Resume{ParticipantID: s.self.id, Secret: s.self.secret}
		if s.serverLink != nil {
			j.Resume.Link = s.serverLink.ID()
		}
	}
	return j
}

// handle takes every message but joined.
func (s *Session) handle(m signaling.Message, joined bool) error {
	switch m := m.(type) {
	case *signaling.ClockPong:
		s.clockwork.answered(m.ID, time.Now(), m.ReceivedNS, m.AnsweredNS)
	case *signaling.Closed:
		return s.onClosed(m)
	case *signaling.Rejoin:
		return &pause{text: "the server asks to join anew: " + m.Reason, after: time.Duration(m.RetryAfterMS) * time.Millisecond}
	case *signaling.Error:
		return s.onRefusal(m, joined)
	case *signaling.ParticipantJoined:
		s.addPerformer(m.Participant)
	case *signaling.ParticipantLeft:
		s.removePerformer(m.ParticipantID)
	case *signaling.Publication:
		s.onPublication(m)
	case *signaling.Signal:
		s.onSignal(m)
	case *signaling.TransportOptions:
		s.useTransport(m)
	default:
		s.note(m)
	}
	return nil
}

// note keeps what a screen shows.
func (s *Session) note(m signaling.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.(type) {
	case *signaling.StripChanged:
		s.programStrip[m.ParticipantID] = *m
	case *signaling.OnAirState:
		s.onAir = *m
	case *signaling.LinkReport:
		s.reported = newLinkReport(m, time.Now())
	case *signaling.Levels:
		clear(s.levels)
		for _, l := range append(m.Strips, m.Program) {
			s.levels[l.ParticipantID] = Level{PeakDB: l.PeakDB, RMSDB: l.RMSDB}
		}
	case *signaling.Chat:
		s.chat = append(s.chat, ChatLine{FromID: m.From, Name: m.Name, Text: m.Text, At: time.UnixMilli(m.UnixMS)})
		if len(s.chat) > chatKept {
			s.chat = append(s.chat[:0], s.chat[len(s.chat)-chatKept:]...)
		}
	}
}

func (s *Session) onClosed(m *signaling.Closed) error {
	said := ""
	switch m.Reason {
	case signaling.ClosedDrain, signaling.ClosedShutdown:
		said = serverRestarting
	case signaling.ClosedRemoved:
		return &signaling.Error{Code: signaling.CodeForbidden, Message: "You were removed from the room.", Next: "Ask the host for a new invite.", Fatal: true}
	case signaling.ClosedReplaced:
		return &signaling.Error{Code: signaling.CodeForbidden, Message: "Somebody joined with your identity from another place.", Next: "Join again there or here.", Fatal: true}
	}
	return &pause{
		text:  fmt.Sprintf("server closed the connection: %s %s", m.Reason, m.Text),
		said:  said,
		after: time.Duration(m.ReconnectAfterMS) * time.Millisecond,
	}
}

// onRefusal ends the connection when the server refuses to let us in.
func (s *Session) onRefusal(m *signaling.Error, joined bool) error {
	s.log.Warn("server refused", "code", m.Code, "message", m.Message, "about", m.About)
	if m.Code == signaling.CodeResume {
		s.mu.Lock()
		s.self = identity{}
		s.mu.Unlock()
	}
	if m.Fatal || !joined {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems.refusal, s.problems.refusedAt = m.Error(), time.Now()
	return nil
}
