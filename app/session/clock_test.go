package session

import (
	"errors"
	"testing"
	"time"
	"unsafe"

	"gasso/net/clocksync"
	"gasso/net/signaling"
)

// asker collects what is asked in signaling.
type asker struct {
	ids  []int64
	fail error
}

func (a *asker) send(m signaling.Message) error {
	if a.fail != nil {
		return a.fail
	}
	a.ids = append(a.ids, m.(*signaling.ClockPing).ID)
	return nil
}

func TestRoomTimeIsReadyOnce(t *testing.T) {
	c := newClockwork(clocksync.New())
	now := time.Now()
	c.answered(1, now, 0, 0) // nobody asked
	if c.estimator.Ready() {
		t.Fatal("an answer without a question counts")
	}
	var a asker
	for i := range 50 {
		c.ask(now, a.send)
		c.answered(a.ids[i], now.Add(time.Millisecond), now.UnixNano(), now.UnixNano())
		c.answered(a.ids[i], now.Add(time.Hour), 0, 0) // twice
		now = now.Add(time.Second)
	}
	select {
	case <-c.ready:
	default:
		t.Error("room time is not ready after 50 answers")
	}
	if rtt := c.estimator.RTT(); rtt != time.Millisecond || len(c.asked) != 0 {
		t.Errorf("round trip %v, %d questions are open", rtt, len(c.asked))
	}
}

func TestQuestionsThatNobodyAnswersAreForgotten(t *testing.T) {
	c := newClockwork(clocksync.New())
	now := time.Now()
	var a asker
	for range 100 {
		c.ask(now, a.send)
		now = now.Add(time.Second)
	}
	if n := len(c.asked); n > int(pingForgets/time.Second)+2 {
		t.Errorf("%d questions are kept", n)
	}
	a.fail = errors.New("no connection")
	before := len(c.asked)
	c.ask(now, a.send)
	if n := len(c.asked); n > before {
		t.Errorf("a question that was never sent is kept: %d of %d", n, before)
	}
}

// Where the wall clock stands when pings are sent and answered is of no matter: the monotonic clock counts.
func TestAWallClockThatJumpsChangesNothing(t *testing.T) {
	start := time.Now()
	server := clocksync.NewAnchor(start)
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		e := clocksync.New()
		c := newClockwork(e)
		var a asker
		last := int64(0)
		for i := range 120 {
			at := start.Add(time.Duration(i) * time.Second)
			shown := at
			if i >= 60 {
				shown = wallJump(t, at, jump)
			}
			c.ask(shown, a.send)
			there, back := at.Add(5*time.Millisecond), shown.Add(10*time.Millisecond)
			c.answered(a.ids[i], back, server.NowNS(wallJump(t, there, -jump)), server.NowNS(there))
			room := e.RoomNS(back)
			if off := time.Duration(room - server.NowNS(at.Add(10*time.Millisecond))); off.Abs() > time.Millisecond {
				t.Fatalf("jump %v, second %d: room time is off by %v", jump, i, off)
			}
			if room <= last {
				t.Fatalf("jump %v: room time ran backwards", jump)
			}
			last = room
		}
	}
}

// wallJump is the same moment of the monotonic clock when the wall clock shows another time. Nothing but
// the layout of time.Time, which is checked, can say so without setting the machine's clock.
func wallJump(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	jumped := at
	wall := (*uint64)(unsafe.Pointer(&jumped)) // seconds since 1885 in the 33 bits above the nanoseconds
	*wall += uint64(int64(by/time.Second)) << 30
	if jumped.Sub(at) != 0 || jumped.Round(0).Sub(at.Round(0)) != by {
		t.Skip("not measured: a time.Time has another layout here")
	}
	return jumped
}

func TestRoomTimeIsAskedForLessOftenWhereTheNetworkIsShort(t *testing.T) {
	c := newClockwork(clocksync.New())
	for _, w := range []struct {
		onChannel, short bool
		want             time.Duration
	}{{true, false, pingGap}, {true, true, sparingGap}, {false, false, signalGap}, {false, true, signalGap}} {
		c.sparing.Store(w.short)
		if got := c.gap(w.onChannel); got != w.want {
			t.Errorf("on the channel %v, short %v: %v, want %v", w.onChannel, w.short, got, w.want)
		}
	}
}
