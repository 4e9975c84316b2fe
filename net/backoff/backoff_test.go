package backoff

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWaitsGrowUpToTheHighestAndStartOverOnReset(t *testing.T) {
	b := New(100*time.Millisecond, 2*time.Second, rand.New(rand.NewPCG(1, 2)))
	ceiling := 200 * time.Millisecond
	longest := time.Duration(0)
	for range 200 {
		wait := b.Next()
		if wait < 100*time.Millisecond || wait > ceiling {
			t.Fatalf("wait %v is outside 100ms..%v", wait, ceiling)
		}
		ceiling = min(2*ceiling, 2*time.Second)
		longest = max(longest, wait)
	}
	if longest < time.Second {
		t.Errorf("longest of 200 waits is %v: they do not grow", longest)
	}
	b.Reset()
	if wait := b.Next(); wait > 200*time.Millisecond {
		t.Errorf("first wait after Reset is %v", wait)
	}
}
