package room

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gasso/net/packet"
	"gasso/net/signaling"
)

func TestParticipantsSeeEachOtherComeAndGo(t *testing.T) {
	s := newServer(t, nil)
	first := s.join(joinAs(signaling.RoleHost))
	if j := first.joined; j.Resumed || j.Role != signaling.RoleHost || len(j.Participants) != 0 || j.Room.Title != "Demo" || j.ResumeSecret == "" {
		t.Errorf("joined is %+v", j)
	}
	m := joinAs(signaling.RolePerformer)
	m.UserID, m.Role, m.Topology = " Mi\u202eo\x07 ", signaling.RoleHost, signaling.TopologyP2P
	second := s.join(m)
	if second.joined.Role != signaling.RolePerformer {
		t.Errorf("the wish for a role counted: %s", second.joined.Role)
	}
	if len(second.joined.Participants) != 1 || second.joined.Participants[0].ID != first.joined.ParticipantID {
		t.Errorf("the second sees %+v", second.joined.Participants)
	}
	got := expect[*signaling.ParticipantJoined](first).Participant
	want := signaling.Participant{
		ID: second.joined.ParticipantID, Name: "Mio", Role: signaling.RolePerformer,
		Topology: signaling.TopologyP2P, Receive: signaling.ReceiveTracks,
	}
	if got != want {
		t.Errorf("the first sees %+v, want %+v", got, want)
	}
	second.send(&signaling.Leave{})
	if left := expect[*signaling.ParticipantLeft](first); left.ParticipantID != want.ID || left.Reason != signaling.LeftByWish {
		t.Errorf("got %+v", left)
	}
	if n := len(s.room.mustStatus(t).Participants); n != 1 {
		t.Errorf("%d participants are left, want 1", n)
	}
}

func TestALostParticipantComesBackWithItsSecret(t *testing.T) {
	s := newServer(t, nil)
	other, lost := s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RolePerformer))
	expect[*signaling.ParticipantJoined](other)
	gain := -3.0
	if _, err := s.room.SetStrip(signaling.StripSet{ParticipantID: lost.joined.ParticipantID, GainDB: &gain}); err != nil {
		t.Fatal(err)
	}
	expect[*signaling.StripChanged](other)
	s.drop(lost)
	candidate := &signaling.Signal{To: lost.joined.ParticipantID, Link: "l", Candidate: &signaling.Candidate{Candidate: "held"}}
	other.send(candidate)
	other.untouched() // nobody left, and the signal was taken
	s.clock.advance(59 * time.Second)
	s.room.call(s.room.tick)
	m := lost.resume()
	m.Token = "!performer" // expired meanwhile
	back := s.join(m)
	if !back.joined.Resumed || back.joined.ParticipantID != lost.joined.ParticipantID || back.joined.ResumeSecret != lost.joined.ResumeSecret {
		t.Errorf("came back as %+v", back.joined)
	}
	if strips := back.joined.Strips; len(strips) != 2 || strips[1].GainDB != gain {
		t.Errorf("its strip is lost: %+v", strips)
	}
	if held := expect[*signaling.Signal](back); held.Candidate.Candidate != "held" || held.From != other.joined.ParticipantID {
		t.Errorf("held signal is %+v", held)
	}
	other.untouched()
}

func TestAParticipantWhoStaysAwayIsGoneAfterAMinute(t *testing.T) {
	s := newServer(t, nil)
	other, lost := s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RolePerformer))
	s.drop(lost)
	s.clock.advance(60 * time.Second)
	s.room.call(s.room.tick)
	if left := expect[*signaling.ParticipantLeft](other); left.Reason != signaling.LeftByTimeout {
		t.Errorf("left for %q", left.Reason)
	}
	back := s.join(lost.resume())
	if back.joined.Resumed || back.joined.ParticipantID != lost.joined.ParticipantID {
		t.Errorf("came back as %+v, want the id without the state", back.joined)
	}
	m := lost.resume()
	m.Resume.ParticipantID, m.Resume.Secret = "p00000000000000aa", "from another server"
	if stranger := s.join(m); stranger.joined.Resumed || stranger.joined.ParticipantID == m.Resume.ParticipantID {
		t.Errorf("an unproven id was taken over: %+v", stranger.joined)
	}
}

