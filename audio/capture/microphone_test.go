package capture

import (
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"gasso/assets/wasm"
	"gasso/audio/audiotest"
	"gasso/audio/opus"
)

// simulated is a microphone whose source delivers exactly when it is waited for.
type simulated struct {
	t       testing.TB
	source  *fakeSource
	mic     *Microphone
	decoder *opus.Decoder
	pcm     []float32
	before  func() // before each callback
}

func simulate(t testing.TB, m *fakeSource, cfg Config) *simulated {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d, err := opus.NewDecoder(cfg.Encoder.Channels)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		d.Close()
		cfg.Engines.Close()
	})
	return &simulated{t: t, source: m, mic: s, decoder: d, pcm: make([]float32, opus.MaxPacketSamples*cfg.Encoder.Channels)}
}

// run returns what a listener hears of some seconds, and the first packet's room time.
func (s *simulated) run(seconds float64) (heard []float32, first int64) {
	s.t.Helper()
	next := int64(0)
	for fed := 0; fed < int(seconds*200); fed++ {
		if s.before != nil {
			s.before()
		}
		s.source.callback(240)
		for s.mic.capture.ready() {
			packet, err := s.mic.Read()
			if err != nil {
				s.t.Fatal(err)
			}
			if first == 0 {
				first, next = packet.FirstSample, packet.FirstSample
			}
			if packet.FirstSample != next {
				s.t.Fatalf("packet at %d, want %d", packet.FirstSample, next)
			}
			next += int64(packet.Samples)
			n, err := s.decoder.Decode(s.pcm, packet.Payload)
			if err != nil {
				s.t.Fatal(err)
			}
			heard = append(heard, s.pcm[:n*s.mic.cfg.Encoder.Channels]...)
		}
	}
	return heard, first
}

// changed is a microphone that goes on after s with another encoder.
func (s *simulated) changed(cfg Config, frame, channels int, music bool) *simulated {
	s.t.Helper()
	cfg.Before = s.mic
	cfg.Encoder.FrameSamples, cfg.Encoder.Channels, cfg.Processing.Music = frame, channels, music
	next := simulate(s.t, s.source, cfg)
	next.before = s.before
	return next
}

// ready tells that a Read would not wait.
func (c *capturer) ready() bool {
	for len(c.chain.ready) < c.frame*c.channels {
		if !c.pull() {
			return false
		}
	}
	return true
}

func play(pcm []float32) func(int64) float32 {
	return func(frame int64) float32 { return pcm[int(frame)%len(pcm)] }
}

func TestToneArrivesAtItsLevelAndRoomTime(t *testing.T) {
	for _, channels := range []int{1, 2} {
		for _, frame := range []int{120, 240, 480} {
			m := newFakeSource(nil)
			tone := audiotest.Tone(1030, -12, 48000, 1) // not the same in each packet
			m.signal = func(f int64) float32 {          // a burst from 2 s to 3 s
				if f < 96000 || f >= 144000 {
					return 0
				}
				return tone[f-96000]
			}
			cfg := testConfig(m, channels, frame)
			cfg.Encoder.BitrateBPS = 256000 // with less, the shortest packets are up to 0.9 dB off
			heard, first := simulate(t, m, cfg).run(4)
			mono := audiotest.Channel(heard, channels-1, channels)
			begin := int(roomSample(m.start) + 96000 - first)
			level := audiotest.ToneLevelDB(mono[begin+4800:begin+43200], 0, 1, 1030)
			if math.Abs(level+12) > 0.6 {
				t.Errorf("%d channels, %d samples: tone is at %.2f dBFS, want -12", channels, frame, level)
			}
			at := 0
			for at < len(mono) && math.Abs(float64(mono[at])) < 0.1 {
				at++
			}
			if off := at - begin; off < -24 || off > 24 {
				t.Errorf("%d channels, %d samples: tone begins %d samples off its room time", channels, frame, off)
			}
		}
	}
}

