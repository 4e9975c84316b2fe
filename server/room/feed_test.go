package room

import (
	"math"
	"testing"

	"gasso/net/signaling"
)

// Somebody short of downlink asks for a small mix, gets it in long packets without a gap, and gives it back.
func TestASmallMixForWantOfDownlink(t *testing.T) {
	s := newMediaServer(t, nil)
	a := s.perform(performAs(signaling.TopologyAuto, ""))
	b := s.perform(performAs(signaling.TopologyAuto, ""))
	start(t, a, b) // 440 and 660 Hz
	a.send(&signaling.ReceiveSet{Receive: signaling.ReceiveMix})
	const patch = 48000 / 2 / smallFrameSamples // half a second of packets
	s.await("the small mix arrives", func() bool { return a.count(MixID) > 3*patch })
	a.mu.Lock()
	got := a.received[MixID]
	if a.mix == nil || a.mix.FrameSamples != smallFrameSamples || got[0].Samples != smallFrameSamples {
		t.Fatalf("packets %+v don't fit the announcement %+v", got[0], a.mix)
	}
	bytes := 0
	for i := 1; i < len(got); i++ {
		bytes += len(got[i].Payload)
		if want := got[i-1].FirstSample + smallFrameSamples*(got[i].Number-got[i-1].Number); got[i].Number == got[i-1].Number+1 && got[i].FirstSample != want {
			t.Errorf("packet %d begins at %d, want %d", got[i].Number, got[i].FirstSample, want)
		}
	}
	if rate := float64(8*bytes) / float64(len(got)-1) * 48000 / smallFrameSamples; rate > 1.2*smallBitrateBPS {
		t.Errorf("the mix takes %.0f bit/s", rate)
	}
	pcm := decode(t, got)
	a.mu.Unlock()
	if other := usualLevelDB(pcm, 660); math.Abs(other+12) > 1.5 {
		t.Errorf("a hears b at %.1f dB, want -12", other)
	}
	a.send(&signaling.ReceiveSet{Receive: signaling.ReceiveTracks})
	s.await("the mix ends", func() bool {
		before := a.count(MixID)
		tracks := a.count(b.joined.ParticipantID)
		s.await("b's packets go on", func() bool { return a.count(b.joined.ParticipantID) > tracks+40 })
		return a.count(MixID) == before
	})
}
