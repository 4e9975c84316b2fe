package peer

import (
	"testing"
	"time"

	"gasso/net/signaling"
)

// Whatever comes back as an answer, or as a candidate, the link says what it thinks of it, stays whole
// and closes.
func FuzzAnswersAndCandidates(f *testing.F) {
	factory, err := NewFactory(Config{Loopback: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = factory.Close() })
	offerer := func(t testing.TB) (*Link, *signaling.Signal) {
		offers := make(chan *signaling.Signal, 64)
		l, err := factory.NewLink(LinkConfig{LocalID: signaling.ServerID, RemoteID: "p", Offerer: true, Send: func(s *signaling.Signal) {
			if s.Description != nil {
				select {
				case offers <- s:
				default: // repeated
				}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Negotiate(); err != nil {
			t.Fatal(err)
		}
		return l, <-offers
	}
	l, offer := offerer(f)
	answers := make(chan string, 64)
	answerer, err := factory.NewLink(LinkConfig{LocalID: "p", RemoteID: signaling.ServerID, Send: func(s *signaling.Signal) {
		if s.Description != nil {
			answers <- s.Description.SDP
		}
	}})
	if err != nil {
		f.Fatal(err)
	}
	if err := answerer.Handle(offer); err != nil {
		f.Fatal(err)
	}
	select {
	case sdp := <-answers:
		f.Add(sdp, "candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host")
	case <-time.After(10 * time.Second):
		f.Fatal("no answer")
	}
	f.Add(offer.Description.SDP, "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active")
	f.Add(sdpHead+sdpOpus, "candidate:1 1 udp 1 x.local 9 typ host")
	_, _ = l.Close(), answerer.Close()
	f.Fuzz(func(t *testing.T, sdp, candidate string) {
		l, _ := offerer(t)
		_ = l.Handle(&signaling.Signal{Link: l.ID(), Candidate: &signaling.Candidate{Candidate: candidate}})
		_ = l.Handle(&signaling.Signal{Link: l.ID(), Description: &signaling.Description{Type: "answer", SDP: sdp}})
		_ = l.Handle(&signaling.Signal{Link: l.ID(), Candidate: &signaling.Candidate{Candidate: candidate}})
		if err := l.Handle(&signaling.Signal{Link: l.ID(), Renegotiate: &signaling.Renegotiate{Restart: true}}); err != nil {
			t.Logf("wish: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
