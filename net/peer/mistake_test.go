package peer

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

func TestAMistakeOverOnePacketCostsThatPacketAlone(t *testing.T) {
	m, s, h, all := muxAlone(t)
	var faults atomic.Int32
	faults.Store(3)
	m.mu.Lock()
	m.now = func() time.Time {
		if faults.Add(-1) >= 0 {
			panic("test")
		}
		return time.Now()
	}
	m.mu.Unlock()
	stranger, err := net.DialUDP("udp", nil, s.local)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	for n := range int64(3) {
		if _, err := stranger.Write(check("ours")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the mistake is counted", func() bool { return all.Counters().Panics == n+1 })
	}
	if _, err := stranger.Write(check("ours")); err != nil {
		t.Fatal(err)
	}
	if n, _, err := h.ReadFromAddrPort(make([]byte, datagramBytes)); err != nil || n != len(check("ours")) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
