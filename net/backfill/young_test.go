package backfill

import (
	"slices"
	"testing"
	"time"
)

func TestYoungPacketsAreLeftToComeByThemselves(t *testing.T) {
	x := newExchange(t, newSpool(pubA), time.Second)
	x.connect()
	for x.now.Before(startTime.Add(3 * time.Second)) {
		about := x.spool.make(pubA, startTime, int64(x.now.Sub(startTime)/(5*time.Millisecond)))
		if late := about.count - 1 - 20; late >= 0 { // live comes 100 ms later
			x.book(pubA).take(late, about.sample(late))
		}
		x.step()
	}
	if len(x.received) > 0 {
		t.Errorf("%d packets were asked for that were on their way", len(x.received))
	}
	if !slices.Equal(x.books[pubA].arrived.Ranges(), []Range{{0, x.books[pubA].newest}}) {
		t.Error("live itself is not complete")
	}
}

func TestSoundFromBeforeRoomTimeWasSetBackIsTaken(t *testing.T) {
	x := newExchange(t, newSpool(pubA), time.Second)
	x.spool.make(pubA, startTime.Add(time.Hour), 400)
	x.now = startTime
	x.connect()
	x.until("everything", 20*time.Second, func() bool { return x.books[pubA] != nil && x.books[pubA].arrived.Len() == 400 })
}
