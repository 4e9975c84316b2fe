package jitter

import (
	"math"
	"testing"
	"time"

	"gasso/internal/netsim"
)

func TestListenerMeasuresDelayAndConcealment(t *testing.T) {
	const delay = 1234
	l := &listener{around: aroundBuffer}
	pcm, payload := make([]float32, 2*frameSamples), make([]byte, payloadBytes)
	for k := range 1000 {
		at := time.Duration(k) * frameSamples * time.Second / sampleRate
		if k%10 == 0 {
			if err := (decoder{}).Conceal(pcm); err != nil {
				t.Fatal(err)
			}
		} else {
			encode(payload, roomStart+int64(k)*frameSamples-delay, frameSamples)
			if n, err := (decoder{}).Decode(pcm, payload); err != nil || n != frameSamples {
				t.Fatalf("decoded %d, %v", n, err)
			}
		}
		l.hear(pcm, at, 1)
	}
	if want := delay*1e3/sampleRate + 7.5; math.Abs(l.probeMS()-want) > 0.01 {
		t.Errorf("delay %.3f ms, want %.3f", l.probeMS(), want)
	}
	if math.Abs(l.percent()-10) > 0.01 {
		t.Errorf("concealed %.2f %%, want 10", l.percent())
	}
}

func TestDecoderRefusesWhatItDidNotEncode(t *testing.T) {
	if _, err := (decoder{}).Decode(make([]float32, 480), make([]byte, 12)); err == nil {
		t.Error("a short payload was decoded")
	}
	payload := make([]byte, payloadBytes)
	encode(payload, 0, 1000)
	if _, err := (decoder{}).Decode(make([]float32, 480), payload); err == nil {
		t.Error("more was decoded than there is room for")
	}
}

// heardBy plays one network for three minutes.
func heardBy(b buffer, c netsim.Conditions, seed uint64) *listener {
	l := newListener()
	b.run(always("test", c), seed, 3*time.Minute, l)
	return l
}

func TestEveryBufferHearsEverythingWithoutLoss(t *testing.T) {
	for _, b := range buffers {
		t.Run(b.name, func(t *testing.T) {
			near, far := heardBy(b, netsim.Conditions{}, 1), heardBy(b, netsim.Conditions{Delay: 50 * ms}, 1)
			if near.percent() != 0 || far.percent() != 0 {
				t.Errorf("concealed %.3f and %.3f %% in a perfect network", near.percent(), far.percent())
			}
			if d := far.probeMS() - near.probeMS(); math.Abs(d-50) > 6 {
				t.Errorf("50 ms of network make %.1f ms", d)
			}
			if total := near.samples; math.Abs(float64(total)/sampleRate-170) > 1 {
				t.Errorf("heard %d samples in 170 s", total)
			}
		})
	}
}

func TestBuffersRepeatThemselvesBySeed(t *testing.T) {
	c := netsim.Conditions{Delay: 10 * ms, Jitter: 3 * ms, Loss: 0.05}
	for _, b := range buffers {
		if one, two := heardBy(b, c, 3), heardBy(b, c, 3); *one != *two {
			t.Errorf("%s: %+v and %+v with the same seed", b.name, one, two)
		}
	}
}

func TestBuffersConcealWhatIsLostUnlessItIsSentTwice(t *testing.T) {
	c := netsim.Conditions{Delay: 10 * ms, Jitter: ms, Loss: 0.05}
	for _, x := range []struct {
		buffer      int
		least, most float64
	}{{0, 0, 1.5}, {netEQRow, 4, 6}, {netEQRow + 1, 0.1, 1}, {3, 4, 6}, {4, 0, 1}} {
		if got := heardBy(buffers[x.buffer], c, 1).percent(); got < x.least || got > x.most {
			t.Errorf("%s conceals %.2f %% at 5 %% loss, want %v to %v", buffers[x.buffer].name, got, x.least, x.most)
		}
	}
}

func TestWindowMovesWithWhatIsOutside(t *testing.T) {
	w := window{make([]bool, 3), 10}
	for _, n := range []int64{10, 12} {
		w.put(n)
	}
	if !w.get() || w.get() || !w.get() {
		t.Error("10 and 12 were there, 11 was not")
	}
	w.put(20) // too early: the window ends with it
	if w.next != 18 || w.get() || w.get() || !w.get() {
		t.Errorf("after a jump ahead the window begins at %d", w.next)
	}
	w.put(19) // too late: the window begins with it
	if w.next != 19 || !w.get() {
		t.Errorf("after a late one the window begins at %d", w.next)
	}
	w.put(21)
	w.resize(5)
	if w.get() || !w.get() {
		t.Error("resizing lost a block")
	}
}

func TestHistogramForgetsAndWeighs(t *testing.T) {
	h := newHistogram(0.9)
	for range 100 {
		h.add(1)
	}
	if got := h.quantile(0.95); got != 1 {
		t.Errorf("quantile in bucket %d, want 1", got)
	}
	for range 100 {
		h.add(4)
	}
	if got := h.quantile(0.95); got != 4 {
		t.Errorf("quantile in bucket %d after forgetting, want 4", got)
	}
	costs := newHistogram(0.9993)
	for i := range 1000 {
		costs.add(map[bool]int{true: 3, false: 0}[i%100 == 0]) // 1 % is worth 20 ms
	}
	if got := costs.cheapest(20 * ms); got != 0 {
		t.Errorf("1 %% of loss made %d buckets, 40 ms for 20", got)
	}
	if got := costs.cheapest(50 * ms); got != 3 {
		t.Errorf("1 %% of loss made %d buckets where three cost 10 ms, want 3", got)
	}
}

func TestTrackFigures(t *testing.T) {
	x := &track{}
	for i := range 100 { // 10 s: 20 ms, 30 ms from 4 s to 5 s
		delay, missing := 20.0, int64(0)
		if i >= 40 && i < 50 {
			delay = 30
		}
		if i >= 40 {
			missing = min(8, int64(i-39))
		}
		x.delayMS, x.missing = append(x.delayMS, delay), append(x.missing, missing)
	}
	if got := x.backAfter(4*time.Second, 23); got != time.Second {
		t.Errorf("back after %v, want 1 s", got)
	}
	if got := x.lateUntilHeld(4*time.Second, 0.005); got != 8 {
		t.Errorf("%d late, want 8: 6, and 2 in 2 s that are within the budget", got)
	}
	if got := x.strays(0); got != 10 {
		t.Errorf("strays by %v ms, want 10", got)
	}
	if got := x.mean(4*time.Second, 6*time.Second); got != 25 {
		t.Errorf("mean %v ms, want 25", got)
	}
}

func TestSpeedTellsPitchFromBlends(t *testing.T) {
	frame := func(rate float64, jump float32) []float32 {
		pcm := make([]float32, 2*frameSamples)
		for i := range frameSamples {
			pcm[2*i] = float32((1000+rate*float64(i))/positionRange - 0.5)
			if i > 80 {
				pcm[2*i] += jump
			}
			pcm[2*i+1] = 1
		}
		return pcm
	}
	if got := speed(frame(1.002, 0)); math.Abs(got-1.002) > 1e-4 {
		t.Errorf("speed %v, want 1.002", got)
	}
	if got := speed(frame(1, 0.01)); got != 1 {
		t.Errorf("a jump counts as a speed of %v", got)
	}
}