func TestResumeSurvivesARestartOfTheServer(t *testing.T) {
	before := newServer(t, nil).join(joinAs(signaling.RolePerformer))
	after := newServer(t, nil).join(before.resume())
	if after.joined.Resumed || after.joined.ParticipantID != before.joined.ParticipantID {
		t.Errorf("came back as %+v", after.joined)
	}
	other := newServer(t, func(c *Config) { c.ResumeKey = []byte("another") }).join(before.resume())
	if other.joined.ParticipantID == before.joined.ParticipantID {
		t.Error("a secret of another server counted")
	}
}

func TestASecondConnectionReplacesTheFirst(t *testing.T) {
	s := newServer(t, nil)
	other, first := s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RolePerformer))
	expect[*signaling.ParticipantJoined](other)
	second := s.join(first.resume())
	first.closed(signaling.ClosedReplaced)
	if !second.joined.Resumed {
		t.Error("not resumed")
	}
	other.untouched()
	s.await("the first's end is known", func() bool {
		_ = first.conn.Close(nil)
		return true
	})
	second.untouched()
	if p := s.room.mustStatus(t).Participants[1]; !p.Connected || p.ID != second.joined.ParticipantID {
		t.Errorf("after the first ended: %+v", p)
	}
}

func TestAnotherRoleMakesANewParticipant(t *testing.T) {
	s := newServer(t, nil)
	first := s.join(joinAs(signaling.RolePerformer))
	m := first.resume()
	m.Token = "listener"
	second := s.join(m)
	first.closed(signaling.ClosedReplaced)
	if second.joined.Resumed || second.joined.Role != signaling.RoleListener || second.joined.ParticipantID == first.joined.ParticipantID {
		t.Errorf("came back as %+v", second.joined)
	}
	if n := len(s.room.mustStatus(t).Participants); n != 1 {
		t.Errorf("%d participants, want 1", n)
	}
}

func TestSignalsAreRelayedWithTheTrueSender(t *testing.T) {
	s := newServer(t, nil)
	a, b, c := s.join(joinAs(signaling.RolePerformer)), s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RolePerformer))
	expect[*signaling.ParticipantJoined](b)
	a.send(&signaling.Signal{To: b.joined.ParticipantID, From: c.joined.ParticipantID, Link: "l", Renegotiate: &signaling.Renegotiate{Reason: "test"}})
	got := expect[*signaling.Signal](b)
	if got.From != a.joined.ParticipantID || got.Link != "l" || got.Renegotiate.Reason != "test" {
		t.Errorf("got %+v", got)
	}
	c.untouched()
}

func TestPublicationsAreAnnouncedAndToldToLatecomers(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.join(joinAs(signaling.RolePerformer)), s.join(joinAs(signaling.RolePerformer))
	publication := signaling.Publication{ParticipantID: "forged", ID: packet.NewPublicationID(), Generation: 3, Channels: 2, FrameSamples: 120, LookAheadSamples: 120}
	a.send(&publication)
	got := *expect[*signaling.Publication](b)
	publication.ParticipantID = a.joined.ParticipantID
	if got != publication {
		t.Errorf("got %+v, want %+v", got, publication)
	}
	late := s.join(joinAs(signaling.RoleListener))
	if p := late.joined.Participants[0].Publication; p == nil || *p != publication {
		t.Errorf("a latecomer sees %+v", p)
	}
}

func TestChatIsCleanedBoundedAndLimited(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.join(joinAs(signaling.RolePerformer)), s.join(joinAs(signaling.RoleListener))
	b.send(&signaling.Chat{Text: "一\x1b[31m\n<b>\u202e ", From: "forged", Name: "forged"})
	for _, c := range []*client{a, b} {
		got := expect[*signaling.Chat](c)
		if got.Text != "一[31m <b>" || got.From != b.joined.ParticipantID || got.Name != "Test listener" || got.UnixMS != s.clock.Now().UnixMilli() {
			t.Errorf("got %+v", got)
		}
	}
	a.send(&signaling.Chat{Text: strings.Repeat("音", maxChatRunes)})
	if got := expect[*signaling.Chat](b); len(got.Text) != 3*maxChatRunes {
		t.Errorf("the longest line arrived with %d bytes", len(got.Text))
	}
	a.send(&signaling.Chat{Text: strings.Repeat("a", maxChatRunes+1)})
	a.refused(signaling.CodeBadValue, "chat")
	a.send(&signaling.Chat{Text: "\x00\n"})
	a.refused(signaling.CodeBadValue, "chat")
	for range chatBurst - 3 { // three went before
		a.send(&signaling.Chat{Text: "again"})
		expect[*signaling.Chat](a)
	}
	a.send(&signaling.Chat{Text: "too much"})
	a.refused(signaling.CodeRate, "chat")
	s.clock.advance(time.Second)
	a.send(&signaling.Chat{Text: "after a moment"})
	expectThat(b, func(m *signaling.Chat) bool { return m.Text == "after a moment" })
}

