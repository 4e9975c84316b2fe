package redundancy

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestReceiverCountsRunsAndRepairs(t *testing.T) {
	var r Receiver
	gone := []int64{10, 20, 21, 30, 31, 32, 40, 41, 42, 43, 44, 45}
	copied := []int64{20, 40}
	for n := range int64(200) {
		if !slices.Contains(gone, n) && !r.Take(3, n, false) {
			t.Errorf("packet %d is no duplicate", n)
		}
		if back := n - 5; slices.Contains(copied, back) && !r.Take(3, back, true) {
			t.Errorf("copy of %d is no duplicate", back)
		}
		if n > 50 && r.Take(3, n-1, true) {
			t.Errorf("copy of %d is a duplicate", n-1)
		}
	}
	want := Totals{Expected: 200 - settleAfter - 1, RawLost: 12, Missing: 10, Bursts: [4]uint32{1, 1, 1, 1}}
	if got := r.Totals(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if r.Repaired() != 2 {
		t.Errorf("%d repaired", r.Repaired())
	}
}

func TestReceiverFollowsTheSender(t *testing.T) {
	var r Receiver
	take := func(generation uint8, number int64, want bool) {
		t.Helper()
		if got := r.Take(generation, number, false); got != want {
			t.Errorf("generation %d, number %d: fresh %v", generation, number, got)
		}
	}
	take(1, 1000, true)
	take(1, 999, true) // overtaken
	take(1, 999, false)
	take(2, 0, true) // a new publication,
	take(1, 1001, true)
	take(1, 1000, false) // the last of the one before
	take(2, 1, true)
	take(2, 5000, true) // an interruption is no loss
	for n := int64(5001); n < 5100; n++ {
		take(2, n, true)
	}
	if got := r.Totals(); got.RawLost != 0 || got.Expected == 0 {
		t.Errorf("after an interruption: %+v", got)
	}
	for range strangeMax - 1 {
		take(2, 7, false)
	}
	take(2, 7, true) // counts anew
	take(2, 8, true)
	take(2, -1, false)
}

// A receiver that misses more than the window of duplicates, in pieces that count as loss.
func TestStaleMarksAreForgotten(t *testing.T) {
	var r Receiver
	for n := int64(0); n < 4*seenNumbers; n += interruption {
		if !r.Take(1, n, false) {
			t.Fatalf("packet %d is no duplicate", n)
		}
	}
	got := r.Totals()
	if lost := float64(got.RawLost) / float64(got.Expected); lost < 0.98 || got.RawLost != got.Missing {
		t.Errorf("one of %d came: %+v", interruption, got)
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0x89})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Receiver
		before := r.Totals()
		for ; len(data) >= 6; data = data[6:] {
			number := int64(binary.BigEndian.Uint32(data[1:]))
			fresh := r.Take(data[0]&3, number, data[5]&0x80 != 0)
			if fresh && r.current.generation == data[0]&3 && r.Take(data[0]&3, number, true) {
				t.Fatalf("number %d is fresh twice", number)
			}
		}
		after := r.Totals()
		if after.Missing > after.RawLost || after.RawLost > after.Expected || int64(after.RawLost-after.Missing) != r.Repaired() {
			t.Errorf("totals %+v after %+v, repaired %d", after, before, r.Repaired())
		}
	})
}

func TestFeedbackComesBack(t *testing.T) {
	totals := Totals{Expected: 1 << 31, Missing: 2, RawLost: 3, Bursts: [4]uint32{4, 5, 6, 7}}
	got, err := ParseTotals(totals.Append(nil))
	if err != nil || got != totals {
		t.Errorf("got %+v, %v", got, err)
	}
	wanted := []int64{5, 6, 21, 22, 1 << 39}
	data := AppendRequests(nil, 9, wanted)
	var named []int64
	err = ParseRequests(data, func(r Request) {
		if r.Generation != 9 {
			t.Errorf("generation %d", r.Generation)
		}
		r.Visit(func(number int64) { named = append(named, number) })
	})
	if err != nil || !slices.Equal(named, wanted) || len(data) != 3*requestBytes {
		t.Errorf("named %v in %d bytes, %v", named, len(data), err)
	}
	if data := AppendRequests(nil, 9, []int64{-1}); len(data) != 0 {
		t.Error("asked for an impossible number")
	}
}

func TestReportsBetweenTotals(t *testing.T) {
	before := Totals{Expected: 1<<32 - 10, RawLost: 1<<32 - 1, Bursts: [4]uint32{1<<32 - 1}}
	after := Totals{Expected: 40, RawLost: 1, Bursts: [4]uint32{1}}
	r, ok := after.Since(&before)
	if want := (Report{Expected: 50, RawLost: 2, Bursts: [4]int{2}}); !ok || r != want {
		t.Errorf("got %+v, %v", r, ok)
	}
	for _, impossible := range []Totals{{Expected: 1 << 20}, {RawLost: 1}, {Expected: 1, Missing: 1 << 20}, {Expected: 9, Bursts: [4]uint32{0, 0, 0, 1 << 20}}} {
		if _, ok := impossible.Since(&Totals{}); ok {
			t.Errorf("%+v is possible", impossible)
		}
	}
}

func FuzzFeedback(f *testing.F) {
	f.Add((&Totals{Expected: 5}).Append(nil), (&Request{First: 1, After: 3}).Append(nil))
	f.Fuzz(func(t *testing.T, totals, requests []byte) {
		if parsed, err := ParseTotals(totals); err == nil {
			if report, ok := parsed.Since(&Totals{}); ok && (report.Expected > totalsJump || report.RawLost > report.Expected) {
				t.Errorf("report %+v", report)
			}
		}
		named := 0
		_ = ParseRequests(requests, func(r Request) {
			r.Visit(func(number int64) {
				if named++; number < 0 {
					t.Errorf("number %d", number)
				}
			})
		})
		if named > maxRequests*(requestsAfter+1) {
			t.Errorf("%d numbers", named)
		}
	})
}
