package session

import (
	"testing"
	"time"

	"gasso/audio/jitter"
	"gasso/net/congestion"
	"gasso/net/packet"
)

// A server that starts anew may set room time anywhere. Senders follow one after the other, and nobody's
// downlink is to blame.
func TestAStepOfRoomTimeIsNoShortDownlink(t *testing.T) {
	for name, c := range map[string]struct {
		step time.Duration
		anew bool // the publication, too
	}{
		"a little back": {-30 * time.Millisecond, false}, "an hour back": {-time.Hour, false}, "an hour ahead": {time.Hour, false},
		"a day back, and published anew": {-60 * time.Hour, true}, "a little back, and published anew": {-200 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) { followStep(t, c.step, c.anew) })
	}
}

func followStep(t *testing.T, step time.Duration, anew bool) {
	s := newTestSession(t)
	var performers []*performer
	for _, id := range []string{"a", "b", "c"} {
		p := newPerformer(id)
		for path := range p.sources {
			p.noteSource(path, &source{&declining{}})
		}
		performers = append(performers, p)
	}
	s.playout.performers.Store(&performers)
	start := time.Unix(1e9, 0)
	const frame = 240
	late := packet.Packet{}
	for n := range int64(40 * 200) {
		now := start.Add(time.Duration(n) * 5 * time.Millisecond)
		for i, p := range performers {
			pk := packet.Packet{Generation: 255, Number: n, FirstSample: 1e12 + n*frame, Samples: frame}
			if n >= 15*200+int64(i)*50 { // room time steps
				pk.FirstSample += int64(step/time.Millisecond) * packet.SampleRate / 1000
				if anew {
					pk.Generation, pk.Number = 0, n-15*200
				}
			} else if i == 0 {
				late = pk
			}
			for path := range p.sources {
				p.incoming[path].note(&pk, now.Add(time.Duration(n%3)*time.Millisecond))
				if i == 0 && n == 15*200+5 { // out of order, across the step
					p.incoming[path].note(&late, now)
				}
			}
		}
		if n%50 == 0 {
			s.adaptDownlink(now)
		}
		if level := s.adaptation.down.watch.Level(); level != congestion.LevelFull {
			t.Fatalf("level %d after %v", level, now.Sub(start))
		}
	}
	for _, p := range performers {
		if _, least, _, _ := p.incoming[jitter.PathDirect].take(); least < -time.Second || least > time.Second {
			t.Errorf("delays are %v off", least)
		}
	}
}
