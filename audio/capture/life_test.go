package capture

import (
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/audio/audiotest"
	"gasso/audio/device"
	"gasso/audio/opus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCloseEndsAWaitingRead(t *testing.T) {
	m := newFakeSource(nil)
	s, err := Open(testConfig(m, 2, 240))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Read()
		done <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("Read returns %v, want io.EOF", err)
	}
	if _, err := s.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("Read after Close returns %v, want io.EOF", err)
	}
	if err := s.SetProcessing(Processing{}); !errors.Is(err, ErrClosed) {
		t.Errorf("SetProcessing after Close returns %v", err)
	}
	_ = s.Stats()
	_ = s.Close()
}

func TestMicrophonesDoNotDisturbEachOther(t *testing.T) {
	open := make(chan error, 8)
	for range cap(open) {
		go func() {
			s, err := Open(testConfig(newFakeSource(nil), 2, 240))
			if err == nil {
				err = s.Close()
			}
			open <- err
		}()
	}
	for range cap(open) {
		if err := <-open; err != nil {
			t.Error(err)
		}
	}
}

func TestWhatCannotBeOpenedIsAnError(t *testing.T) {
	m := newFakeSource(nil)
	bad := testConfig(m, 2, 241)
	for _, cfg := range []Config{{}, {Source: m}, bad} {
		if s, err := Open(cfg); err == nil {
			_ = s.Close()
			t.Errorf("%+v is accepted", cfg)
		}
	}
	cfg := testConfig(m, 2, 240)
	cfg.Processing.NoiseSuppression = true
	s, err := Open(cfg) // without the module
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if stats := s.Stats(); stats.Missing == "" || stats.Processing.NoiseSuppression {
		t.Errorf("without the module: %+v", stats)
	}
}

func TestToneDeviceIsHeard(t *testing.T) {
	source, err := device.OpenCapture(device.Config{Spec: device.Spec{Kind: device.Tone, Frequency: 440}})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	s, err := Open(Config{
		Source:     source,
		Encoder:    opus.EncoderConfig{Channels: 2, BitrateBPS: 128000, FrameSamples: 240, Complexity: 5},
		RoomSample: roomSample,
		Engines:    NewEngines(nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := opus.NewDecoder(2)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var heard []float32
	pcm := make([]float32, 2*opus.MaxPacketSamples)
	for len(heard) < 2*96000 {
		packet, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		if late := roomSample(time.Now()) - packet.FirstSample; late < 0 || late > 24000 {
			t.Fatalf("a packet's first sample is %d samples old", late)
		}
		n, err := d.Decode(pcm, packet.Payload)
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, pcm[:2*n]...)
	}
	if level := audiotest.ToneLevelDB(heard[48000:], 1, 2, 440); math.Abs(level-device.ToneLevelDB) > 0.6 {
		t.Errorf("tone is at %.1f dBFS, want %d", level, device.ToneLevelDB)
	}
}
