package session

import (
	"context"
	"testing"
	"time"

	"gasso/audio/device"
	"gasso/audio/opus"
	"gasso/audio/ring"
	"gasso/net/clocksync"
	"gasso/net/signaling"
)

func TestEncoderFollowsInputModeAndProcessing(t *testing.T) {
	s := newTestSession(t)
	for _, c := range []struct {
		kind    device.Kind
		mode    Mode
		music   bool
		bitrate int
		want    opus.EncoderConfig
	}{
		{device.Hardware, ModeLive, false, 0, opus.EncoderConfig{Channels: 1, BitrateBPS: voiceBitrate, FrameSamples: 240, Application: opus.LowDelay, Independent: true}},
		{device.Hardware, ModeStudio, true, 0, opus.EncoderConfig{Channels: 2, BitrateBPS: musicBitrate, FrameSamples: 120, Application: opus.LowDelay, Independent: true}},
		{device.Hardware, ModeSafe, false, 0, opus.EncoderConfig{Channels: 1, BitrateBPS: voiceBitrate, FrameSamples: 480, Application: opus.VoIP, FEC: true, LossPercent: 10}},
		{device.Hardware, ModeSafe, true, 0, opus.EncoderConfig{Channels: 2, BitrateBPS: musicBitrate, FrameSamples: 480, Application: opus.LowDelay, Independent: true}},
		{device.File, ModeLive, false, 0, opus.EncoderConfig{Channels: 2, BitrateBPS: musicBitrate, FrameSamples: 240, Application: opus.LowDelay, Independent: true}},
		{device.Tone, ModeLive, false, 64000, opus.EncoderConfig{Channels: 2, BitrateBPS: 64000, FrameSamples: 240, Application: opus.LowDelay, Independent: true}},
	} {
		s.cfg.BitrateBPS = c.bitrate
		m := s.microphone
		m.spec.Kind, m.mode, m.processing.Music = c.kind, c.mode, c.music
		samples, err := frameSamples(c.mode)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Complexity = fullComplexity
		if got := m.encoderLocked(samples); got != c.want {
			t.Errorf("%s, %s, music %v: %+v, want %+v", c.kind, c.mode, c.music, got, c.want)
		}
	}
}

func TestPacketsThatTheGovernorMadeLongerCarryCopiesToo(t *testing.T) {
	s := newTestSession(t)
	m := s.microphone
	m.spec.Kind, m.mode, m.lowered = device.Hardware, ModeLive, stepFrames
	samples, err := frameSamples(m.qualityLocked().mode)
	if err != nil {
		t.Fatal(err)
	}
	got := m.encoderLocked(samples)
	if samples != safeFrameSamples || !got.FEC || got.Application != opus.VoIP {
		t.Errorf("packets of %d samples are encoded with %+v", samples, got)
	}
	if heard := playerConfig(ModeLive, &signaling.Publication{FrameSamples: samples}); !heard.FEC {
		t.Error("those who hear them look for no copies")
	}
}

// publishing is a microphone that publishes for as long as the test runs.
func publishing(t *testing.T, p Processing) *Session {
	t.Helper()
	s := newTestSession(t)
	s.microphone.processing = p
	anchor, now := clocksync.NewAnchor(time.Now()), time.Now()
	for !s.clock.Ready() {
		s.clock.Add(now, now, anchor.NowNS(now), anchor.NowNS(now))
		now = now.Add(time.Millisecond)
	}
	close(s.clockwork.ready)
	if err := s.microphone.open(ring.New(4096, 2)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.microphone.run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		s.microphone.close()
		<-ended
	})
	s.published(t, 1)
	return s
}

// published waits for so many publications since the start.
func (s *Session) published(t *testing.T, want int) {
	t.Helper()
	until(t, "publication", func() bool {
		m := s.microphone
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.published == want && m.mic != nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := int(s.publication.Generation); got != want-1 {
		t.Errorf("generation %d is announced, want %d", got, want-1)
	}
}

func TestWhatStartsANewPublication(t *testing.T) {
	s := publishing(t, Processing{})
	s.microphone.session.setMicrophoneProblem("")
	s.SetMode(ModeStudio)
	s.published(t, 2)
	s.SetMode(ModeStudio)
	s.SetMuted(true)
	s.SetProcessing(Processing{AutoGainControl: true})
	s.microphone.setFarEnd(ring.New(4096, 2)) // nobody cancels it
	s.published(t, 2)
	s.SetProcessing(Processing{Music: true})
	s.published(t, 3)
	if !s.publication.Music {
		t.Error("music is not announced")
	}
	if err := s.SetInput("tone:440"); err != nil {
		t.Fatal(err)
	}
	s.published(t, 4)
	if s.SetInput("file:/nowhere.wav") == nil {
		t.Error("an input that is not there is accepted")
	}
	s.published(t, 4)
	if got := s.Snapshot().Self; got.InputName != "tone:440" || got.Mode != ModeStudio || !got.Muted || got.CaptureLatency <= 0 {
		t.Errorf("the microphone is %+v", got)
	}
}

func TestEchoOfAnotherLoudspeakerStartsANewPublication(t *testing.T) {
	s := publishing(t, Processing{EchoCancellation: true})
	s.microphone.setFarEnd(ring.New(4096, 2))
	s.published(t, 2)
	s.SetProcessing(Processing{})
	s.microphone.setFarEnd(ring.New(4096, 2))
	s.published(t, 2)
	s.SetProcessing(Processing{EchoCancellation: true})
	s.published(t, 3)
}

func TestPublishingTakesTheProblemBack(t *testing.T) {
	s := publishing(t, Processing{})
	s.setMicrophoneProblem(microphoneStopped)
	s.SetMode(ModeSafe)
	s.published(t, 2)
	if got := s.Snapshot().Problem; got != "" {
		t.Errorf("problem is still %q", got)
	}
}
