package ring

import (
	"runtime"
	"testing"

	"gasso/audio/audiotest"
)

func TestFramesComeOutInOrderAndWhatDoesNotFitIsCounted(t *testing.T) {
	r := New(5, 2)
	if r.Cap() != 8 || r.Channels() != 2 {
		t.Fatalf("capacity %d of %d channels, want 8 of 2", r.Cap(), r.Channels())
	}
	next, want := float32(0), float32(0)
	dropped := int64(0)
	for round := range 50 {
		pcm := make([]float32, 2*(round%11))
		for i := range pcm {
			pcm[i] = next + float32(i)
		}
		room := r.Cap() - r.Len()
		n := r.Write(pcm)
		if n != min(room, len(pcm)/2) {
			t.Fatalf("round %d: wrote %d of %d frames with room for %d", round, n, len(pcm)/2, room)
		}
		next += float32(2 * n)
		if dropped += int64(len(pcm)/2 - n); r.Dropped() != dropped {
			t.Fatalf("round %d: %d dropped, want %d", round, r.Dropped(), dropped)
		}
		out := make([]float32, 2*(round%5))
		got := r.Read(out)
		for i, v := range out[:2*got] {
			if v != want+float32(i) {
				t.Fatalf("round %d: read %v, want from %v on", round, out[:2*got], want)
			}
		}
		want += float32(2 * got)
		want += float32(2 * r.Skip(round%3))
	}
	if r.Skip(1000); r.Len() != 0 || r.Skip(-1) != 0 {
		t.Errorf("%d frames left after all were skipped", r.Len())
	}
}

func TestProducerAndConsumerRunAtOnce(t *testing.T) {
	const total = 200000
	r := New(64, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pcm := make([]float32, 17)
		for sent := 0; sent < total; {
			n := min(len(pcm), total-sent, r.Cap()-r.Len())
			for i := range n {
				pcm[i] = float32(sent + i)
			}
			sent += r.Write(pcm[:n])
			if n == 0 {
				runtime.Gosched()
			}
		}
	}()
	pcm := make([]float32, 13)
	for got := 0; got < total; {
		n := r.Read(pcm)
		for i, v := range pcm[:n] {
			if v != float32(got+i) {
				t.Fatalf("sample %d is %g", got+i, v)
			}
		}
		if got += n; n == 0 {
			runtime.Gosched()
		}
	}
	<-done
	if r.Dropped() != 0 {
		t.Errorf("%d dropped", r.Dropped())
	}
}

func TestNoAllocation(t *testing.T) {
	r := New(1024, 2)
	pcm := make([]float32, 480)
	audiotest.CheckNoAllocs(t, func() { r.Write(pcm); r.Read(pcm) })
}
