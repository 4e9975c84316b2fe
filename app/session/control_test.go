package session

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"gasso/net/signaling"
)

func TestChatIsBounded(t *testing.T) {
	s := newTestSession(t)
	for i := range chatKept + 7 {
		s.note(&signaling.Chat{From: "a", Name: "Ai", Text: fmt.Sprint(i), UnixMS: int64(i)})
	}
	before := s.Snapshot().Chat
	s.note(&signaling.Chat{Text: "newest"})
	after := s.Snapshot().Chat
	if len(before) != chatKept || before[0].Text != "7" || before[0].At.UnixMilli() != 7 {
		t.Errorf("%d lines from %q on", len(before), before[0].Text)
	}
	if len(after) != chatKept || after[chatKept-1].Text != "newest" || before[0].Text != "7" {
		t.Errorf("%d lines up to %q", len(after), after[len(after)-1].Text)
	}
}

func TestLevelsAreTheNewest(t *testing.T) {
	s := newTestSession(t)
	s.self.id = "self"
	s.note(&signaling.Levels{
		Strips:  []signaling.Level{{ParticipantID: "self", PeakDB: -3, RMSDB: -6}},
		Program: signaling.Level{PeakDB: -1, RMSDB: -4},
	})
	if got := s.Snapshot(); got.Self.ProgramLevel != (Level{-3, -6}) || got.OnAir.ProgramLevel != (Level{-1, -4}) {
		t.Errorf("levels are %+v and %+v", got.Self.ProgramLevel, got.OnAir.ProgramLevel)
	}
	s.note(&signaling.Levels{Program: signaling.Level{PeakDB: -2, RMSDB: -5}})
	if got := s.Snapshot(); got.Self.ProgramLevel.PeakDB > -100 || got.OnAir.ProgramLevel.PeakDB != -2 {
		t.Errorf("levels are %+v and %+v", got.Self.ProgramLevel, got.OnAir.ProgramLevel)
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	s := newTestSession(t)
	s.self = identity{id: "p1", secret: "x"}
	soft := &signaling.Error{Code: signaling.CodeRate, Message: "Too fast."}
	if err := s.handle(soft, true); err != nil {
		t.Errorf("a refusal of a message ends the connection: %v", err)
	}
	if got := s.Snapshot().Problem; got != "Too fast." {
		t.Errorf("problem is %q", got)
	}
	var refusal *signaling.Error
	if err := s.handle(soft, false); !errors.As(err, &refusal) {
		t.Errorf("a refused join gives %v", err)
	}
	if err := s.handle(&signaling.Error{Code: signaling.CodeResume}, false); err == nil || s.self.id != "" {
		t.Error("an identity that is refused is kept")
	}
	for reason, ends := range map[string]bool{"removed": true, "replaced": true, "shutdown": false} {
		err := s.handle(&signaling.Closed{Reason: reason}, true)
		refusal = nil
		if err == nil || (errors.As(err, &refusal) && !worthRetrying(refusal)) != ends {
			t.Errorf("closed as %s gives %v", reason, err)
		}
	}
}

// TestAServerThatEndsEarlyIsTriedAgain ends before it gave room time.
func TestAServerThatEndsEarlyIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	joins := make(chan struct{}, 100)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := signaling.Accept(w, r, signaling.AcceptOptions{})
		if err != nil {
			return
		}
		joins <- struct{}{}
		_, _ = conn.Receive()
		_ = conn.Close(&signaling.Closed{Reason: "shutdown"})
	})}
	ended := make(chan struct{})
	go func() { _ = server.Serve(l); close(ended) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })

	s, err := New(Config{Server: "http://" + l.Addr().String(), Room: "demo", Input: "silence", Output: "null"})
	if err != nil {
		t.Fatal(err)
	}
	running(t, s)
	<-joins
	<-joins // it comes back
	if got := s.Snapshot().State; got != StateReconnecting {
		t.Errorf("state is %s", got)
	}
}

func TestSoundcheckShowsTheInput(t *testing.T) {
	if _, err := NewSoundcheck("file:/nowhere.wav", "", nil); err == nil {
		t.Error("an input that is not there is accepted")
	}
	c, err := NewSoundcheck("tone:440", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the tone is seen", func() bool { return c.Level().PeakDB > -13 && c.Level().PeakDB < -11 })
	c.Close()
	c.Close()
}
