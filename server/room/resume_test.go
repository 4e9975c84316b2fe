package room

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"gasso/net/signaling"
)

func TestAClientOneVersionOlderIsLetIn(t *testing.T) {
	s := newServer(t, nil)
	for protocol, next := range map[int]string{
		signaling.OldestVersion - 1:   "Update the app: this server is newer.",
		signaling.ProtocolVersion + 1: "Ask the operator to update the server, or install the app of the server's version.",
	} {
		m := joinAs(signaling.RolePerformer)
		m.Protocol = protocol
		stranger := s.connect()
		stranger.send(m)
		if e := stranger.refused(signaling.CodeVersion, "join-room"); e.Next != next {
			t.Errorf("version %d: %q", protocol, e.Next)
		}
	}
	for protocol := signaling.OldestVersion; protocol <= signaling.ProtocolVersion; protocol++ {
		m := joinAs(signaling.RolePerformer)
		m.Protocol = protocol
		s.join(m).untouched()
	}
}

// TestWhoseStateIsGoneIsToldToRejoin although its connection is still there.
func TestWhoseStateIsGoneIsToldToRejoin(t *testing.T) {
	s := newServer(t, nil)
	other := s.join(joinAs(signaling.RoleHost))
	p := s.join(joinAs(signaling.RolePerformer))
	s.room.call(func() { delete(s.room.participants, p.joined.ParticipantID) }) // by whatever mistake
	p.send(&signaling.Chat{Text: "Is anybody there?"})
	if m := expect[*signaling.Rejoin](p); m.Reason != signaling.RejoinGone || m.RetryAfterMS <= 0 {
		t.Errorf("got %+v", m)
	}
	if m, err := p.conn.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("then %T, %v", m, err)
	}
	if again := s.join(p.resume()); again.joined.ParticipantID != p.joined.ParticipantID || again.joined.Resumed {
		t.Errorf("rejoined as %s, resumed %v", again.joined.ParticipantID, again.joined.Resumed)
	}
	expect[*signaling.ParticipantJoined](other)
}

func TestDrainingTellsEverybodyWhenToComeBack(t *testing.T) {
	s := newServer(t, nil)
	host, waiting := s.join(joinAs(signaling.RoleHost)), s.connect()
	s.reg.Drain(t.Context())
	for _, c := range []*client{host, waiting} {
		if last := expect[*signaling.Closed](c); last.Reason != signaling.ClosedDrain || last.ReconnectAfterMS != reconnectAfterMS {
			t.Errorf("got %+v", last)
		}
	}
	if _, err := signaling.Dial(t.Context(), s.url, nil, nil); err == nil {
		t.Error("a server that drains takes connections")
	} else if full := (*signaling.Error)(nil); !errors.As(err, &full) || full.RetryAfter != 1 {
		t.Errorf("refused with %v", err)
	}
}

// FuzzResume has some people join, vanish, come back with all kinds of claims, leave and be removed, in
// any order. Nobody ever gets an id without its secret, no id is in the room twice, and who is back in
// time is who it was.
func FuzzResume(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0, 8, 16, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15})
	f.Add([]byte{0, 3, 4, 0, 2, 0, 2, 0, 5, 2, 1, 2, 7, 2})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 200 {
			return
		}
		w := newResumeWorld(t)
		for _, step := range steps {
			w.step(step)
			w.check()
		}
	})
}

// resumeWorld calls the room's functions on its goroutine, with connections that lead nowhere.
type resumeWorld struct {
	t       *testing.T
	room    *Room
	clock   *testClock
	people  []*resumer
	removed map[string]bool
	conns   []*signaling.Conn // that have ended, so that nobody has to read them
	used    int
}

// resumer is somebody with a server-given identity, or none.
type resumer struct {
	id, secret string
	role       signaling.Role
	conn       *signaling.Conn
	p          *participant
}

func newResumeWorld(t *testing.T) *resumeWorld {
	s := newServer(t, nil)
	w := &resumeWorld{t: t, room: s.room, clock: s.clock, people: make([]*resumer, 4), removed: map[string]bool{}}
	for range 8 {
		conn := s.connect().conn
		_ = conn.Close(nil)
		w.conns = append(w.conns, conn)
	}
	return w
}

// conn is another connection than the last ones.
func (w *resumeWorld) conn() *signaling.Conn {
	w.used++
	return w.conns[w.used%len(w.conns)]
}

