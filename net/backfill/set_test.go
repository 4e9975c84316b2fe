package backfill

import (
	"math/rand/v2"
	"testing"

	"gasso/net/packet"
)

// model is a set that is right because it is simple.
type model map[int64]bool

func (m model) apply(add bool, r Range) {
	for n := r.First; n <= r.Last; n++ {
		if add {
			m[n] = true
		} else {
			delete(m, n)
		}
	}
}

// check compares a set with its model, and looks at what a set promises of its ranges.
func check(t *testing.T, s *Set, m model, numbers int64) {
	t.Helper()
	if s.Len() != int64(len(m)) {
		t.Fatalf("%d numbers, want %d", s.Len(), len(m))
	}
	before := int64(-2)
	for _, r := range s.Ranges() {
		if r.First <= before+1 || r.Last < r.First {
			t.Fatalf("ranges %v touch or are out of order", s.Ranges())
		}
		before = r.Last
	}
	var missing Set
	s.Missing(Range{0, numbers - 1}, &missing)
	for n := range numbers {
		if s.Has(n) != m[n] || missing.Has(n) == m[n] {
			t.Fatalf("number %d: has %v, missing %v, want %v", n, s.Has(n), missing.Has(n), m[n])
		}
	}
}

func TestSetIsTheSetOfItsNumbers(t *testing.T) {
	const numbers = 60
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s Set
		m := model{}
		for range 40 {
			first := random.Int64N(numbers)
			r := Range{first, min(numbers-1, first+random.Int64N(12))}
			add := random.IntN(3) > 0
			if add {
				s.Add(r)
			} else {
				s.Remove(r)
			}
			m.apply(add, r)
			check(t, &s, m, numbers)
		}
	}
}

func TestSetIsBounded(t *testing.T) {
	var s Set
	for n := int64(0); n < 3*MaxRanges; n++ {
		if ok := s.Add(Range{2 * n, 2 * n}); ok != (n < MaxRanges) {
			t.Fatalf("range %d taken: %v", n, ok)
		}
	}
	if got := len(s.Ranges()); got != MaxRanges {
		t.Fatalf("%d ranges", got)
	}
	if !s.Add(Range{1, 1}) || !s.Has(1) {
		t.Error("what fills a gap is refused")
	}
	s.FillOldest()
	if !s.Add(Range{1 << 30, 1 << 30}) {
		t.Error("no room although the oldest gap was given up")
	}
	for _, r := range []Range{{-1, 3}, {5, 4}, {0, packet.MaxNumber + 1}} {
		if s.Add(r) {
			t.Errorf("%v was taken", r)
		}
	}
}

func TestMissingKeepsToTheRoomOfItsReceiver(t *testing.T) {
	var s, dst Set
	for n := int64(0); n < MaxRanges; n++ {
		s.Add(Range{2 * n, 2 * n})
		dst.Add(Range{1<<30 + 2*n, 1<<30 + 2*n})
	}
	before := dst.Len()
	s.Missing(Range{0, 2 * MaxRanges}, &dst)
	if dst.Len() != before {
		t.Error("a full set took more")
	}
}
