package room

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"gasso/net/packet"
	"gasso/net/signaling"
	"gasso/server/limits"
)

func TestWhoMayNotJoinIsToldWhyAndTheOthersNoticeNothing(t *testing.T) {
	s := newServer(t, nil)
	host := s.join(joinAs(signaling.RoleHost))
	cases := map[string]struct {
		change func(*signaling.JoinRoom)
		code   string
	}{
		"unknown room":       {func(m *signaling.JoinRoom) { m.RoomID = "nowhere" }, signaling.CodeUnknownRoom},
		"wrong invite":       {func(m *signaling.JoinRoom) { m.Token = "forged" }, signaling.CodeInvite},
		"no invite":          {func(m *signaling.JoinRoom) { m.Token = "" }, signaling.CodeInvite},
		"expired invite":     {func(m *signaling.JoinRoom) { m.Token = "!host" }, signaling.CodeExpired},
		"newer version":      {func(m *signaling.JoinRoom) { m.Protocol++ }, signaling.CodeVersion},
		"no version":         {func(m *signaling.JoinRoom) { m.Protocol = 0 }, signaling.CodeVersion},
		"bad value":          {func(m *signaling.JoinRoom) { m.Topology = "ring" }, signaling.CodeBadValue},
		"live id, no secret": {func(m *signaling.JoinRoom) { m.Resume = &signaling.Resume{ParticipantID: host.joined.ParticipantID} }, signaling.CodeResume},
		"live id, bad secret": {func(m *signaling.JoinRoom) {
			m.Resume = &signaling.Resume{ParticipantID: host.joined.ParticipantID, Secret: "guess"}
		}, signaling.CodeResume},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := joinAs(signaling.RolePerformer)
			c.change(m)
			stranger := s.connect()
			stranger.send(m)
			if e := stranger.refused(c.code, "join-room"); !e.Fatal || e.Next == "" {
				t.Errorf("%+v must be fatal and say what to do", e)
			}
			stranger.closed(signaling.ClosedError)
			host.untouched()
		})
	}
	want := map[string]int64{}
	for _, c := range cases {
		want[c.code]++
	}
	got := s.reg.Refusals()
	for code, n := range got.ByCode {
		if n != want[code] {
			t.Errorf("%d refused as %s, want %d", n, code, want[code])
		}
	}
	if got.ForgedResumes != 2 {
		t.Errorf("%d forged resumes, want 2", got.ForgedResumes)
	}
	m := joinAs(signaling.RolePerformer)
	m.Resume = &signaling.Resume{ParticipantID: newParticipantID(), Secret: host.joined.ResumeSecret}
	if is := s.join(m).joined; is.ParticipantID == m.Resume.ParticipantID || is.Resumed || s.reg.Refusals().ForgedResumes != 3 {
		t.Errorf("a forged resume of one who is not there gave %s, %v, counted %+v", is.ParticipantID, is.Resumed, s.reg.Refusals())
	}
}

func TestTheFirstMessageMustBeJoinRoom(t *testing.T) {
	s := newServer(t, nil)
	for _, m := range []signaling.Message{&signaling.Chat{Text: "hello"}, &signaling.OnAir{Live: true}, &signaling.ClockPing{}} {
		c := s.connect()
		c.send(m)
		if e := c.refused(signaling.CodeForbidden, m.Type()); !e.Fatal {
			t.Errorf("%s before join-room isn't fatal", m.Type())
		}
		c.closed(signaling.ClosedError)
	}
}

// raw joins with a bare WebSocket, to send what a client would not.
func (s *server) raw() *websocket.Conn {
	s.t.Helper()
	ws, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
	s.t.Cleanup(func() { _ = ws.Close() })
	return ws
}