// step does one thing to one of four people: what by the lower three bits, whom by the next two.
func (w *resumeWorld) step(b byte) {
	i := int(b>>3) % len(w.people)
	who := w.people[i]
	switch {
	case who == nil || b&7 == 0:
		w.people[i] = w.admit(&resumer{role: []signaling.Role{signaling.RoleHost, signaling.RolePerformer, signaling.RoleListener}[int(b>>5)%3]}, nil)
	case b&7 == 1: // vanishes
		w.room.call(func() { w.room.lose(who.p, who.conn) })
	case b&7 == 2: // comes back
		w.people[i] = w.admit(who, &signaling.Resume{ParticipantID: who.id, Secret: who.secret})
	case b&7 == 3: // forges the neighbour's
		w.forge(w.people[(i+1)%len(w.people)], who.secret)
	case b&7 == 4:
		w.clock.advance(17 * time.Second)
		w.room.call(w.room.tick)
	case b&7 == 5: // leaves
		w.room.call(func() { w.room.remove(who.p, signaling.LeftByWish) })
	case b&7 == 6:
		if err := w.room.Remove(who.id); err == nil {
			w.removed[who.id] = true
		}
	case b&7 == 7: // comes back with another role
		role := signaling.RoleListener
		if who.role == role {
			role = signaling.RoleHost
		}
		w.people[i] = w.admit(&resumer{role: role, id: who.id, secret: who.secret, p: who.p}, &signaling.Resume{ParticipantID: who.id, Secret: who.secret})
	}
}

// admit joins and checks who came in.
func (w *resumeWorld) admit(who *resumer, claim *signaling.Resume) *resumer {
	w.t.Helper()
	join := joinAs(who.role)
	join.Resume = claim
	conn := w.conn()
	var p, before *participant
	var err error
	w.room.call(func() {
		if claim != nil {
			before = w.room.participants[claim.ParticipantID]
		}
		p, err = w.room.admit(&entry{conn: conn, join: join, grant: Grant{Role: who.role}})
	})
	if err != nil {
		if claim == nil || !w.removed[claim.ParticipantID] {
			if e := asError(err); e.Code != signaling.CodeRate {
				w.t.Fatalf("refused: %v", err)
			}
		}
		return who
	}
	if claim != nil && w.removed[p.id] {
		w.t.Fatal("who was removed is back")
	}
	if before != nil && before.role == who.role && p != before {
		w.t.Fatal("who is back in time is somebody else")
	}
	return &resumer{id: p.id, secret: resumeSecret(w.room.cfg.ResumeKey, w.room.id, p.id), role: p.role, conn: conn, p: p}
}

// forge claims somebody's id with another one's secret.
func (w *resumeWorld) forge(victim *resumer, secret string) {
	if victim == nil || victim.secret == secret {
		return
	}
	join := joinAs(victim.role)
	join.Resume = &signaling.Resume{ParticipantID: victim.id, Secret: secret}
	var p *participant
	w.room.call(func() {
		p, _ = w.room.admit(&entry{conn: w.conn(), join: join, grant: Grant{Role: victim.role}})
	})
	if p != nil && p.id == victim.id {
		w.t.Fatal("a stranger got an id")
	}
}

func (w *resumeWorld) check() {
	w.t.Helper()
	var wrong string
	w.room.call(func() {
		seen := map[string]bool{}
		for _, p := range w.room.order {
			if seen[p.id] || w.room.participants[p.id] != p {
				wrong = fmt.Sprintf("%s is in the room twice", p.id)
			}
			seen[p.id] = true
		}
		if len(seen) != len(w.room.participants) {
			wrong = fmt.Sprintf("%d in order, %d by id", len(seen), len(w.room.participants))
		}
	})
	if wrong != "" {
		w.t.Fatal(wrong)
	}
}

// TestAShowGoesOnAfterARestart once a performer is back, and only then, and not for ever.
func TestAShowGoesOnAfterARestart(t *testing.T) {
	air := &stubBroadcast{}
	s := newServer(t, func(c *Config) { c.NewBroadcast = func(*Room) Broadcast { return air } })
	now := s.clock.Now()
	for name, c := range map[string]struct {
		until time.Time
		role  signaling.Role
		live  bool
	}{
		"performer":      {now.Add(time.Minute), signaling.RolePerformer, true},
		"host":           {now.Add(time.Minute), signaling.RoleHost, true},
		"listener":       {now.Add(time.Minute), signaling.RoleListener, false},
		"too late":       {now.Add(-time.Minute), signaling.RoleHost, false},
		"was not on air": {time.Time{}, signaling.RoleHost, false},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, " ", "-")
			if _, err := s.reg.Create(Options{ID: id, OnAirUntil: c.until}); err != nil {
				t.Fatal(err)
			}
			m := joinAs(c.role)
			m.RoomID = id
			p := s.join(m)
			if p.joined.OnAir.Live != c.live {
				t.Errorf("on air: %v", p.joined.OnAir.Live)
			}
			if !c.live || c.role != signaling.RoleHost {
				return
			}
			p.send(&signaling.OnAir{Live: false})
			expectThat(p, func(m *signaling.OnAirState) bool { return !m.Live })
			again := joinAs(signaling.RolePerformer)
			again.RoomID = id
			if s.join(again).joined.OnAir.Live {
				t.Error("a show that the host ended goes on")
			}
		})
	}
}