func TestHostsSetStripsAndEverybodyIsTold(t *testing.T) {
	s := newServer(t, nil)
	host, performer := s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RolePerformer))
	id := performer.joined.ParticipantID
	gain, pan, mute := -6.0, 0.5, true
	host.send(&signaling.StripSet{ParticipantID: id, GainDB: &gain})
	host.send(&signaling.StripSet{ParticipantID: id, Pan: &pan, Mute: &mute})
	for _, c := range []*client{host, performer} {
		want := signaling.StripChanged{ParticipantID: id, GainDB: gain, Pan: pan, Mute: mute}
		if expect[*signaling.StripChanged](c); *expect[*signaling.StripChanged](c) != want {
			t.Errorf("strips don't keep what is left out")
		}
	}
	for _, bad := range []float64{-80.5, 12.1} {
		host.send(&signaling.StripSet{ParticipantID: id, GainDB: &bad})
		host.refused(signaling.CodeBadValue, "strip-set")
	}
	bad := 1.5
	host.send(&signaling.StripSet{ParticipantID: id, Pan: &bad})
	host.refused(signaling.CodeBadValue, "strip-set")
	late := s.join(joinAs(signaling.RoleListener))
	if strips := late.joined.Strips; len(strips) != 2 || strips[1].GainDB != gain || !strips[1].Mute {
		t.Errorf("a latecomer sees %+v", strips)
	}
}

func TestClockPingsAreAnsweredWithRoomTime(t *testing.T) {
	s := newServer(t, nil)
	c := s.join(joinAs(signaling.RoleListener))
	s.clock.advance(1500 * time.Millisecond)
	c.send(&signaling.ClockPing{ID: 9})
	pong := expect[*signaling.ClockPong](c)
	if want := s.reg.cfg.Clock.NowNS(s.clock.Now()); pong.ID != 9 || pong.ReceivedNS != want || pong.AnsweredNS != want {
		t.Errorf("got %+v, want %d", pong, want)
	}
}

func TestHostsGetLevelsAndOthersDoNot(t *testing.T) {
	s := newServer(t, nil)
	performer := s.join(joinAs(signaling.RolePerformer))
	host := s.join(joinAs(signaling.RoleHost))
	expect[*signaling.ParticipantJoined](performer)
	for range 3 {
		expect[*signaling.Levels](host)
	}
	performer.untouched()
}

func TestTheHostGoesOnAirAndEverybodyIsTold(t *testing.T) {
	air := &stubBroadcast{state: BroadcastState{ListenerURL: "http://localhost/room/demo"}}
	s := newServer(t, func(c *Config) { c.NewBroadcast = func(*Room) Broadcast { return air } })
	host, listener := s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RoleListener))
	if host.joined.OnAir.Live || host.joined.OnAir.ListenerURL == "" {
		t.Errorf("before the start: %+v", host.joined.OnAir)
	}
	host.send(&signaling.OnAir{Live: true})
	on := expect[*signaling.OnAirState](listener)
	if !on.Live || on.SinceUnixMS != s.clock.Now().UnixMilli() || air.started != 1 {
		t.Errorf("got %+v after %d starts", on, air.started)
	}
	air.set(func(b *stubBroadcast) { b.state.Listeners, b.state.Problem = 2, "ffmpeg is missing" })
	s.room.call(s.room.tick)
	if on := expect[*signaling.OnAirState](listener); on.Listeners != 2 || on.Problem == "" {
		t.Errorf("news of the broadcast: %+v", on)
	}
	host.send(&signaling.OnAir{Live: true}) // again: nothing happens
	host.send(&signaling.OnAir{Live: false})
	if off := expect[*signaling.OnAirState](listener); off.Live || off.SinceUnixMS != 0 || air.stopped != 1 || air.started != 1 {
		t.Errorf("got %+v after %d stops", off, air.stopped)
	}
	air.set(func(b *stubBroadcast) { b.fail = true })
	host.send(&signaling.OnAir{Live: true})
	host.refused(signaling.CodeInternal, "on-air")
	if failed := expectThat(listener, func(m *signaling.OnAirState) bool { return m.Problem != "ffmpeg is missing" }); failed.Live || failed.Problem == "" {
		t.Errorf("a failed start is told as %+v", failed)
	}
}