// answerTo writes text and returns the answer that is an error.
func (s *server) answerTo(ws *websocket.Conn, text string) *signaling.Error {
	s.t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
	for {
		_, payload, err := ws.ReadMessage()
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := signaling.Decode(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		if e, ok := m.(*signaling.Error); ok {
			return e
		}
	}
}

func TestBadMessagesInTheRoomAreAnsweredAndTheOthersNoticeNothing(t *testing.T) {
	s := newServer(t, nil)
	ws := s.raw()
	payload, err := signaling.Encode(joinAs(signaling.RolePerformer))
	if err != nil || ws.WriteMessage(websocket.TextMessage, payload) != nil {
		t.Fatal("join-room not sent")
	}
	if _, _, err := ws.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	host := s.join(joinAs(signaling.RoleHost))
	bad := map[string]string{
		"no JSON":                          signaling.CodeMalformed,
		`{"type":"dance","roomId":"demo"}`: signaling.CodeUnknownType,
		`{"type":"chat","text":["a"]}`:     signaling.CodeMalformed,
		`{"type":"chat","text":"` + strings.Repeat("a", 2*signaling.MaxMessageBytes) + `"}`: signaling.CodeTooLarge,
		`{"type":"joined"}`: signaling.CodeForbidden,
		`{"type":"join-room","protocol":1,"roomId":"demo"}`: signaling.CodeForbidden,
		`{"type":"signal","to":"server"}`:                   signaling.CodeBadValue,
	}
	for text, code := range bad {
		if e := s.answerTo(ws, text); e.Code != code || e.Fatal {
			t.Errorf("%.40s was answered with %+v, want %s", text, e, code)
		}
		host.untouched()
	}
	if s.room.mustStatus(t).Participants[0].Connected != true {
		t.Error("who sent bad messages is not in the room any more")
	}
}

func (r *Room) mustStatus(t *testing.T) Status {
	t.Helper()
	status, err := r.Status()
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestRolesMayDoNoMoreThanTheirs(t *testing.T) {
	air := &stubBroadcast{}
	s := newServer(t, func(c *Config) { c.NewBroadcast = func(*Room) Broadcast { return air } })
	host := s.join(joinAs(signaling.RoleHost))
	performer := s.join(joinAs(signaling.RolePerformer))
	listener := s.join(joinAs(signaling.RoleListener))
	gain := -6.0
	offer := &signaling.Description{Type: "offer", SDP: "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"}
	cases := []struct {
		who     *client
		message signaling.Message
		code    string
	}{
		{performer, &signaling.StripSet{ParticipantID: host.joined.ParticipantID, GainDB: &gain}, signaling.CodeForbidden},
		{listener, &signaling.StripSet{ParticipantID: host.joined.ParticipantID, GainDB: &gain}, signaling.CodeForbidden},
		{performer, &signaling.OnAir{Live: true}, signaling.CodeForbidden},
		{listener, &signaling.OnAir{Live: true}, signaling.CodeForbidden},
		{listener, &signaling.Publication{ID: packet.NewPublicationID(), Channels: 2, FrameSamples: 240}, signaling.CodeForbidden},
		{listener, &signaling.Signal{To: host.joined.ParticipantID, Description: offer}, signaling.CodeForbidden},
		{listener, &signaling.Signal{To: signaling.ServerID, Description: offer}, signaling.CodeForbidden},
		{performer, &signaling.Signal{To: listener.joined.ParticipantID, Description: offer}, signaling.CodeUnknownPeer},
		{performer, &signaling.Signal{To: performer.joined.ParticipantID, Description: offer}, signaling.CodeUnknownPeer},
		{performer, &signaling.Signal{To: "p0000000000000000", Description: offer}, signaling.CodeUnknownPeer},
		{host, &signaling.StripSet{ParticipantID: listener.joined.ParticipantID, GainDB: &gain}, signaling.CodeUnknownPeer},
		{host, &signaling.Forwarding{ParticipantID: listener.joined.ParticipantID, Level: signaling.ForwardOff}, signaling.CodeUnknownPeer},
	}
	for _, c := range cases {
		c.who.send(c.message)
		if e := c.who.refused(c.code, c.message.Type()); e.Fatal {
			t.Errorf("%s: an attempt ends the connection", c.message.Type())
		}
	}
	if air.started != 0 || s.room.Mixer().Strip(host.joined.ParticipantID).GainDB != 0 {
		t.Error("a refused message had an effect")
	}
}

func TestDescriptionsThatAreNotAudioAreRefused(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.join(joinAs(signaling.RolePerformer)), s.join(joinAs(signaling.RolePerformer))
	const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
	cases := map[string]struct{ sdp, code string }{
		"video":           {"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", signaling.CodeBadMedia},
		"audio and video": {"v=0\r\n" + audio + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", signaling.CodeBadMedia},
		"nothing":         {"v=0\r\n", signaling.CodeBadMedia},
		"too long":        {"v=0\r\n" + audio + strings.Repeat("a=x\r\n", 7_000), signaling.CodeBadValue},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a.send(&signaling.Signal{To: b.joined.ParticipantID, Link: "l", Description: &signaling.Description{Type: "offer", SDP: c.sdp}})
			a.refused(c.code, "signal")
			b.untouched()
		})
	}
	a.send(&signaling.Signal{To: b.joined.ParticipantID, Candidate: &signaling.Candidate{Candidate: strings.Repeat("c", 3000)}})
	a.refused(signaling.CodeBadValue, "signal")
	b.untouched()
	for _, bad := range []signaling.Publication{
		{Channels: 2, FrameSamples: 240},
		{ID: packet.NewPublicationID(), Channels: 6, FrameSamples: 240},
		{ID: packet.NewPublicationID(), Channels: 2, FrameSamples: 241},
		{ID: packet.NewPublicationID(), Channels: 2, FrameSamples: 240, LookAheadSamples: -1},
	} {
		a.send(&bad)
		a.refused(signaling.CodeBadValue, "publication")
	}
	b.untouched()
}

func TestFloodsAreRefusedAndEndTheConnection(t *testing.T) {
	s := newServer(t, nil)
	noisy, calm := s.join(joinAs(signaling.RolePerformer)), s.join(joinAs(signaling.RolePerformer))
	expect[*signaling.ParticipantJoined](noisy)
	for range messageBurst { // the clock stands still, so nothing is forgiven
		noisy.send(&signaling.TransportOptions{})
		expect[*signaling.TransportOptions](noisy)
	}
	for i := range patience {
		noisy.send(&signaling.TransportOptions{})
		if e := noisy.refused(signaling.CodeRate, "transport-options"); e.Fatal != (i == patience-1) {
			t.Fatalf("refusal %d: fatal is %v", i, e.Fatal)
		}
		if i%50 == 0 {
			calm.untouched()
		}
	}
	noisy.closed(signaling.ClosedError)
	s.await("the loss is known", func() bool { return !s.room.mustStatus(t).Participants[0].Connected })
	calm.untouched()
}

func TestAFullServerRefusesNewRoomsAndPlacesAndLeavesTheRestAlone(t *testing.T) {
	memory := int64(10)
	s := newServer(t, func(c *Config) {
		c.Limits = limits.New(limits.Config{
			Rooms: 2, PerRoom: 2, MemoryBytes: 100, MemoryUsed: func() (int64, error) { return memory, nil },
		})
	})
	first := s.join(joinAs(signaling.RoleHost))
	second := s.join(joinAs(signaling.RolePerformer))
	expect[*signaling.ParticipantJoined](first)
	third := s.connect()
	third.send(joinAs(signaling.RolePerformer))
	if e := third.refused(signaling.CodeFull, "join-room"); e.RetryAfter <= 0 {
		t.Errorf("%+v doesn't say when to try again", e)
	}
	third.closed(signaling.ClosedError)

	if _, err := s.reg.Create(Options{ID: "second"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.reg.Create(Options{ID: "third"}); err == nil {
		t.Error("a room above the limit was created")
	}
	if err := s.reg.Delete("second"); err != nil {
		t.Fatal(err)
	}
	s.drop(second)
	memory = 101
	s.clock.advance(2e9)
	if _, err := s.reg.Create(Options{ID: "late"}); err == nil {
		t.Error("a room was created without memory")
	}
	back := s.join(second.resume())
	if !back.joined.Resumed {
		t.Error("who was in the room couldn't come back")
	}
	first.untouched()
	back.send(&signaling.Leave{})
	expect[*signaling.ParticipantLeft](first)
	s.join(joinAs(signaling.RolePerformer)) // a room that runs goes on taking people
	s.room.call(func() {
		for _, p := range slices.Clone(s.room.order) {
			s.room.remove(p, signaling.LeftByWish)
		}
	})
	late := s.connect()
	late.send(joinAs(signaling.RolePerformer))
	late.refused(signaling.CodeFull, "join-room") // nobody is there: that would be a room more
}

func TestTooManyWhoDoNotJoinGet503(t *testing.T) {
	s := newServer(t, nil)
	ask := func(address string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/ws", nil)
		r.RemoteAddr = address + ":1"
		s.reg.ServeWS(w, r)
		return w
	}
	refused := func(address string) bool {
		w := ask(address)
		if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Errorf("no Retry-After for %s", address)
		}
		return w.Code == http.StatusServiceUnavailable
	}
	enter := func(address string, n int) {
		for range n {
			if !s.reg.enter(address) {
				t.Fatalf("%s is refused too early", address)
			}
		}
	}
	enter("192.0.2.1", maxPendingAddress)
	if !refused("192.0.2.1") || refused("192.0.2.2") {
		t.Error("one address has no bound of its own")
	}
	for i := range maxPending/maxPendingAddress - 1 {
		enter(fmt.Sprint("192.0.2.", 10+i), maxPendingAddress)
	}
	if !refused("192.0.2.2") {
		t.Error("there is no bound for all addresses")
	}
	for address, n := range maps.Clone(s.reg.from) {
		for range n {
			s.reg.leave(address)
			s.reg.connections.Done()
		}
	}
	s.join(joinAs(signaling.RolePerformer))
	s.await("nothing is left of the counts", func() bool {
		s.reg.mu.Lock()
		defer s.reg.mu.Unlock()
		return s.reg.waiting == 0 && len(s.reg.from) == 0 && len(s.reg.pending) == 0
	})
}
