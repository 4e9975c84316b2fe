package redundancy

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gasso/net/packet"
)

const frame = 240

func numbered(n int64) *packet.Packet {
	return &packet.Packet{Generation: 7, Number: n, FirstSample: 1<<40 + n*frame, Samples: frame, Payload: fmt.Appendf(nil, "packet %d", n)}
}

func TestCopiesComeBackWithTheirPlace(t *testing.T) {
	for _, c := range []struct {
		depth, spread int
		distances     []int
	}{
		{0, 0, nil},
		{1, 0, []int{1}},
		{1, 5, []int{5}},
		{2, 2, []int{2, 1}},
		{2, 5, []int{5, 4}},
		{3, 8, []int{8, 7, 6}},
		{9, 99, []int{8, 7, 6}},
	} {
		var h History
		var copies Copies
		var packed []byte
		for n := range int64(200) {
			h.Add(numbered(n))
			packed = h.Pack(nil, &copies, numbered(n), 111, c.depth, c.spread)
		}
		if c.depth == 0 {
			if len(packed) != 0 {
				t.Errorf("packed %d bytes without copies", len(packed))
			}
			continue
		}
		var got []int
		last := ""
		err := Unpack(packed, func(offset int, block []byte) {
			if want := numbered(199 - int64(offset/frame)).Payload; offset%frame != 0 || !bytes.Equal(block, want) {
				t.Errorf("at offset %d: %q", offset, block)
			}
			if last = string(block); offset > 0 {
				got = append(got, offset/frame)
			}
		})
		if err != nil || last != "packet 199" || fmt.Sprint(got) != fmt.Sprint(c.distances) {
			t.Errorf("depth %d, spread %d: copies %v and %q, %v; want %v", c.depth, c.spread, got, last, err, c.distances)
		}
	}
}

// Packets that overtook each other on the line before are copied like all others, and none more often.
func TestOvertakenPacketsAreCopied(t *testing.T) {
	const packets, ends = 4000, 16
	rng := rand.New(rand.NewPCG(1, 2))
	came := make([]float64, packets) // packet lengths, with a jitter of ±3
	order := make([]int64, packets)
	for n := range came {
		came[n], order[n] = float64(n)+6*rng.Float64(), int64(n)
	}
	slices.SortFunc(order, func(a, b int64) int { return cmp.Compare(came[a], came[b]) })
	for _, c := range []struct{ depth, spread int }{{1, 1}, {1, 4}, {2, 2}, {2, 5}} {
		var h History
		var link Copies
		copied, all, never := [packets]int{}, 0, 0
		for _, n := range order {
			h.Add(numbered(n))
			_ = Unpack(h.Pack(nil, &link, numbered(n), 111, c.depth, c.spread), func(offset int, block []byte) {
				copy := n - int64(offset/frame)
				if !bytes.Equal(block, numbered(copy).Payload) {
					t.Errorf("packet %d holds %q as %d", n, block, copy)
				}
				if offset > 0 {
					copied[copy]++
				}
			})
		}
		for n, times := range copied[:packets-ends] {
			if all += times; times == 0 {
				never++
			}
			if times > c.depth {
				t.Errorf("%d copies, %d apart: packet %d was copied %d times", c.depth, c.spread, n, times)
			}
		}
		t.Logf("%d copies, %d apart: %d of %d packets were never copied, %d copies in all", c.depth, c.spread, never, packets, all)
		if never > packets/200 || all < packets*c.depth*19/20 {
			t.Errorf("%d copies, %d apart: %d packets were never copied, %d copies in all", c.depth, c.spread, never, all)
		}
	}
}

