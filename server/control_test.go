package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gasso/net/signaling"
)

func TestOperatorRunsRooms(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, stop := start(t, cfg)
	ctx := context.Background()
	c := NewControl(cfg.Data)
	info, err := os.Stat(SocketPath(cfg.Data))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("control socket has mode %v, want 0600", info.Mode().Perm())
	}
	must(t, c.Create(ctx, RoomSpec{ID: "choir", Title: "合唱"}))
	if err := c.Create(ctx, RoomSpec{ID: "choir"}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("the same room again: %v", err)
	}
	inv, err := c.Invite(ctx, InviteSpec{Room: "choir", Role: signaling.RoleHost, Seconds: 60})
	must(t, err)
	p := joinRoom(t, inv.URL, "Ai", 0)
	if p.joined.Role != signaling.RoleHost || p.joined.Room.Title != "合唱" {
		t.Errorf("joined %+v", p.joined)
	}
	must(t, c.OnAir(ctx, "choir", true))
	st, err := c.Room(ctx, "choir")
	must(t, err)
	if len(st.Participants) != 1 || !st.OnAir.Live || st.OnAir.ListenerURL != s.base+"/room/choir" {
		t.Errorf("status %+v", st)
	}
	must(t, c.Kick(ctx, "choir", p.joined.ParticipantID))
	st, err = c.Room(ctx, "choir")
	must(t, err)
	if len(st.Participants) != 0 {
		t.Errorf("still there after being taken out: %+v", st.Participants)
	}
	must(t, c.Revoke(ctx, inv.ID))
	refusal := joinError(t, inv.URL)
	if refusal.Code != signaling.CodeInvite {
		t.Errorf("a revoked invite was answered with %+v", refusal)
	}
	_, err = c.Invite(ctx, InviteSpec{Room: "new", Role: signaling.RolePerformer, Seconds: 60})
	must(t, err)
	must(t, c.CloseRoom(ctx, "choir"))
	if err := c.CloseRoom(ctx, "choir"); err == nil || !strings.Contains(err.Error(), "no such room") {
		t.Errorf("closing twice: %v", err)
	}
	stop()

	s, _ = start(t, cfg)
	if _, ok := s.registry.Get("new"); !ok {
		t.Error("an invited room is gone after a restart")
	}
	if _, ok := s.registry.Get("choir"); ok {
		t.Error("a closed room is back after a restart")
	}
}

func TestInviteRefusesNonsense(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	start(t, cfg)
	c := NewControl(cfg.Data)
	for word, spec := range map[string]InviteSpec{
		"no role":            {Room: "a", Role: "king", Seconds: 60},
		"no room id":         {Room: "a b", Role: signaling.RoleHost, Seconds: 60},
		"a second to a year": {Room: "a", Role: signaling.RoleHost},
	} {
		if _, err := c.Invite(context.Background(), spec); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%+v: %v, want %q", spec, err, word)
		}
	}
}

func TestWhatIsInTheWayIsSaid(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = taken.Close() }()
	file := cfg.Data + "/file"
	must(t, os.WriteFile(file, nil, 0o600))
	running := testConfig(t)
	running.FFmpeg = off
	start(t, running)
	for _, c := range []struct {
		name   string
		change func(*Config)
		word   string
	}{
		{"HTTP port in use", func(c *Config) { c.HTTP = taken.Addr().String() }, "in use by another program"},
		{"operations port in use", func(c *Config) { c.Ops = taken.Addr().String() }, "choose another port with --ops"},
		{"media port in use", func(c *Config) { c.RTCTCP = strings.TrimPrefix(taken.Addr().String(), "127.0.0.1:") }, "--rtc-tcp"},
		{"data folder is a file", func(c *Config) { c.Data = file }, "choose another with --data"},
		{"data folder of another server", func(c *Config) { c.Data = running.Data }, "another server runs"},
		{"data folder too deep", func(c *Config) { c.Data += strings.Repeat("/folder", 20) }, "too long"},
	} {
		changed := cfg
		c.change(&changed)
		if _, err := New(changed); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want %q", c.name, err, c.word)
		}
	}
	start(t, cfg) // nothing of it stays in the way
}

