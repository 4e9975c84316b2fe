package main

import (
	"testing"
	"time"
)

func TestClockErrorIsHeldAgainstTheBestReadingNearby(t *testing.T) {
	const ms = time.Millisecond
	begun := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	line := func(after, off time.Duration, rttMS float64) stats {
		return stats{At: begun.Add(after), RoomNS: int64(time.Hour + after + off), RTTMS: rttMS}
	}
	read := func(after, unsure, off time.Duration) reading {
		return reading{begun.Add(after), unsure, int64(time.Hour + after + off)}
	}
	readings := []reading{
		read(0, ms, 0), read(100*ms, ms/10, ms), read(200*ms, 2*ms, -3*ms), // the second is the best one
		read(10*time.Second, ms/100, 50*ms), // too far from the first line
	}
	worst, unsure, rtt, err := clockError([]stats{line(time.Second, 3*ms, 20), line(500*ms, -2*ms, 24)}, readings)
	if err != nil || worst != 3*ms || unsure != ms/10 || rtt != 24*ms {
		t.Errorf("%v %v %v %v", worst, unsure, rtt, err)
	}
	if _, _, _, err := clockError([]stats{line(5*time.Second, 0, 20)}, readings); err == nil {
		t.Error("a line far from all readings is judged")
	}
	if _, _, _, err := clockError([]stats{{At: begun}}, readings); err == nil {
		t.Error("an unknown room time is judged")
	}
}
