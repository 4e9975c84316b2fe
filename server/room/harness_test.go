package room

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/net/clocksync"
	"gasso/net/signaling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testClock is a clock that tests move.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tokens are the invites of tests: the token is the role, with a ! in front when it has expired.
type tokens struct{}

func (tokens) Authorize(_, token string) (Grant, error) {
	if strings.HasPrefix(token, "!") {
		return Grant{}, ErrExpiredInvite
	}
	switch role := signaling.Role(token); role {
	case signaling.RoleHost, signaling.RolePerformer, signaling.RoleListener:
		return Grant{Role: role, InviteID: "test"}, nil
	}
	return Grant{}, ErrBadInvite
}

// server is a registry with the room demo behind a real HTTP server.
type server struct {
	t     *testing.T
	reg   *Registry
	room  *Room
	clock *testClock
	url   string
}

func newServer(t *testing.T, change func(*Config)) *server {
	t.Helper()
	now := time.Now()
	s := &server{t: t, clock: &testClock{now: now}}
	cfg := Config{
		Clock: clocksync.NewAnchor(now), Authorizer: tokens{}, Now: s.clock.Now,
		ResumeKey: []byte("key"), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&cfg)
	}
	s.reg = NewRegistry(cfg)
	var err error
	if s.room, err = s.reg.Create(Options{ID: "demo", Title: "Demo"}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(s.reg.ServeWS))
	s.url = web.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.reg.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return s
}

// client is one participant's end of the signaling.
type client struct {
	t      *testing.T
	conn   *signaling.Conn
	joined *signaling.Joined
}

func (s *server) connect() *client {
	s.t.Helper()
	conn, err := signaling.Dial(context.Background(), s.url, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close(nil) })
	return &client{t: s.t, conn: conn}
}

func joinAs(role signaling.Role) *signaling.JoinRoom {
	return &signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: "demo", UserID: "Test " + string(role), Token: string(role)}
}

// join enters the room demo and waits for joined.
func (s *server) join(m *signaling.JoinRoom) *client {
	s.t.Helper()
	c := s.connect()
	c.send(m)
	c.joined = expect[*signaling.Joined](c)
	return c
}

func (c *client) send(m signaling.Message) {
	c.t.Helper()
	if err := c.conn.Send(m); err != nil {
		c.t.Fatal(err)
	}
}

// expect waits for the next message of a type and skips others.
func expect[M signaling.Message](c *client) M {
	c.t.Helper()
	return expectThat(c, func(M) bool { return true })
}

// expectThat waits for a message of a type that is as wished.
func expectThat[M signaling.Message](c *client, wished func(M) bool) (none M) {
	c.t.Helper()
	timer := time.AfterFunc(15*time.Second, func() { c.conn.Finish(nil) })
	defer timer.Stop()
	for {
		m, err := c.conn.Receive()
		if err != nil {
			c.t.Fatalf("waiting for %T: %v", none, err)
		}
		if m, ok := m.(M); ok && wished(m) {
			return m
		}
	}
}

// refused waits for an error of a code about a message.
func (c *client) refused(code, about string) *signaling.Error {
	c.t.Helper()
	e := expect[*signaling.Error](c)
	if e.Code != code || e.About != about || e.Message == "" {
		c.t.Errorf("got error %+v, want %s about %s", e, code, about)
	}
	return e
}

// closed waits for the server's last word and the end of the connection.
func (c *client) closed(reason string) {
	c.t.Helper()
	if last := expect[*signaling.Closed](c); last.Reason != reason {
		c.t.Errorf("closed for %q, want %q", last.Reason, reason)
	}
	if m, err := c.conn.Receive(); err == nil {
		c.t.Errorf("got %T after closed", m)
	}
}

// untouched checks that a connection works as ever: the next message is the answer to a ping.
func (c *client) untouched() {
	c.t.Helper()
	c.send(&signaling.ClockPing{ID: 4711})
	timer := time.AfterFunc(15*time.Second, func() { c.conn.Finish(nil) })
	defer timer.Stop()
	m, err := c.conn.Receive()
	if pong, ok := m.(*signaling.ClockPong); !ok || err != nil || pong.ID != 4711 {
		c.t.Fatalf("somebody else's affair brought %T %+v, %v", m, m, err)
	}
}

// drop breaks the connection without a word and waits until the server knows.
func (s *server) drop(c *client) {
	s.t.Helper()
	_ = c.conn.Close(nil)
	s.await("the loss is known", func() bool {
		lost := false
		s.room.call(func() {
			p := s.room.participants[c.joined.ParticipantID]
			lost = p != nil && !p.lostAt.IsZero()
		})
		return lost
	})
}

// await polls until a condition holds.
func (s *server) await(what string, holds func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			s.t.Fatalf("never came true: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// resume is the join-room of one who comes back.
func (c *client) resume() *signaling.JoinRoom {
	m := joinAs(c.joined.Role)
	m.Resume = &signaling.Resume{ParticipantID: c.joined.ParticipantID, Secret: c.joined.ResumeSecret}
	return m
}

// stubBroadcast records what the room asks of it.
type stubBroadcast struct {
	mu      sync.Mutex
	started int
	stopped int
	fail    bool
	state   BroadcastState
}

func (b *stubBroadcast) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail {
		return errors.New("no encoder")
	}
	b.started++
	return nil
}

func (b *stubBroadcast) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped++
}

func (b *stubBroadcast) State() BroadcastState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

func (b *stubBroadcast) set(change func(*stubBroadcast)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}
