package peer

import "testing"

// Whoever holds a lock sees the figures of the last look, and the state of now.
func TestTheLastFiguresWaitForNobody(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	if got := a.link.LastStats(); got != (LinkStats{State: StateNew}) {
		t.Errorf("before the first look: %+v", got)
	}
	mustAttach(t, NewPublisher("anna"), a.link)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	var looked LinkStats
	eventually(t, "figures", func() bool { looked = a.link.Stats(); return looked.RTT > 0 })
	if got := a.link.LastStats(); got != looked {
		t.Errorf("%+v, looked at %+v", got, looked)
	}
	if err := a.link.Close(); err != nil {
		t.Fatal(err)
	}
	if got := a.link.LastStats(); got.State == StateConnected {
		t.Errorf("a closed link is %s", got.State)
	}
}
