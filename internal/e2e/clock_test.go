package e2e

import (
	"testing"
	"time"

	"gasso/app/session"
)

func TestInProcessLatencyIsMeasuredOnTheServersClock(t *testing.T) {
	if testing.Short() {
		t.Skip("plays for some seconds")
	}
	base, _ := inProcessServer(t, shortDir(t), "127.0.0.1:0")
	speaker, _ := inProcessPerformer(t, session.Config{Server: base, Name: "speaker", Input: "tone:440"})
	listener, _ := inProcessPerformer(t, session.Config{Server: base, Name: "listener", Input: "silence"})
	hearsInProcess(t, listener)
	eventually(t, 20*time.Second, "room time comes on the data channel and the latency is known", func() bool {
		snap := listener.Snapshot()
		return snap.ClockDirect && speaker.Snapshot().ClockDirect && snap.Performers[0].Latency.Total > 0
	})
	snap := listener.Snapshot()
	l := snap.Performers[0].Latency
	t.Logf("%+v", l)
	if l.Device+l.Network+l.Buffer != l.Total || l.Least > l.Total || l.Total > l.Most || l.Uncertainty <= 0 {
		t.Errorf("latency is %+v", l)
	}
	if shortest := snap.Self.RenderLatency / 2; l.Total < shortest || l.Total > 2*time.Second {
		t.Errorf("a latency of %v cannot be", l.Total)
	}
}
