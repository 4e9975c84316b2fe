package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gasso/net/netwatch"
	"gasso/net/signaling"
)

func TestAServerSaysWhenToReconnect(t *testing.T) {
	s := newTestSession(t)
	closed := s.onClosed(&signaling.Closed{Reason: signaling.ClosedDrain, ReconnectAfterMS: 500})
	rejoin := s.handle(&signaling.Rejoin{Reason: "moved", RetryAfterMS: 250}, true)
	for name, c := range map[string]struct {
		err  error
		want time.Duration
	}{
		"drain":    {closed, 500 * time.Millisecond},
		"rejoin":   {rejoin, 250 * time.Millisecond},
		"full":     {&signaling.Error{Code: signaling.CodeFull, RetryAfter: 5}, 5 * time.Second},
		"too long": {s.onClosed(&signaling.Closed{Reason: "drain", ReconnectAfterMS: 1 << 40}), longestPause},
		"negative": {s.onClosed(&signaling.Closed{Reason: "drain", ReconnectAfterMS: -1}), 0},
		"broken":   {errors.New("reset"), 0},
		"wrapped":  {fmt.Errorf("serve: %w", closed), 500 * time.Millisecond},
	} {
		if got := retryAfter(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, reason := range []string{signaling.ClosedRemoved, signaling.ClosedReplaced} {
		var refusal *signaling.Error
		if err := s.onClosed(&signaling.Closed{Reason: reason}); !errors.As(err, &refusal) || worthRetrying(refusal) {
			t.Errorf("%s: %v is tried again", reason, err)
		}
	}
}

func TestWhoCanBeReached(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		packet, want time.Duration // before now, as the server was heard just now
	}{
		"packets come through the server": {20 * time.Millisecond, 20 * time.Millisecond},
		"nothing for a second":            {time.Second, time.Second},
		"nothing for long":                {time.Minute, peerPatience},
	} {
		if got := now.Sub(reachable(now, now.Add(-c.packet))); got != c.want {
			t.Errorf("%s: reachable %v ago, want %v", name, got, c.want)
		}
	}
	if got := reachable(now, now.Add(time.Second)); !got.Equal(now) {
		t.Error("packets prove more than the server's own sign of life")
	}
}

// TestChangesOfTheNetworkAreFollowed without blocking, however many come.
func TestChangesOfTheNetworkAreFollowed(t *testing.T) {
	s := newTestSession(t)
	changes := make(chan netwatch.Change)
	s.watchNetwork = func(context.Context) <-chan netwatch.Change { return changes }
	done := make(chan struct{})
	go func() { defer close(done); s.runNetwork(t.Context()) }()
	for range 5 {
		changes <- netwatch.Change{Kind: netwatch.Addresses, At: time.Now()}
	}
	close(changes)
	<-done
	for name, slot := range map[string]chan struct{}{"signaling": s.redial, "links": s.linkHint} {
		select {
		case <-slot:
		default:
			t.Errorf("%s was not told", name)
		}
	}
}

// TestAConnectionThatAnswersIsKept and one that does not is replaced.
func TestAConnectionThatAnswersIsKept(t *testing.T) {
	s := newTestSession(t)
	var err error
	if s.connector, err = newConnector("http://127.0.0.1:"+acceptor(t), nil, ""); err != nil {
		t.Fatal(err)
	}
	conn, err := s.connector.connect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if next := s.succeed(t.Context(), conn.Conn); next != nil {
		t.Error("a connection that answers was replaced")
	}
	conn.Abort()
	_ = conn.Close(nil)
	next := s.succeed(t.Context(), conn.Conn)
	if next == nil {
		t.Fatal("a dead connection was not replaced")
	}
	if err := next.Probe(t.Context()); err != nil {
		t.Errorf("the new one: %v", err)
	}
	next.Abort()
	_ = next.Close(nil)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if next := s.runSuccessor(ended, conn.Conn); next != nil {
		t.Error("a connection was made after the end")
	}
}
