package room

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"gasso/net/clocksync"
	"gasso/net/signaling"
)

// faulty panics for one token.
type faulty struct{ tokens }

func (f faulty) Authorize(roomID, token string) (Grant, error) {
	if token == "bug" {
		panic("test")
	}
	return f.tokens.Authorize(roomID, token)
}

func TestAPanicForOneConnectionLeavesTheOthersAlone(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Authorizer = faulty{} })
	host := s.join(joinAs(signaling.RoleHost))
	unlucky := s.connect()
	m := joinAs(signaling.RolePerformer)
	m.Token = "bug"
	unlucky.send(m)
	unlucky.closed(signaling.ClosedError)
	host.untouched()
	if n := len(s.room.mustStatus(t).Participants); n != 1 {
		t.Errorf("%d participants, want 1", n)
	}
}

// FuzzMessagesOfAParticipant lets a performer send anything: the room, the other participant and what
// only a host may set stay as they are.
func FuzzMessagesOfAParticipant(f *testing.F) {
	for _, seed := range []string{
		`{"type":"chat","text":"hello"}`,
		`{"type":"strip-set","participantId":"p00000000000000bb","gainDB":-6}`,
		`{"type":"on-air","live":true}`,
		`{"type":"forwarding","participantId":"p00000000000000bb","level":"off"}`,
		`{"type":"signal","to":"p00000000000000bb","description":{"type":"offer","sdp":"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"}}`,
		`{"type":"signal","to":"p00000000000000bb","candidate":{"candidate":""}}`,
		`{"type":"publication","id":"0102030405060708","channels":2,"frameSamples":240}`,
		`{"type":"join-room","protocol":1,"roomId":"demo"}`,
		`{"type":"leave"}`, `{"type":"levels"}`, `{"type":"joined"}`,
	} {
		f.Add([]byte(seed))
	}
	now := time.Unix(1_800_000_000, 0)
	air := &stubBroadcast{}
	reg := NewRegistry(Config{
		Clock: clocksync.NewAnchor(now), Authorizer: tokens{}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		NewBroadcast: func(*Room) Broadcast { return air },
	})
	r, err := reg.Create(Options{ID: "demo"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = reg.Delete("demo") })
	grant := Grant{Role: signaling.RolePerformer}
	hostile := newParticipant("p00000000000000aa", &entry{join: joinAs(grant.Role), grant: grant}, r.log)
	other := newParticipant("p00000000000000bb", &entry{join: joinAs(grant.Role), grant: grant}, r.log)
	r.call(func() {
		for _, p := range []*participant{hostile, other} {
			p.track = r.newTrack(p.id)
			r.participants[p.id], r.order = p, append(r.order, p)
		}
	})
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := signaling.Decode(payload)
		if err != nil {
			return
		}
		r.call(func() {
			if err := r.handleOwned(hostile, m); err != nil && asError(err).Code == signaling.CodeInternal {
				t.Errorf("%s failed inside: %v", payload, err)
			}
			if len(r.order) != 2 || hostile.role != grant.Role || other.strip != (signaling.StripChanged{ParticipantID: other.id}) || r.air.live {
				t.Errorf("%s did what only others may", payload)
			}
			for _, s := range other.held {
				if s.From != hostile.id || s.Description != nil && !strings.Contains(s.Description.SDP, "m=audio ") && !strings.Contains(s.Description.SDP, "m=application ") {
					t.Errorf("%s was relayed as %+v", payload, s)
				}
			}
			other.held = nil
		})
	})
}
