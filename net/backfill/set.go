package backfill

import (
	"slices"
	"sort"

	"gasso/net/packet"
)

// MaxRanges bounds a Set: 256 KiB.
const MaxRanges = 1 << 14

// Range is packet numbers from First to Last, both included.
type Range struct{ First, Last int64 }

// Len is how many numbers the range has.
func (r Range) Len() int64 { return r.Last - r.First + 1 }

// valid tells whether the wire could carry the range.
func (r Range) valid() bool { return r.First >= 0 && r.First <= r.Last && r.Last <= packet.MaxNumber }

// Set is a set of packet numbers as sorted ranges that don't touch. Its zero value is empty. It holds
// at most MaxRanges ranges; a call costs at most one pass over them, and next to nothing at the end,
// where numbers usually come. One goroutine at a time uses it.
type Set struct {
	ranges []Range
	total  int64
}

// Ranges are the set's ranges in order, borrowed until the next change.
func (s *Set) Ranges() []Range { return s.ranges }

// Len is how many numbers are in the set.
func (s *Set) Len() int64 { return s.total }

// Empty tells whether nothing is in the set.
func (s *Set) Empty() bool { return len(s.ranges) == 0 }

// Clear empties the set and keeps its memory.
func (s *Set) Clear() { s.ranges, s.total = s.ranges[:0], 0 }

// from returns the index of the first range that ends at or after number.
func (s *Set) from(number int64) int {
	n := len(s.ranges)
	if n == 0 || s.ranges[n-1].Last < number {
		return n
	}
	return sort.Search(n, func(i int) bool { return s.ranges[i].Last >= number })
}

// Covers tells whether all of r is in the set.
func (s *Set) Covers(r Range) bool {
	at := s.from(r.First)
	return at < len(s.ranges) && s.ranges[at].First <= r.First && r.Last <= s.ranges[at].Last
}

// reach is the last number of the range that number is in, the one before it when it is in none.
func (s *Set) reach(number int64) int64 {
	if at := s.from(number); at < len(s.ranges) && s.ranges[at].First <= number {
		return s.ranges[at].Last
	}
	return number - 1
}

// Has tells whether number is in the set.
func (s *Set) Has(number int64) bool { return s.Covers(Range{number, number}) }

// Add puts r into the set. It reports false, and changes nothing, when r is not a range that the wire
// could carry, or when the set has no room for one more range.
func (s *Set) Add(r Range) bool {
	if !r.valid() {
		return false
	}
	begin := s.from(r.First - 1) // one that ends right before r grows
	end := begin
	for end < len(s.ranges) && s.ranges[end].First <= r.Last+1 {
		end++
	}
	if begin == end {
		if len(s.ranges) >= MaxRanges {
			return false
		}
		s.ranges = slices.Insert(s.ranges, begin, r)
		s.total += r.Len()
		return true
	}
	merged := Range{min(r.First, s.ranges[begin].First), max(r.Last, s.ranges[end-1].Last)}
	for _, old := range s.ranges[begin:end] {
		s.total -= old.Len()
	}
	s.total += merged.Len()
	s.ranges[begin] = merged
	s.ranges = slices.Delete(s.ranges, begin+1, end)
	return true
}

// Remove takes r out of the set. Where that splits a range of a full set, the upper part goes too.
func (s *Set) Remove(r Range) {
	if !r.valid() {
		return
	}
	begin := s.from(r.First)
	if begin == len(s.ranges) || s.ranges[begin].First > r.Last {
		return
	}
	if old := s.ranges[begin]; old.First < r.First && r.Last < old.Last {
		s.ranges[begin].Last = r.First - 1
		s.total -= old.Last - r.First + 1
		if len(s.ranges) < MaxRanges {
			s.ranges = slices.Insert(s.ranges, begin+1, Range{r.Last + 1, old.Last})
			s.total += old.Last - r.Last
		}
		return
	}
	if s.ranges[begin].First < r.First { // keeps its lower part
		s.total -= s.ranges[begin].Last - r.First + 1
		s.ranges[begin].Last = r.First - 1
		begin++
	}
	end := begin
	for end < len(s.ranges) && s.ranges[end].Last <= r.Last {
		s.total -= s.ranges[end].Len()
		end++
	}
	if end < len(s.ranges) && s.ranges[end].First <= r.Last { // keeps its upper part
		s.total -= r.Last - s.ranges[end].First + 1
		s.ranges[end].First = r.Last + 1
	}
	s.ranges = slices.Delete(s.ranges, begin, end)
}

// Missing adds to dst what of r is not in the set, lowest first, as far as dst has room.
func (s *Set) Missing(r Range, dst *Set) {
	if !r.valid() {
		return
	}
	next := r.First
	for _, have := range s.ranges[s.from(r.First):] {
		if have.First > r.Last {
			break
		}
		if have.First > next && !dst.Add(Range{next, have.First - 1}) {
			return
		}
		next = have.Last + 1
	}
	if next <= r.Last {
		dst.Add(Range{next, r.Last})
	}
}

// FillOldest puts the numbers between the two lowest ranges into the set, which makes room for a range.
func (s *Set) FillOldest() {
	if len(s.ranges) > 1 {
		s.Add(Range{s.ranges[0].Last + 1, s.ranges[1].First - 1})
	}
}
