package congestion

import (
	"testing"
	"time"
)

// watched is a receiver with two origins, each on both paths.
type watched struct {
	now  time.Time
	d    *Downlink
	rtt  time.Duration
	mine bool // the own uplink is full
	held map[sourceKey]time.Duration
	lost map[sourceKey]int // of 50 packets
	one  bool              // only one origin
}

func newWatched() *watched {
	return &watched{now: time.Unix(1e9, 0), d: NewDownlink(), rtt: 30 * time.Millisecond, held: map[sourceKey]time.Duration{}, lost: map[sourceKey]int{}}
}

// look lets a quarter of a second pass; jammed slows down everything that comes.
func (w *watched) look(jammed bool) Level {
	w.now = w.now.Add(250 * time.Millisecond)
	var sources []Source
	for _, origin := range []string{"a", "b"} {
		if w.one && origin == "b" {
			continue
		}
		for _, direct := range []bool{true, false} {
			if w.d.Level() == LevelDirect && !direct || w.d.Level() == LevelMix {
				continue
			}
			s := Source{Origin: origin, Direct: direct, Came: 50, Expected: 50, Delay: 5*time.Second + w.held[sourceKey{origin, direct}], Lost: w.lost[sourceKey{origin, direct}]}
			if jammed {
				s.Delay += 80 * time.Millisecond
				s.Lost += 20
				s.Came -= 20
			}
			sources = append(sources, s)
		}
	}
	if w.d.Level() == LevelMix {
		sources = append(sources, Source{Origin: "mix", Came: 12, Expected: 12, Delay: time.Second})
	}
	around := Surroundings{RTT: w.rtt, UplinkLimited: w.mine, MayDrop: true}
	if jammed {
		around.RTT += 80 * time.Millisecond
	}
	return w.d.Look(sources, around, w.now)
}

func (w *watched) during(d time.Duration, jammed bool) Level {
	for range d / (250 * time.Millisecond) {
		w.look(jammed)
	}
	return w.d.Level()
}

func TestAShortDownlinkIsToldFromOthersTroubles(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*watched)
		want Level
	}{
		{"nothing", func(*watched) {}, LevelFull},
		{"one sender's uplink", func(w *watched) {
			w.held[sourceKey{"a", true}], w.held[sourceKey{"a", false}] = 90*time.Millisecond, 90*time.Millisecond
		}, LevelFull},
		{"the way from the server", func(w *watched) {
			w.held[sourceKey{"a", false}], w.held[sourceKey{"b", false}] = 90*time.Millisecond, 90*time.Millisecond
		}, LevelFull},
		{"a direct way", func(w *watched) { w.lost[sourceKey{"a", true}] = 20 }, LevelFull},
		{"all ways", func(w *watched) {
			for _, o := range []string{"a", "b"} {
				w.lost[sourceKey{o, true}], w.lost[sourceKey{o, false}] = 20, 20
			}
		}, LevelDirect},
		{"a little loss everywhere", func(w *watched) {
			for _, o := range []string{"a", "b"} {
				w.lost[sourceKey{o, true}], w.lost[sourceKey{o, false}] = 3, 3
			}
		}, LevelFull},
		{"two bad lines one after the other", func(w *watched) {
			for _, o := range []string{"a", "b"} {
				w.lost[sourceKey{o, true}], w.lost[sourceKey{o, false}] = 6, 6
			}
		}, LevelFull},
	} {
		w := newWatched()
		w.during(5*time.Second, false)
		c.set(w)
		if got := w.during(2*time.Second, false); got != c.want {
			t.Errorf("%s: level %d, want %d", c.name, got, c.want)
		}
	}
}

func TestOneOriginNeedsAWitness(t *testing.T) {
	for _, mine := range []bool{false, true} {
		w := newWatched()
		w.one, w.mine = true, mine
		w.during(5*time.Second, false)
		w.during(3*time.Second, true)
		if suffers := w.d.Level() != LevelFull; suffers == mine {
			t.Errorf("own uplink full %v: level %d", mine, w.d.Level())
		}
	}
}

func TestFurtherAndBackWithoutSwinging(t *testing.T) {
	w := newWatched()
	w.during(5*time.Second, false)
	if got := w.during(2*time.Second, true); got != LevelDirect {
		t.Fatalf("level %d after 2 s, want the direct paths alone", got)
	}
	if got := w.during(4*time.Second, true); got != LevelMix {
		t.Fatalf("level %d after 6 s, want a mix", got)
	}
	changes, last := 0, w.d.Level()
	for range 4 * 600 { // ten minutes: tracks jam each time that they come back
		if level := w.look(w.d.Level() != LevelMix); level != last {
			changes, last = changes+1, level
		}
	}
	if changes > 14 {
		t.Errorf("%d changes in ten minutes", changes)
	}
	if got := w.during(6*time.Minute, false); got != LevelFull {
		t.Errorf("level %d, want everything back", got)
	}
}
