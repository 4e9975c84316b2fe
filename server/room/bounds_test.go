package room

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gasso/net/packet"
	"gasso/net/signaling"
)

func TestARevokedInviteKeepsOutWhoIsBack(t *testing.T) {
	s := newServer(t, nil)
	p := s.join(joinAs(signaling.RolePerformer))
	s.drop(p)
	m := p.resume()
	m.Token = "revoked"
	back := s.connect()
	back.send(m)
	back.refused(signaling.CodeInvite, "join-room")
	back.closed(signaling.ClosedError)
	m.Token = "!performer" // only expired
	if again := s.join(m); !again.joined.Resumed {
		t.Error("an invite that expired meanwhile kept somebody out")
	}
}

func TestListenersGetNoCredentials(t *testing.T) {
	options := signaling.TransportOptions{ICEServers: []signaling.ICEServer{{URLs: []string{"turn:x"}, Username: "u", Credential: "secret"}}}
	s := newServer(t, func(c *Config) { c.Transport = func(string) signaling.TransportOptions { return options } })
	for role, want := range map[signaling.Role]int{signaling.RoleHost: 1, signaling.RolePerformer: 1, signaling.RoleListener: 0} {
		c := s.join(joinAs(role))
		if got := len(c.joined.TransportOptions.ICEServers); got != want {
			t.Errorf("%s is told of %d servers on joining, want %d", role, got, want)
		}
		c.send(&signaling.TransportOptions{})
		if got := len(expect[*signaling.TransportOptions](c).ICEServers); got != want {
			t.Errorf("%s is told of %d servers on asking, want %d", role, got, want)
		}
	}
}

// The names are as long on the wire as they can be.
func TestALargeRoomIsToldInFull(t *testing.T) {
	s := newServer(t, nil)
	const people = 60
	name := strings.Repeat("<", maxNameRunes)
	var last *client
	for range people {
		m := joinAs(signaling.RolePerformer)
		m.UserID = name
		last = s.join(m)
	}
	if got := len(last.joined.Participants); got != joinedPeople {
		t.Errorf("joined names %d others, want %d", got, joinedPeople)
	}
	seen := map[string]bool{}
	for _, p := range last.joined.Participants {
		seen[p.ID] = true
	}
	for len(seen) < people-1 {
		seen[expect[*signaling.ParticipantJoined](last).Participant.ID] = true
	}
	if got := len(last.joined.Strips); got != people {
		t.Errorf("joined tells %d strips, want %d", got, people)
	}
}

// What joined holds at most fits into one message, in the largest room that the server can be set to.
func TestJoinedFitsIntoAMessage(t *testing.T) {
	long := strings.Repeat("<", maxNameRunes)
	m := &signaling.Joined{
		ParticipantID: newParticipantID(), ResumeSecret: resumeSecret(nil, "demo", "p"), Role: signaling.RolePerformer,
		Room: signaling.Room{ID: strings.Repeat("r", 64), Title: strings.Repeat("<", maxTitleRunes)},
	}
	publication := &signaling.Publication{ID: packet.NewPublicationID(), Generation: 255, Channels: 2, FrameSamples: 5760, LookAheadSamples: 4800, Music: true, ParticipantID: newParticipantID()}
	for range joinedPeople {
		m.Participants = append(m.Participants, signaling.Participant{ID: newParticipantID(), Name: long,
			Role: signaling.RolePerformer, Topology: signaling.TopologyAuto, Receive: signaling.ReceiveTracks, Publication: publication})
	}
	for range MostParticipants {
		m.Strips = append(m.Strips, signaling.StripChanged{ParticipantID: newParticipantID(), GainDB: -12.345678901234567, Pan: -0.12345678901234567})
	}
	payload, err := signaling.Encode(m)
	if err != nil || len(payload) > signaling.MaxMessageBytes-4096 { // the rest is for the operator's servers and links
		t.Errorf("%d bytes, %v", len(payload), err)
	}
}

