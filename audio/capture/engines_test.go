//go:build aec3

package capture

import (
	"errors"
	"testing"
	"time"
)

func TestSwitchingOnWhatIsPreparedMakesNothingAndAskingWaitsForNobody(t *testing.T) {
	cfg := testConfig(newFakeSource(nil), 1, 240)
	cfg.Engines = NewEngines(model(t))
	s := simulate(t, newFakeSource(nil), cfg)
	if err := cfg.Engines.Prepare(voiceChain); err != nil {
		t.Fatal(err)
	}
	cfg.Engines.making.Lock() // as if another one were being made
	done := make(chan error, 1)
	go func() {
		err := s.mic.SetProcessing(voiceChain)
		_ = s.mic.Stats()
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("switching on waits for what is being made")
	}
	cfg.Engines.making.Unlock()
	canceller, suppressor, err := cfg.Engines.present()
	if on := s.mic.capture.chain.switches.Load(); err != nil || on.canceller != canceller || on.suppressor != suppressor || on.on != voiceChain {
		t.Errorf("%v: the chain runs on %+v, not on what was prepared", err, on)
	}
	_ = s.mic.Close()
	cfg.Engines.Close()
	cfg.Engines.Close()
	if err := cfg.Engines.Prepare(Processing{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed engines say %v", err)
	}
}