func model(t testing.TB) []byte {
	t.Helper()
	m, err := wasm.RNNoise()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSwitchesKeepRoomTimeWhileRunning(t *testing.T) {
	speech := audiotest.Speech(1, -24, 20*48000)
	m := newFakeSource(play(speech))
	cfg := testConfig(m, 2, 240)
	cfg.Engines = NewEngines(model(t))
	s := simulate(t, m, cfg)
	switches := []Processing{{}, {NoiseSuppression: true}, {NoiseSuppression: true, AutoGainControl: true}, {Music: true, NoiseSuppression: true}, {AutoGainControl: true}, {NoiseSuppression: true}}
	var heard []float32
	var first int64
	for i, p := range switches { // run fails when a packet does not continue the one before
		if err := s.mic.SetProcessing(p); err != nil {
			t.Fatal(err)
		}
		part, begin := s.run(3)
		if i == 0 {
			first = begin
		}
		heard = append(heard, part...)
		mono := audiotest.Channel(heard, 0, 2)
		from := len(mono) - 2*48000
		offset := int(first - roomSample(m.start))
		want := speech[offset+from+240 : offset+from+240+72000] // a lag of 240 is none
		lag, correlation := audiotest.Delay(want, mono[from:from+72000], 480)
		delay := s.mic.Stats().ProcessingSamples
		t.Logf("%+v: off by %d samples, correlation %.2f, processing delays by %d", p, lag-240, correlation, delay)
		if lag < 240-30 || lag > 240+30 || correlation < 0.8 {
			t.Errorf("%+v: off by %d samples, correlation %.2f", p, lag-240, correlation)
		}
		if got := s.mic.Stats().Processing; p.Music && got != (Processing{Music: true}) || !p.Music && got != p {
			t.Errorf("%+v is in effect as %+v", p, got)
		}
	}
}

func TestNoiseSuppressionAndGainControlWork(t *testing.T) {
	pcm := audiotest.Noise(1, -52, 30*48000, 1)
	for i, x := range audiotest.Speech(1, -36, 24*48000) {
		pcm[i] += x
	}
	m := newFakeSource(play(pcm))
	cfg := testConfig(m, 2, 240)
	cfg.Engines = NewEngines(model(t))
	cfg.Processing = Processing{NoiseSuppression: true, AutoGainControl: true}
	s := simulate(t, m, cfg)
	s.run(23)
	gain := s.mic.Stats().GainDB
	s.run(2)
	gap, _ := s.run(4)
	level := audiotest.RMSDB(gap)
	t.Logf("gain %.1f dB, gap at %.1f dBFS", gain, level)
	if gain < 10 || gain > 20 {
		t.Errorf("gain for speech at -36 dBFS is %.1f dB", gain)
	}
	if level > -52+gain-20 {
		t.Errorf("noise in the gap is at %.1f dBFS, want 20 dB less than without suppression", level)
	}
}

func TestMuteIsSilenceAndLevelGoesOn(t *testing.T) {
	m := newFakeSource(play(audiotest.Tone(500, -12, 48000, 1)))
	s := simulate(t, m, testConfig(m, 2, 240))
	s.run(1)
	s.mic.SetMuted(true)
	s.run(0.2) // the codec fades, too
	heard, _ := s.run(0.5)
	if level := audiotest.PeakDB(heard); level > -90 {
		t.Errorf("muted, the peak is at %.1f dBFS", level)
	}
	if level := s.mic.Level(); level.PeakDB < -13 {
		t.Errorf("muted, the meter shows %.1f dBFS, want -12", level.PeakDB)
	}
	s.mic.SetMuted(false)
	s.run(0.1)
	heard, _ = s.run(0.5)
	if level := audiotest.ToneLevelDB(heard, 0, 2, 500); math.Abs(level+12) > 0.6 {
		t.Errorf("not muted any more, the tone is at %.1f dBFS", level)
	}
}

func TestAMutedMicrophoneIsSilentFromItsFirstPacketOn(t *testing.T) {
	m := newFakeSource(play(audiotest.Tone(500, -12, 48000, 1)))
	cfg := testConfig(m, 1, 240)
	cfg.Muted = true
	s := simulate(t, m, cfg)
	heard, _ := s.run(0.2)
	if level := audiotest.PeakDB(heard); len(heard) == 0 || level > -90 {
		t.Errorf("%d samples of a muted microphone begin with %.1f dBFS", len(heard), level)
	}
	heard, _ = s.changed(cfg, 120, 1, false).run(0.2)
	if level := audiotest.PeakDB(heard); len(heard) == 0 || level > -90 {
		t.Errorf("%d samples after a change begin with %.1f dBFS", len(heard), level)
	}
}

func TestEncoderSettingsTakeEffectWhileRunning(t *testing.T) {
	m := newFakeSource(play(audiotest.Noise(1, -20, 48000, 1)))
	s := simulate(t, m, testConfig(m, 2, 240))
	size := func() (bytes int) {
		for range 200 {
			m.callback(240)
			for s.mic.capture.ready() {
				packet, err := s.mic.Read()
				if err != nil {
					t.Fatal(err)
				}
				bytes += len(packet.Payload)
			}
		}
		return bytes
	}
	size()
	before := size()
	if err := errors.Join(s.mic.SetBitrate(64000), s.mic.SetComplexity(0)); err != nil {
		t.Fatal(err)
	}
	if after := size(); after > before*6/10 {
		t.Errorf("half the bitrate gives %d bytes a second after %d", after, before)
	}
	if s.mic.SetBitrate(1) == nil || s.mic.SetComplexity(11) == nil {
		t.Error("an impossible setting is accepted")
	}
}

func TestDTXLeavesHolesInSamples(t *testing.T) {
	m := newFakeSource(func(f int64) float32 {
		if f/48000%2 == 1 {
			return 0
		}
		return float32(0.2 * math.Sin(float64(f)*0.05))
	})
	cfg := testConfig(m, 1, 480)
	cfg.Encoder = opus.EncoderConfig{Channels: 1, BitrateBPS: 32000, FrameSamples: 480, Complexity: 5, Application: opus.VoIP}
	s := simulate(t, m, cfg)
	if err := s.mic.SetDTX(true); err != nil {
		t.Fatal(err)
	}
	next, holes := int64(0), 0
	go func() {
		for range 10 * 200 {
			for m.ring.Len() > 2400 {
				time.Sleep(time.Millisecond)
			}
			m.callback(240)
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
		_ = s.mic.Close()
	}()
	for {
		packet, err := s.mic.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case next != 0 && !packet.Gap && packet.FirstSample != next:
			t.Fatalf("packet at %d, want %d, without a gap", packet.FirstSample, next)
		case next != 0 && packet.Gap:
			if packet.FirstSample <= next {
				t.Fatalf("packet at %d after a gap from %d", packet.FirstSample, next)
			}
			holes++
		}
		next = packet.FirstSample + int64(packet.Samples)
	}
	if silent := s.mic.Stats().SilentPackets; holes < 3 || silent < 100 {
		t.Errorf("%d holes and %d packets left out, want 3 and 100 at least", holes, silent)
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	m := newFakeSource(play(audiotest.Speech(1, -24, 48000)))
	cfg := testConfig(m, 2, 240)
	cfg.Engines = NewEngines(model(t))
	cfg.Processing = Processing{NoiseSuppression: true, AutoGainControl: true}
	s := simulate(t, m, cfg)
	s.run(1)
	pcm := make([]float32, 2*240)
	m.buffer = make([]float32, 0, 4800)
	audiotest.CheckNoAllocs(t, func() {
		m.callback(240)
		for s.mic.capture.captureFrame(pcm) {
		}
	})
}

// BenchmarkFrame is 5 ms of stereo: unprocessed, and all that this build can do.
func BenchmarkFrame(b *testing.B) {
	for name, on := range map[string]Processing{"off": {}, "voice": {EchoCancellation: true, NoiseSuppression: true, AutoGainControl: true}} {
		b.Run(name, func(b *testing.B) {
			m := newFakeSource(play(audiotest.Speech(1, -24, 48000)))
			cfg := testConfig(m, 2, 240)
			cfg.Engines = NewEngines(model(b))
			cfg.Processing = on
			s := simulate(b, m, cfg)
			s.run(1)
			pcm := make([]float32, 2*240)
			for b.Loop() {
				m.callback(240)
				for s.mic.capture.captureFrame(pcm) {
				}
			}
		})
	}
}
