package limits

import (
	"errors"
	"testing"
	"time"
)

func TestAdmitRefusesWhatIsTooMuch(t *testing.T) {
	const memory = 1000
	cases := map[string]struct {
		kind   Kind
		load   Load
		used   int64
		refuse bool
		retry  time.Duration
	}{
		"first room":            {kind: Room},
		"last room":             {kind: Room, load: Load{Rooms: 1}},
		"one room too many":     {kind: Room, load: Load{Rooms: 2}, refuse: true, retry: 10 * time.Second},
		"last place in room":    {kind: Participant, load: Load{Rooms: 2, InRoom: 2}},
		"room full":             {kind: Participant, load: Load{InRoom: 3}, refuse: true, retry: 10 * time.Second},
		"memory at the limit":   {kind: Room, used: memory},
		"room without memory":   {kind: Room, used: memory + 1, refuse: true, retry: 30 * time.Second},
		"empty, without memory": {kind: Participant, used: memory + 1, refuse: true, retry: 30 * time.Second},
		"runs without memory":   {kind: Participant, load: Load{InRoom: 1}, used: memory + 1},
		"full without memory":   {kind: Participant, load: Load{InRoom: 3}, used: memory + 1, refuse: true, retry: 10 * time.Second},
		"rooms don't bind join": {kind: Participant, load: Load{Rooms: 9}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := New(Config{
				Rooms: 2, PerRoom: 3, MemoryBytes: memory,
				MemoryUsed: func() (int64, error) { return c.used, nil },
			})
			err := g.Admit(c.kind, c.load, time.Unix(100, 0))
			var refusal *Refusal
			if errors.As(err, &refusal) != c.refuse {
				t.Fatalf("got %v, want refusal %v", err, c.refuse)
			}
			if c.refuse && refusal.RetryAfter != c.retry {
				t.Errorf("retry after %v, want %v", refusal.RetryAfter, c.retry)
			}
		})
	}
}

func TestAdmitMeasuresMemoryOnceASecondAndRecovers(t *testing.T) {
	used, asked := int64(20), 0
	g := New(Config{MemoryBytes: 10, MemoryUsed: func() (int64, error) { asked++; return used, nil }})
	now := time.Unix(100, 0)
	for range 5 {
		if g.Admit(Room, Load{}, now) == nil {
			t.Fatal("admitted above the memory limit")
		}
	}
	if asked != 1 {
		t.Errorf("measured %d times within a second, want once", asked)
	}
	used = 5
	if err := g.Admit(Room, Load{}, now.Add(time.Second)); err != nil {
		t.Errorf("refused after memory was given back: %v", err)
	}
}

func TestResidentMemoryIsRead(t *testing.T) {
	used, err := residentBytes()
	if err != nil || used < 1<<20 {
		t.Fatalf("got %d bytes and %v, want at least a megabyte", used, err)
	}
	if New(Config{MemoryBytes: 1}).Admit(Room, Load{}, time.Unix(1, 0)) == nil {
		t.Error("one byte of memory was enough")
	}
}

func TestRateDropsAboveTheLimitAndStartsAfreshEachSecond(t *testing.T) {
	r := New(Config{PacketsASecond: 3}).Packets()
	now := time.Unix(100, 0)
	passed := 0
	for i := range 10 {
		if r.Allow(now.Add(time.Duration(i) * 10 * time.Millisecond)) {
			passed++
		}
	}
	if passed != 3 {
		t.Errorf("%d packets passed, want 3", passed)
	}
	if !r.Allow(now.Add(time.Second)) {
		t.Error("the next second doesn't start afresh")
	}
}
