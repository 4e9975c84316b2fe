package room

import (
	"slices"
	"testing"
	"time"

	"gasso/net/clocksync"
	"gasso/net/peer"
	"gasso/net/signaling"
)

func TestPingsOnTheDataChannelAreAnsweredWithRoomTime(t *testing.T) {
	s := newMediaServer(t, nil)
	m := performAs(signaling.TopologySFU, signaling.ReceiveTracks)
	m.DataChannels = true
	opened, answers := make(chan *peer.Channel, 4), make(chan []byte, 4)
	p := s.performWith(m, peer.ChannelConfig{
		Name: "clock", ID: 0,
		OnOpen:    func(c *peer.Channel) { opened <- c },
		OnMessage: func(_ *peer.Channel, b []byte) { answers <- slices.Clone(b) },
	})
	old := s.perform(performAs(signaling.TopologySFU, signaling.ReceiveTracks)) // knows no data channels
	start(t, p, old)
	s.await("an older app hears", func() bool { return old.count(p.joined.ParticipantID) > 5 })
	select {
	case c := <-opened:
		s.await("both ends are connected", func() bool { // a channel opens a moment before its link says so, and sends nothing until then
			st := s.room.mustStatus(t)
			return p.currentLink().Stats().State == peer.StateConnected && st.Participants[0].Link == string(peer.StateConnected)
		})
		before := s.reg.cfg.Clock.NowNS(time.Now())
		for _, b := range [][]byte{nil, {1}, []byte("nonsense"), clocksync.AppendPong(nil, 1, 2, 3), clocksync.AppendPing(nil, 77)} {
			if err := c.Send(b); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case b := <-answers:
			id, received, answered, err := clocksync.ParsePong(b)
			if err != nil || id != 77 || received < before || answered < received || answered > s.reg.cfg.Clock.NowNS(time.Now()) {
				t.Errorf("pong %d, %d, %d (%v) for a ping at %d", id, received, answered, err, before)
			}
		case <-time.After(10 * time.Second):
			t.Error("no answer")
		}
	case <-time.After(10 * time.Second):
		t.Error("the channel does not open")
	}
	report := expectThat(s.join(joinAs(signaling.RoleListener)), func(m *signaling.LinkReport) bool {
		return len(m.Links) == 2 && m.Links[0].Heard && m.Links[1].Heard
	})
	for _, l := range report.Links {
		if l.UpLost > 0.5 || l.DownLost > 0.5 {
			t.Errorf("loss on loopback: %+v", l)
		}
	}
}

func TestALinksHistoryIsSummedUp(t *testing.T) {
	now := time.Unix(0, 0)
	var h linkHistory
	add := func(received, expected, lost int64, down float64) signaling.LinkState {
		now = now.Add(time.Second)
		h.add(linkCounts{at: now, received: received, expected: expected, lost: lost, down: down})
		return h.state("p")
	}
	for i := range int64(20) {
		add(100*i, 1000+200*i, 10+4*i, 0)
	}
	got := add(2000, 1000+200*20, 10+4*20, 0.5)
	if !got.Heard || got.UpLost < 0.0199 || got.UpLost > 0.0201 || got.DownLost < 0.09 || got.DownLost > 0.11 {
		t.Errorf("got %+v, want 2 %% up and 10 %% down", got)
	}
	got = add(2000, 50, 0, 0.5) // another subscriber counts anew
	if got.UpLost < 0.0199 || got.UpLost > 0.0201 {
		t.Errorf("after a new subscriber: %+v", got)
	}
	add(2000, 50, 0, 0)
	if got = add(2000, 50, 0, 0); got.Heard {
		t.Error("who has sent nothing for two seconds is heard")
	}
	for range 10 {
		got = add(2000, 50, 0, 0)
	}
	if got.UpLost != 0 || got.DownLost != 0 || len(h.counts) > 8 {
		t.Errorf("what is long ago counts: %+v, %d counts", got, len(h.counts))
	}
}
