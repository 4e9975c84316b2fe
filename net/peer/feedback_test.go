package peer

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v5/packetio"

	"gasso/net/redundancy"
	"gasso/net/signaling"
)

// A malformed report is as if it had not come.
func TestAMalformedReportLeavesTheNext(t *testing.T) {
	track := newLocalTrack(NewPublisher("anna"), &Link{factory: &Factory{}})
	totals := redundancy.Totals{Expected: 10_000_000}
	tell := func(data []byte) {
		track.takeFeedback(&rtcp.ApplicationDefined{Name: redundancy.AppName, SubType: redundancy.AppTotals, Data: data}, time.Unix(1e9, 0))
	}
	track.totals = totals
	tell([]byte{1, 2, 3, 4})
	totals.Expected, totals.RawLost, totals.Missing, totals.Bursts[0] = totals.Expected+50, 5, 5, 5
	tell(totals.Append(nil))
	if n, depth := track.badFeedback.Load(), track.controller.Depth(); n != 1 || depth != 1 {
		t.Errorf("counted %d, %d copies", n, depth)
	}
}

// Asking for what is not there costs the publisher no more than asking for what is, and what waited for too
// long is not sent.
func TestRequestsAreBounded(t *testing.T) {
	p, sent := NewPublisher("anna"), 0
	track := bindFake(t, p, &Link{factory: &Factory{}}, 3, func(_ *rtp.Header, b []byte) (int, error) { sent++; return len(b), nil })
	start := time.Unix(1e9, 0)
	clock := start
	track.now = func() time.Time { return clock }
	ask := func(numbers ...int64) {
		data := redundancy.AppendRequests(nil, 1, numbers)
		track.takeFeedback(&rtcp.ApplicationDefined{Name: redundancy.AppName, SubType: redundancy.AppRequests, Data: data}, clock)
	}
	number := int64(0)
	write := func() {
		if err := p.Write(makePacket(1, number)); err != nil {
			t.Fatal(err)
		}
		number++
	}
	for range 100 {
		write()
	}
	for range 40 {
		ask(1<<30, 1<<30+1, 1<<30+2, 1<<30+3)
		write()
	}
	if track.allowance >= againPrice+1 || len(track.requests) == 0 {
		t.Errorf("%d requests for nothing wait, allowance %d", len(track.requests), track.allowance)
	}
	clock = clock.Add(time.Second)
	write()
	for range 100 {
		write()
	}
	if len(track.requests) != 0 {
		t.Error("requests of a second ago wait")
	}
	before := track.resent.Load()
	ask(number - 1)
	clock = clock.Add(requestLife + time.Millisecond)
	write()
	if n := track.resent.Load(); n != before {
		t.Error("sent again what was asked for too long ago")
	}
	ask(number - 1)
	clock = clock.Add(requestLife)
	write()
	if n := track.resent.Load(); n != before+1 {
		t.Error("not sent again what was asked for in time")
	}
}

// What a server forwards grows less by what a receiver says than a performer's own.
func TestTheServerSendsFewerCopies(t *testing.T) {
	for local, most := range map[string]int{"anna": 3, signaling.ServerID: 2} {
		track := newLocalTrack(NewPublisher("bela"), &Link{factory: &Factory{}, cfg: LinkConfig{LocalID: local}})
		depth, totals := 0, redundancy.Totals{}
		for n := range int64(120) {
			totals.Expected, totals.RawLost, totals.Missing, totals.Bursts[0] = totals.Expected+50, totals.RawLost+14, totals.Missing+7, totals.Bursts[0]+14
			track.takeFeedback(&rtcp.ApplicationDefined{Name: redundancy.AppName, SubType: redundancy.AppTotals, Data: totals.Append(nil)},
				time.Unix(1e9, 0).Add(time.Duration(n)*reportEvery))
			now, _ := track.protected()
			depth = max(depth, now)
		}
		if depth != most {
			t.Errorf("%s sends %d copies", local, depth)
		}
	}
}

// A panic over what the other side sent ends neither the goroutine nor the process.
func TestPanicsInFeedbackAreCaught(t *testing.T) {
	l := &Link{log: slog.New(slog.DiscardHandler)}
	track := newLocalTrack(NewPublisher("anna"), l)
	good, err := (&rtcp.ApplicationDefined{Name: redundancy.AppName, SubType: 31}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bad, err := (&rtcp.ApplicationDefined{
		Name: redundancy.AppName, SubType: redundancy.AppRequests, Data: redundancy.AppendRequests(nil, 1, []int64{5}),
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	l.followReports(track, 7)
	come := l.inbox.open(packetio.RTCPBufferPacket, 7)
	close(track.requests) // what asks panics
	for _, compound := range [][]byte{bad, {0x80}, good} {
		if n, err := come.Write(compound); n != len(compound) || err != nil {
			t.Errorf("pion is told %d, %v", n, err)
		}
	}
	if n := track.badFeedback.Load(); n != 3 || l.panics.Load() != 1 {
		t.Errorf("%d bad, %d panics", n, l.panics.Load())
	}
	if err := l.writeRTCP(nil); !errors.Is(err, ErrBadSignal) { // without a connection
		t.Errorf("write: %v", err)
	}
	(&queuedPacket{track: track}).write() // without a stream
	if track.failed.Load() != 1 || l.panics.Load() != 3 {
		t.Errorf("%d packets failed, %d panics", track.failed.Load(), l.panics.Load())
	}
}
