package redundancy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// looker is a receiver that asks for gaps.
type looker struct {
	r     Receiver
	g     Gaps
	asked []int64
}

func (l *looker) take(generation uint8, number int64, copied, again bool) {
	if l.r.Take(generation, number, copied || again) {
		l.asked = append(l.asked, l.g.Look(&l.r, generation, number, again)...)
	}
}

func TestGapsAreNamedOnceAndAtOnce(t *testing.T) {
	var l looker
	for n := int64(1000); n < 1200; n++ {
		switch n {
		case 1050, 1080, 1081: // lost
		default:
			l.take(3, n, false, false)
		}
		if want := n >= 1050+gapBehind; slices.Contains(l.asked, 1050) != want {
			t.Fatalf("at %d: asked for %v", n, l.asked)
		}
	}
	if want := []int64{1050, 1080, 1081}; !slices.Equal(l.asked, want) {
		t.Errorf("asked for %v, want %v", l.asked, want)
	}
	l.take(3, 1050, false, true)
	for n := range int64(100) { // another publication, and a pause of the sender without packets
		l.take(4, n, false, false)
		l.take(4, 5000+n, false, false)
	}
	if len(l.asked) > 3 {
		t.Errorf("asked for %v", l.asked[3:])
	}
}

// Where packets overtake each other, or copies come some packets later, nothing is asked for that is on its way.
func TestWhatIsOnItsWayIsNotAskedFor(t *testing.T) {
	for name, copies := range map[string]bool{"overtaken": false, "copied": true} {
		var l looker
		rng := rand.New(rand.NewPCG(1, 2))
		for n := int64(100); n < 4000; n += 4 {
			if copies { // the last of four comes as a copy four packets later
				for i := range int64(3) {
					l.take(1, n+i, false, false)
				}
				l.take(1, n-1, true, false)
				continue
			}
			four := []int64{n, n + 1, n + 2, n + 3}
			rng.Shuffle(4, func(i, j int) { four[i], four[j] = four[j], four[i] })
			for _, m := range four {
				l.take(1, m, false, false)
			}
		}
		if len(l.asked) > 4 {
			t.Errorf("%s: asked for %d packets that came: %v", name, len(l.asked), l.asked)
		}
	}
}

func FuzzGaps(f *testing.F) {
	f.Add([]byte{1, 0, 9, 1, 0, 12, 1, 0, 10, 1, 0x80, 13})
	f.Fuzz(func(t *testing.T, data []byte) {
		var l looker
		for ; len(data) >= 3; data = data[3:] {
			before := len(l.asked)
			l.take(data[0]&3, int64(data[1]&0x3f)<<8|int64(data[2]), data[1]&0x40 != 0, data[1]&0x80 != 0)
			if fresh := l.asked[before:]; len(fresh) > gapMost || !slices.IsSorted(fresh) {
				t.Fatalf("asked for %v", fresh)
			}
		}
	})
}
