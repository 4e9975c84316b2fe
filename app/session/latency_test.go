package session

import (
	"testing"
	"time"

	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/net/signaling"
)

func TestSpansSumUpTheLastSeconds(t *testing.T) {
	now := time.Now()
	s := spans{born: now}
	if _, _, _, ok := s.read(now); ok {
		t.Error("something is known at the beginning")
	}
	feed := func(d, length time.Duration) {
		for end := now.Add(length); now.Before(end); now = now.Add(5 * time.Millisecond) {
			s.note(d, now)
		}
	}
	feed(100*time.Millisecond, 10*time.Second)
	feed(20*time.Millisecond, 3*time.Second)
	s.note(-time.Second, now)
	s.note(time.Hour, now)
	if median, least, most, ok := s.read(now); !ok || median != 20*time.Millisecond || least != median || most != 100*time.Millisecond {
		t.Errorf("median %v, from %v to %v, %v", median, least, most, ok)
	}
	feed(20*time.Millisecond, 3*time.Second)
	if _, _, most, _ := s.read(now); most != 20*time.Millisecond {
		t.Errorf("%v is remembered for longer than 5 s", most)
	}
	if _, _, _, ok := s.read(now.Add(latencyStale + time.Second)); ok {
		t.Error("old figures are shown")
	}
	least := spans{least: true, born: now}
	for i := range 1000 {
		now = now.Add(5 * time.Millisecond)
		least.note(time.Duration(10+i%7)*time.Millisecond, now)
	}
	if median, _, most, _ := least.read(now); median != 10*time.Millisecond || most > 12*time.Millisecond {
		t.Errorf("the least of each slot is %v, at most %v", median, most)
	}
}

// A sender 12 ms behind its microphone, a way of 30 to 50 ms, a buffer of 25 ms and a loudspeaker 8 ms ahead.
func TestALatencyIsTheSumOfItsParts(t *testing.T) {
	start := time.Now()
	anchor := clocksync.NewAnchor(start)
	l := &latencies{room: anchor.NowNS}
	l.begin(start)
	const sending, way, buffer, ahead = 12 * time.Millisecond, 30 * time.Millisecond, 25 * time.Millisecond, 8 * time.Millisecond
	if l.describe(start, sending, 0) != (Latency{}) {
		t.Error("something is known at the beginning")
	}
	now := start
	for i := range 2000 {
		now = start.Add(time.Duration(i) * 5 * time.Millisecond)
		late := way + time.Duration(i%5)*5*time.Millisecond
		l.arrived(&packet.Packet{FirstSample: anchor.Sample(now.Add(-sending - late))}, now)
		l.played(anchor.Sample(now.Add(-sending-way-buffer)), now, ahead)
	}
	got := l.describe(now, sending, 3*time.Millisecond)
	near := func(what string, got, want time.Duration) {
		if (got - want).Abs() > time.Millisecond/10 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("total", got.Total, sending+way+buffer+ahead)
	near("device", got.Device, sending+ahead)
	near("network", got.Network, way)
	near("buffer", got.Buffer, buffer)
	near("uncertainty", got.Uncertainty, 3*time.Millisecond)
	if got.Device+got.Network+got.Buffer != got.Total {
		t.Errorf("%+v does not add up", got)
	}
	wrong := l.describe(now, time.Second, 0) // what the sender says cannot be
	if wrong.Total != got.Total || wrong.Device+wrong.Network+wrong.Buffer != wrong.Total || min(wrong.Device, wrong.Network, wrong.Buffer) < 0 {
		t.Errorf("a sender that lies about its delay gives %+v", wrong)
	}
	if allocations := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		l.played(anchor.Sample(now), now, ahead)
	}); allocations != 0 {
		t.Errorf("%v allocations while playing", allocations)
	}
}

func TestTheOwnDelayIsAnnouncedWhenItChanges(t *testing.T) {
	s := newTestSession(t)
	now := time.Now()
	s.announceDelay(now) // nothing is published
	s.publication = &signaling.Publication{Generation: 7, DelaySamples: 480}
	sent := &spans{born: now}
	s.sent.Store(sent)
	feed := func(d time.Duration) *signaling.Publication {
		for range 1000 {
			now = now.Add(5 * time.Millisecond)
			sent.note(d, now)
		}
		s.announceDelay(now)
		return s.publication
	}
	first := s.publication
	if feed(10*time.Millisecond+500*time.Microsecond) != first {
		t.Error("a change of half a millisecond is announced")
	}
	if got := feed(22 * time.Millisecond); got == first || got.DelaySamples != 22*48 || got.Generation != 7 || first.DelaySamples != 480 {
		t.Errorf("announced %+v", got)
	}
	s.announced = now
	if before := s.publication; feed(0) == before {
		t.Error("a change is not announced")
	}
	p := newPerformer("a")
	announced := signaling.Publication{ID: packet.PublicationID{1}, Channels: 1, FrameSamples: 240, DelaySamples: 500, ClockErrorSamples: 48}
	for _, delay := range []int{500, 900} {
		announced.DelaySamples = delay
		if err := p.addVoice(&announced, ModeLive); err != nil {
			t.Fatal(err)
		}
	}
	if voices := *p.voices.Load(); len(voices) != 1 || voices[0].delay.Load() != 900 || voices[0].clockError.Load() != 48 {
		t.Errorf("%d voices after the same publication twice", len(voices))
	}
}