func TestBurstsAreBounded(t *testing.T) {
	t.Run("publications", func(t *testing.T) {
		s := newServer(t, nil)
		a, b := s.join(joinAs(signaling.RolePerformer)), s.join(joinAs(signaling.RolePerformer))
		expect[*signaling.ParticipantJoined](a)
		for range publicationBurst {
			a.send(&signaling.Publication{ID: packet.NewPublicationID(), Channels: 2, FrameSamples: 240})
			expect[*signaling.Publication](b)
		}
		a.send(&signaling.Publication{ID: packet.NewPublicationID(), Channels: 2, FrameSamples: 240})
		a.refused(signaling.CodeRate, "publication")
		b.untouched()
		s.clock.advance(time.Second)
		a.send(&signaling.Publication{ID: packet.NewPublicationID(), Channels: 2, FrameSamples: 240})
		expect[*signaling.Publication](b)
	})
	t.Run("entries", func(t *testing.T) {
		s := newServer(t, nil)
		for range entryBurst {
			c := s.join(joinAs(signaling.RoleListener))
			c.send(&signaling.Leave{})
			_ = c.conn.Close(nil)
		}
		late := s.connect()
		late.send(joinAs(signaling.RoleListener))
		if e := late.refused(signaling.CodeRate, "join-room"); e.RetryAfter == 0 {
			t.Errorf("%+v doesn't say when to try again", e)
		}
		s.clock.advance(time.Second)
		s.join(joinAs(signaling.RoleListener))
	})
	t.Run("resumes without the link", func(t *testing.T) {
		s := newMediaServer(t, func(c *Config) { c.Now = nil })
		p := s.join(joinAs(signaling.RolePerformer))
		var refusal *signaling.Error
		for range startOverBurst + 3 {
			c := s.connect()
			c.send(p.resume())
			m, err := c.conn.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if e, refused := m.(*signaling.Error); refused {
				refusal = e
			}
		}
		if refusal == nil || refusal.Code != signaling.CodeRate {
			t.Errorf("links are started over without end: %+v", refusal)
		}
	})
}

// Bad messages between good ones end the connection too.
func TestMalformedMessagesAreCountedAmongGoodOnes(t *testing.T) {
	s := newServer(t, nil)
	c := s.join(joinAs(signaling.RolePerformer))
	for i := range patience {
		c.send(&signaling.Signal{To: "server"}) // contradicts itself
		if e := c.refused(signaling.CodeBadValue, "signal"); e.Fatal != (i == patience-1) {
			t.Fatalf("refusal %d: fatal is %v", i, e.Fatal)
		}
		if i < patience-1 {
			c.untouched()
		}
	}
	c.closed(signaling.ClosedError)
}

func TestHeldSignalsAreBoundedInBytes(t *testing.T) {
	p := &participant{}
	sdp := "v=0\r\nm=audio 9 RTP/AVP 0\r\n" + strings.Repeat("x", maxSDPBytes-100)
	for i := range maxHeld {
		p.send(&signaling.Signal{From: fmt.Sprint(i), Description: &signaling.Description{Type: "offer", SDP: sdp}})
	}
	if n := len(p.held) * len(sdp); n > maxHeldBytes || n < maxHeldBytes/2 {
		t.Errorf("%d bytes are held for one participant, want at most %d", n, maxHeldBytes)
	}
	for range 2 * maxHeld {
		p.send(&signaling.Signal{Candidate: &signaling.Candidate{}})
	}
	if len(p.held) != maxHeld {
		t.Errorf("%d signals are held, want %d", len(p.held), maxHeld)
	}
}

func TestPublicStatusNamesPerformersAlone(t *testing.T) {
	s := newServer(t, nil)
	m := joinAs(signaling.RolePerformer)
	m.UserID = "Ai"
	s.join(m)
	s.join(joinAs(signaling.RoleListener))
	public, err := s.room.Public()
	if err != nil || len(public.Performers) != 1 || public.Performers[0] != "Ai" {
		t.Errorf("%+v, %v", public, err)
	}
	if err := s.reg.Delete("demo"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.room.Public(); err == nil {
		t.Error("a room that is gone told how it is")
	}
}
