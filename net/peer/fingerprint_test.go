package peer

import (
	"strings"
	"testing"
	"time"

	"gasso/net/signaling"
)

// A side whose certificate is not the one it announced gets no media and is given up at once; others on
// the same sockets go on.
func TestWrongFingerprintIsGivenUp(t *testing.T) {
	m := newMux(t, MuxConfig{UDP: anyPort()})
	server, performers := newFactory(t, Config{Mux: m}), newFactory(t, Config{})
	good, bela := connect(t, server, performers)
	music := NewPublisher("anna")
	mustAttach(t, music, good.link)
	if err := good.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, good, bela)
	stop := flow(music, 1)
	defer stop()

	bad, liar := connect(t, server, performers)
	mustAttach(t, music, bad.link)
	lie := func(s *signaling.Signal) bool {
		if s.Description != nil {
			s.Description.SDP = withWrongFingerprint(t, s.Description.SDP)
		}
		return true
	}
	liar.filter.Store(&lie)
	if err := bad.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "link underway", func() bool { // or given up already, between two looks
		state := *bad.link.state.Load()
		return state == StateConnecting || state == StateFailed
	})
	begun := time.Now()
	eventually(t, "link given up", func() bool { return *bad.link.state.Load() == StateFailed })
	if took := time.Since(begun); took >= time.Second {
		t.Errorf("given up after %v", took)
	}
	if n := m.Counters().Unproven; n != 1 {
		t.Errorf("counted %d", n)
	}
	if n := music.Counters(bad.link).Sent; n != 0 {
		t.Errorf("%d packets were sent to a side of unknown certificate", n)
	}
	if n := liar.count("anna"); n != 0 {
		t.Errorf("a side of unknown certificate heard %d packets", n)
	}
	had := bela.count("anna")
	eventually(t, "packets at the other side", func() bool { return bela.count("anna") > had+20 })
	if state := *good.link.state.Load(); state != StateConnected {
		t.Errorf("the other link is %s", state)
	}
}

func withWrongFingerprint(t *testing.T, sdp string) string {
	t.Helper()
	head, rest, ok := strings.Cut(sdp, "a=fingerprint:sha-256 ")
	if !ok {
		t.Error("no fingerprint")
	}
	first := "00"
	if strings.HasPrefix(rest, first) {
		first = "11"
	}
	return head + "a=fingerprint:sha-256 " + first + rest[2:]
}
