package jitter

import (
	"math/rand"
	"slices"
	"testing"
)

// The incremental quantile is what sorting says, while packets come and go.
func TestQuantileIsThatOfTheWindow(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	var q quantile
	var in []int64
	centre := int64(-3000)
	for step := range 20000 {
		centre += int64(rnd.Intn(3) - 1)
		bin := q.near(centre + int64(rnd.ExpFloat64()*30))
		q.add(bin)
		in = append(in, bin)
		if len(in) > 1000 {
			q.remove(in[0])
			in = in[1:]
		}
		if step%97 != 0 {
			continue
		}
		share := []float64{0, 0.001, 0.01, 0.1}[rnd.Intn(4)]
		sorted := slices.Sorted(slices.Values(in))
		want := sorted[len(sorted)-1-int(share*float64(len(in)))]
		if got := q.settle(share)/binSamples - 1; got != want {
			t.Fatalf("step %d: bin %d above which %.3f lie, want %d", step, got, share, want)
		}
		checkRelaxed(t, &q, in, share)
	}
}

// checkRelaxed compares with the sum of what each packet of 40 bins would lose.
func checkRelaxed(t *testing.T, q *quantile, in []int64, share float64) {
	t.Helper()
	const length = 40
	lost := func(at int64) (sum int64) {
		for _, bin := range in {
			sum += min(max(bin-at, 0), length)
		}
		return sum
	}
	allowed := share * float64(len(in)) * length
	want := q.at
	for n := 0; n < length && float64(lost(want-1)) <= allowed; n++ {
		want--
	}
	if got := q.relax(share, length*binSamples)/binSamples - 1; got != want {
		t.Fatalf("bin %d loses %d of %.0f allowed, want bin %d", got, lost(got), allowed, want)
	}
}

func TestFloorIsTheLeastOfTheLastTenSeconds(t *testing.T) {
	var f floor
	rnd := rand.New(rand.NewSource(2))
	var values []int64
	for i := range int64(200) { // one each 0.5 s
		v := int64(rnd.Intn(1000)) - 500
		f.add(i*floorSamples/4, v)
		values = append(values, v)
		from := max(0, i/4-floorReach+1) * 4
		if want := slices.Min(values[from:]); f.value() != want {
			t.Fatalf("%d: floor is %d, want %d", i, f.value(), want)
		}
	}
}