func TestNoServerIsSaid(t *testing.T) {
	folder := testConfig(t).Data
	if _, err := NewControl(folder).Rooms(context.Background()); err == nil || !strings.Contains(err.Error(), "no server runs") {
		t.Errorf("got %v", err)
	}
	l, err := net.Listen("unix", SocketPath(folder)) // a server that was killed leaves its socket
	must(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, l.Close())
	if _, err := NewControl(folder).Rooms(context.Background()); err == nil || !strings.Contains(err.Error(), "no server runs") {
		t.Errorf("after a kill: %v", err)
	}
	cfg := testConfig(t)
	cfg.Data, cfg.FFmpeg = folder, off
	start(t, cfg)
}

func TestLimitsRefuseNewRoomsOnly(t *testing.T) {
	var used atomic.Int64
	cfg := testConfig(t)
	cfg.FFmpeg = off
	cfg.Limits.Rooms = 3
	cfg.memoryUsed = func() (int64, error) { return used.Load(), nil }
	s, _ := start(t, cfg)
	ctx := context.Background()
	c := NewControl(cfg.Data)
	a, b := joinRoom(t, linkOf(t, s, "performer"), "Ai", 440), joinRoom(t, linkOf(t, s, "performer"), "Ben", 0)
	must(t, c.Create(ctx, RoomSpec{ID: "second"}))
	must(t, c.Create(ctx, RoomSpec{ID: "third"}))
	if err := c.Create(ctx, RoomSpec{ID: "fourth"}); err == nil || !strings.Contains(err.Error(), "Try again in") {
		t.Errorf("a room too many: %v", err)
	}
	must(t, c.CloseRoom(ctx, "third"))

	used.Store(int64(cfg.Limits.MemoryMB+1) << 20)
	r := httptest.NewRequest(http.MethodPost, "/rooms", nil)
	var w *httptest.ResponseRecorder
	waitFor(t, 5*time.Second, "refusal", func() bool { // memory is measured once a second
		r.Body, w = io.NopCloser(strings.NewReader(`{"id":"third"}`)), httptest.NewRecorder()
		s.controlHandler().ServeHTTP(w, r)
		if w.Code == http.StatusNoContent {
			must(t, c.CloseRoom(ctx, "third"))
		}
		return w.Code == http.StatusServiceUnavailable
	})
	if w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "memory") {
		t.Errorf("refused with %v %s", w.Header(), w.Body)
	}
	checkTone(t, "what Ben hears afterwards", b.hears(a), 440, 660)
}

// Bad joins, each with its code. The room goes on.
func TestBadJoins(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	cfg.Rooms = []RoomConfig{{ID: "choir"}}
	s, _ := start(t, cfg)
	expired, _, err := s.invites.Issue("choir", signaling.RoleHost, time.Now().Add(-2*time.Hour), time.Hour)
	must(t, err)
	for _, c := range []struct{ name, link, code string }{
		{"unknown room", s.joinURL("nowhere", ""), signaling.CodeUnknownRoom},
		{"no invite", s.joinURL("choir", ""), signaling.CodeInvite},
		{"wrong invite", s.joinURL("choir", "a.b.c"), signaling.CodeInvite},
		{"another room's invite", s.joinURL("choir", bearer(t, s, "demo", signaling.RoleHost)), signaling.CodeInvite},
		{"expired invite", s.joinURL("choir", expired), signaling.CodeExpired},
	} {
		if got := joinError(t, c.link); got.Code != c.code || got.Next == "" {
			t.Errorf("%s: %+v, want %s", c.name, got, c.code)
		}
	}
	joinRoom(t, s.joinURL("choir", bearer(t, s, "choir", signaling.RolePerformer)), "Ai", 0)
}

// joinError joins and returns the refusal.
func joinError(t *testing.T, link string) *signaling.Error {
	t.Helper()
	host, rest, _ := strings.Cut(strings.TrimPrefix(link, "http://"), "/join/")
	id, token, _ := strings.Cut(rest, "#")
	conn, err := signaling.Dial(context.Background(), "ws://"+host+"/ws", nil, nil)
	must(t, err)
	defer func() { _ = conn.Close(nil) }()
	send(t, conn, &signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: id, UserID: "x", Token: token})
	m, err := conn.Receive()
	var refused *signaling.Error
	if errors.As(err, &refused) {
		return refused
	}
	if e, ok := m.(*signaling.Error); ok {
		return e
	}
	t.Fatalf("got %T, %v, want a refusal", m, err)
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