func TestARoomGoesOnAirByItselfAtTheFirstJoin(t *testing.T) {
	air := &stubBroadcast{}
	s := newServer(t, func(c *Config) { c.NewBroadcast = func(*Room) Broadcast { return air } })
	if _, err := s.reg.Create(Options{ID: "auto", AutoOnAir: true}); err != nil {
		t.Fatal(err)
	}
	m := joinAs(signaling.RolePerformer)
	m.RoomID = "auto"
	if first := s.join(m); !first.joined.OnAir.Live || air.started != 1 {
		t.Errorf("joined says %+v after %d starts", first.joined.OnAir, air.started)
	}
	if err := s.reg.Delete("auto"); err != nil || air.stopped != 1 {
		t.Errorf("the end of the room stopped the broadcast %d times, %v", air.stopped, err)
	}
}

func TestTheOperatorRemovesParticipantsAndEndsRooms(t *testing.T) {
	s := newServer(t, nil)
	host, performer := s.join(joinAs(signaling.RoleHost)), s.join(joinAs(signaling.RolePerformer))
	if err := s.reg.Remove("demo", performer.joined.ParticipantID); err != nil {
		t.Fatal(err)
	}
	performer.closed(signaling.ClosedRemoved)
	if left := expect[*signaling.ParticipantLeft](host); left.Reason != signaling.LeftRemoved {
		t.Errorf("left for %q", left.Reason)
	}
	again := s.connect()
	again.send(performer.resume())
	again.refused(signaling.CodeResume, "join-room")
	if err := s.reg.Remove("demo", "nobody"); !errors.Is(err, ErrUnknownParticipant) {
		t.Errorf("got %v", err)
	}
	if err := s.reg.Delete("demo"); err != nil {
		t.Fatal(err)
	}
	host.closed(signaling.ClosedRemoved)
	if _, err := s.room.Status(); !errors.Is(err, ErrEnded) {
		t.Errorf("an ended room answers %v", err)
	}
	if err := s.reg.Delete("demo"); !errors.Is(err, ErrUnknownRoom) {
		t.Errorf("got %v", err)
	}
}

func TestShutdownTellsEverybody(t *testing.T) {
	s := newServer(t, nil)
	joined, pending := s.join(joinAs(signaling.RoleHost)), s.connect()
	s.await("both are connected", func() bool {
		s.reg.mu.Lock()
		defer s.reg.mu.Unlock()
		return len(s.reg.pending) == 1
	})
	done := make(chan error, 1)
	go func() { done <- s.reg.Shutdown(context.Background()) }()
	joined.closed(signaling.ClosedShutdown)
	pending.closed(signaling.ClosedShutdown)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := signaling.Dial(context.Background(), s.url, nil, nil); err == nil {
		t.Error("connected to a server that is shutting down")
	}
	if _, err := s.reg.Create(Options{ID: "late"}); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v", err)
	}
}

func TestAPanicInTheRoomIsSurvived(t *testing.T) {
	s := newServer(t, nil)
	c := s.join(joinAs(signaling.RoleHost))
	s.room.post(func() { panic("test") })
	c.send(&signaling.Chat{Text: "still here"})
	if got := expect[*signaling.Chat](c); got.Text != "still here" {
		t.Errorf("got %+v", got)
	}
}

func TestRoomIDsAreChecked(t *testing.T) {
	s := newServer(t, nil)
	for _, id := range []string{"", "a/b", "..", "ö", strings.Repeat("a", 65)} {
		if _, err := s.reg.Create(Options{ID: id}); !errors.Is(err, ErrBadID) {
			t.Errorf("%q: got %v", id, err)
		}
	}
	if _, err := s.reg.Create(Options{ID: "demo"}); !errors.Is(err, ErrRoomExists) {
		t.Errorf("got %v", err)
	}
	if rooms := s.reg.List(); len(rooms) != 1 || rooms[0] != s.room {
		t.Errorf("list is %v", rooms)
	}
}
