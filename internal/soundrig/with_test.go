package soundrig

import (
	"errors"
	"os"
	"testing"

	"gasso/audio/audiotest"
)

func TestALoopOutsideOfATest(t *testing.T) {
	before := os.Getenv("PULSE_SERVER")
	err := With(func(r *Rig) error {
		if os.Getenv("PULSE_SERVER") == before {
			return errors.New("the process does not use the rig")
		}
		l := r.Loop("cable")
		both := r.Record(l.Monitor)
		recorded(t, both, Rate/10)
		r.PlayPCM(audiotest.Tone(1000, -12, Rate, 1), 1, l.MicSink).Wait()
		recorded(t, both, both.Samples()+Rate/2)
		pcm := both.Stop()
		left, right := audiotest.PeakDB(audiotest.Channel(pcm, 0, 2)), audiotest.PeakDB(audiotest.Channel(pcm, 1, 2))
		if left < -13 || right > -100 {
			t.Errorf("what is said is at %.1f dB on the left and %.1f dB on the right", left, right)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := os.Getenv("PULSE_SERVER"); got != before {
		t.Errorf("PULSE_SERVER is %q afterwards", got)
	}
	broken := errors.New("broken")
	if err := With(func(*Rig) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if err := With(func(r *Rig) error { r.load("module-that-is-not"); return nil }); err == nil {
		t.Error("a module that is not there is no error")
	}
}