func TestWhatCannotBePlacedIsLeftOut(t *testing.T) {
	large := bytes.Repeat([]byte{1}, 1024)
	for _, c := range []struct {
		name        string
		spread      int
		older, p    *packet.Packet
		wantsToPack bool
	}{
		{"beside it", 1, numbered(0), numbered(1), true},
		{"behind a gap", 1, numbered(0), numbered(5), true},
		{"not there", 2, numbered(0), numbered(1), false},
		{"of the publication before", 1, &packet.Packet{Generation: 6, FirstSample: 1 << 40, Samples: frame, Payload: []byte{1}}, numbered(1), false},
		{"behind a pause", 1, &packet.Packet{Generation: 7, FirstSample: 1<<40 - frame, Samples: frame, Payload: []byte{1}}, numbered(1), false},
		{"of another length", 1, &packet.Packet{Generation: 7, FirstSample: 1<<40 - frame, Samples: 2 * frame, Payload: []byte{1}}, numbered(1), false},
		{"too large a copy", 1, &packet.Packet{Generation: 7, FirstSample: 1 << 40, Samples: frame, Payload: large}, numbered(1), false},
		{"too large together", 1, &packet.Packet{Generation: 7, FirstSample: 1 << 40, Samples: frame, Payload: large[:600]},
			&packet.Packet{Generation: 7, Number: 1, FirstSample: 1<<40 + frame, Samples: frame, Payload: large[:600]}, false},
		{"just together", 1, &packet.Packet{Generation: 7, FirstSample: 1 << 40, Samples: frame, Payload: large[:600]},
			&packet.Packet{Generation: 7, Number: 1, FirstSample: 1<<40 + frame, Samples: frame, Payload: large[:595]}, true},
		{"farther than 14 bits", 3, &packet.Packet{Generation: 7, FirstSample: 1 << 40, Samples: 5760, Payload: []byte{1}},
			&packet.Packet{Generation: 7, Number: 3, FirstSample: 1<<40 + 3*5760, Samples: 5760, Payload: []byte{2}}, false},
	} {
		var h History
		h.Add(c.older)
		h.Add(c.p)
		before := []byte("before")
		packed := h.Pack(before, &Copies{}, c.p, 111, 1, c.spread)
		if got := len(packed) > len(before); got != c.wantsToPack || len(packed) > len(before)+maxPackedBytes {
			t.Errorf("%s: packed %d bytes", c.name, len(packed)-len(before))
		}
	}
}

func TestMalformedPayloads(t *testing.T) {
	many := bytes.Repeat([]byte{0x80 | 111, 0, 0, 0}, maxBlocks+1)
	for name, payload := range map[string][]byte{
		"empty":                nil,
		"no packet":            {111},
		"cut header":           {0x80 | 111, 0},
		"endless":              bytes.Repeat([]byte{0x80 | 111, 0, 0, 0}, 4),
		"copies alone":         {0x80 | 111, 0, 4, 2, 111, 1, 2},
		"longer than there is": {0x80 | 111, 0, 4, 9, 111, 1, 2, 3},
		"two payload types":    {0x80 | 110, 0, 4, 1, 111, 1, 2, 3},
		"too many":             append(many, 111, 1),
	} {
		err := Unpack(payload, func(int, []byte) { t.Errorf("%s: visited", name) })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	visited := 0
	if err := Unpack([]byte{0x80 | 111, 0, 4, 0, 111, 1}, func(int, []byte) { visited++ }); err != nil || visited != 1 {
		t.Errorf("empty copy: %d blocks, %v", visited, err)
	}
}

func FuzzUnpack(f *testing.F) {
	var h History
	h.Add(numbered(0))
	h.Add(numbered(1))
	f.Add(h.Pack(nil, &Copies{}, numbered(1), 111, 1, 1))
	f.Add([]byte{0x80 | 111, 0xff, 0xff, 0xff, 111, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		blocks, total := 0, 0
		err := Unpack(payload, func(offset int, block []byte) {
			blocks++
			total += len(block)
			if len(block) == 0 || offset < 0 || offset > maxOffset {
				t.Errorf("block of %d bytes at %d", len(block), offset)
			}
		})
		if err == nil && (blocks == 0 || blocks > maxBlocks+1 || total >= len(payload)) || err != nil && blocks > 0 {
			t.Errorf("%d blocks of %d bytes in %d, %v", blocks, total, len(payload), err)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	var h History
	var copies Copies
	var r Receiver
	dst := make([]byte, 0, maxPackedBytes)
	p := numbered(0)
	got := testing.AllocsPerRun(1000, func() {
		p.Number, p.FirstSample = p.Number+1, p.FirstSample+frame
		h.Add(p)
		packed := h.Pack(dst, &copies, p, 111, 3, 6)
		sum := 0
		_ = Unpack(packed, func(offset int, block []byte) { sum += offset + len(block) })
		r.Take(p.Generation, p.Number, false)
	})
	if got != 0 {
		t.Errorf("%v allocations for each packet", got)
	}
}
