package opus

import (
	"errors"
	"math"
	"strings"
	"testing"

	"gasso/audio/audiotest"
)

func newPair(t testing.TB, cfg EncoderConfig) (*Encoder, *Decoder) {
	t.Helper()
	e, err := NewEncoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	d, err := NewDecoder(cfg.Channels)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return e, d
}

func music(channels, frame int) EncoderConfig {
	return EncoderConfig{Channels: channels, BitrateBPS: 128000, FrameSamples: frame, Complexity: 9}
}

// encodeAll returns the packets of pcm.
func encodeAll(t testing.TB, e *Encoder, pcm []float32) (packets [][]byte) {
	t.Helper()
	size := e.cfg.FrameSamples * e.cfg.Channels
	for ; len(pcm) >= size; pcm = pcm[size:] {
		buffer := make([]byte, 1500)
		n, err := e.Encode(pcm[:size], buffer)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, buffer[:n])
	}
	return packets
}

func TestVersionNamesTheLibrary(t *testing.T) {
	if v := Version(); !strings.HasPrefix(v, "libopus ") {
		t.Errorf("version is %q", v)
	}
}

func TestToneSurvivesAtEveryFrameLength(t *testing.T) {
	for _, frame := range []int{120, 240, 480, 960, 1920, 2880} {
		for _, channels := range []int{1, 2} {
			e, d := newPair(t, music(channels, frame))
			in := audiotest.Tone(1000, -12, 2*SampleRate, channels)
			var out []float32
			pcm := make([]float32, MaxPacketSamples*channels)
			for _, packet := range encodeAll(t, e, in) {
				n, err := d.Decode(pcm, packet)
				if err != nil || n != frame {
					t.Fatalf("decoded %d samples (%v), want %d", n, err, frame)
				}
				out = append(out, pcm[:n*channels]...)
			}
			mono := audiotest.Channel(out, channels-1, channels)[SampleRate/2 : SampleRate*3/2]
			if level := audiotest.ToneLevelDB(mono, 0, 1, 1000); math.Abs(level+12) > 0.6 {
				t.Errorf("%d samples, %d channels: tone comes out at %.1f dBFS, want -12", frame, channels, level)
			}
			if sinad := audiotest.SINADDB(mono, 1000); sinad < 25 {
				t.Errorf("%d samples, %d channels: tone is %.1f dB over the rest, want 25", frame, channels, sinad)
			}
		}
	}
}

func TestLookAheadIsTheDelay(t *testing.T) {
	for _, application := range []Application{LowDelay, Audio} {
		cfg := music(1, 480)
		cfg.Application = application
		e, d := newPair(t, cfg)
		in := audiotest.Speech(1, -20, 2*SampleRate)
		var out []float32
		pcm := make([]float32, MaxPacketSamples)
		for _, packet := range encodeAll(t, e, in) {
			n, err := d.Decode(pcm, packet)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pcm[:n]...)
		}
		lag, _ := audiotest.Delay(in[SampleRate/2:SampleRate], out[SampleRate/2:SampleRate], 1000)
		if want := e.LookAheadSamples(); lag != want {
			t.Errorf("application %d: delay is %d samples, LookAheadSamples says %d", application, lag, want)
		}
	}
}

func TestConcealmentIsNearTheSignal(t *testing.T) {
	e, d := newPair(t, music(2, 240))
	in := audiotest.Tone(440, -12, SampleRate, 2)
	var out []float32
	pcm := make([]float32, 2*240)
	for i, packet := range encodeAll(t, e, in) {
		if i%20 == 19 {
			if err := d.Conceal(pcm); err != nil {
				t.Fatal(err)
			}
		} else if _, err := d.Decode(pcm, packet); err != nil {
			t.Fatal(err)
		}
		out = append(out, pcm...)
	}
	mono := audiotest.Channel(out, 0, 2)
	if level := audiotest.ToneLevelDB(mono[SampleRate/4:], 0, 1, 440); math.Abs(level+12) > 0.5 {
		t.Errorf("tone with 5 %% loss is at %.1f dBFS, want -12", level)
	}
	if sinad := audiotest.SINADDB(mono[SampleRate/4:], 440); sinad < 15 {
		t.Errorf("tone with 5 %% loss is %.1f dB over the rest, want 15", sinad)
	}
}

func TestConcealTakesAnyLength(t *testing.T) {
	_, d := newPair(t, music(2, 240))
	for _, samples := range []int{1, 50, 120, 133, 240, 1000, 5760, 10000} {
		pcm := audiotest.Noise(1, -10, samples, 2)
		if err := d.Conceal(pcm); err != nil {
			t.Errorf("%d samples: %v", samples, err)
		}
		if level := audiotest.RMSDB(pcm); level > -60 {
			t.Errorf("%d samples: %.1f dBFS where nothing was ever decoded", samples, level)
		}
	}
}

func TestDTXLeavesSilenceOut(t *testing.T) {
	e, _ := newPair(t, EncoderConfig{Channels: 1, BitrateBPS: 32000, FrameSamples: 480, Complexity: 5, Application: VoIP, DTX: true})
	small := 0
	packets := encodeAll(t, e, make([]float32, 5*SampleRate))
	for _, packet := range packets {
		if len(packet) <= 2 {
			small++
		}
	}
	if small < len(packets)/2 {
		t.Errorf("%d of %d packets of silence need not be sent, want more than half", small, len(packets))
	}
}

func TestSettingsTakeEffectWhileRunning(t *testing.T) {
	e, _ := newPair(t, music(2, 240))
	size := func() (bytes int) {
		for _, p := range encodeAll(t, e, audiotest.Noise(1, -20, SampleRate, 2)) {
			bytes += len(p)
		}
		return bytes
	}
	before := size()
	if err := errors.Join(e.SetBitrate(64000), e.SetComplexity(0), e.SetDTX(true)); err != nil {
		t.Fatal(err)
	}
	if after := size(); after > before*6/10 {
		t.Errorf("half the bitrate gives %d bytes a second after %d", after, before)
	}
	if e.SetBitrate(100) == nil || e.SetComplexity(11) == nil {
		t.Error("an impossible setting is accepted")
	}
}

func TestMistakesAreErrors(t *testing.T) {
	for _, cfg := range []EncoderConfig{{}, {Channels: 3, FrameSamples: 240, BitrateBPS: 64000}, {Channels: 2, FrameSamples: 241, BitrateBPS: 64000}, music(2, 0),
		{Channels: 2, FrameSamples: 240, BitrateBPS: 64000, LossPercent: 101}} {
		if e, err := NewEncoder(cfg); err == nil {
			e.Close()
			t.Errorf("%+v is accepted", cfg)
		}
	}
	e, d := newPair(t, music(2, 240))
	if _, err := e.Encode(make([]float32, 479), make([]byte, 100)); err == nil {
		t.Error("half a sample is accepted")
	}
	if _, err := d.Decode(make([]float32, 20), encodeAll(t, e, make([]float32, 480))[0]); err == nil {
		t.Error("a packet is decoded into too few samples")
	}
	e.Close()
	d.Close()
	_, err := e.Encode(make([]float32, 480), make([]byte, 100))
	_, err2 := d.Decode(make([]float32, 480), []byte{0})
	if !errors.Is(err, ErrClosed) || !errors.Is(err2, ErrClosed) || !errors.Is(d.Conceal(make([]float32, 480)), ErrClosed) {
		t.Errorf("after Close: %v, %v", err, err2)
	}
}

func TestCallsAllocateNothing(t *testing.T) {
	e, d := newPair(t, music(2, 240))
	in, out, packet := audiotest.Tone(440, -12, 240, 2), make([]float32, 480), make([]byte, 1500)
	audiotest.CheckNoAllocs(t, func() {
		n, err := e.Encode(in, packet)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.Decode(out, packet[:n]); err != nil {
			t.Fatal(err)
		}
		if err = d.Conceal(out); err != nil {
			t.Fatal(err)
		}
		_ = d.Recover(out, packet[:n])
		_, _ = d.Decode(out, packet[:0])
	})
}

func FuzzDecode(f *testing.F) {
	e, _ := newPair(f, music(2, 240))
	for _, packet := range encodeAll(f, e, audiotest.Speech(1, -20, 4800)) {
		f.Add(packet)
	}
	speech, _ := newPair(f, safeSpeech(32000, 20, true))
	for _, packet := range encodeAll(f, speech, audiotest.Speech(2, -20, 4800)) {
		f.Add(packet)
		f.Add(packet[:len(packet)/2])
	}
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff})
	good := encodeAll(f, e, audiotest.Tone(440, -12, 240, 2))[0]
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := NewDecoder(2)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		pcm := make([]float32, 2*MaxPacketSamples+1)
		pcm[len(pcm)-1] = 42
		if samples, err := d.Decode(pcm[:2*MaxPacketSamples], payload); err == nil && (samples < 1 || samples > MaxPacketSamples) {
			t.Errorf("decoded %d samples", samples)
		}
		if err := d.Conceal(pcm[:2*240]); err != nil {
			t.Errorf("conceal after it: %v", err)
		}
		_ = d.Recover(pcm[:2*480], payload) // whatever it says, the decoder goes on
		for i, v := range pcm[:2*MaxPacketSamples] {
			if v-v != 0 { // what is corrupt may be loud, but is a number
				t.Fatalf("sample %d is %v", i, v)
			}
		}
		if n, err := d.Decode(pcm, good); err != nil || n != 240 {
			t.Errorf("decode after it: %d samples, %v", n, err)
		}
		if pcm[len(pcm)-1] != 42 {
			t.Error("written behind the end")
		}
	})
}

func BenchmarkEncode10ms(b *testing.B) { benchmark(b, true) }
func BenchmarkDecode10ms(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, encode bool) {
	cfg := music(2, 480)
	cfg.BitrateBPS = 256000
	e, d := newPair(b, cfg)
	packets := encodeAll(b, e, audiotest.Interleave(audiotest.Speech(1, -20, SampleRate), 2))
	in, out, buffer := audiotest.Noise(1, -20, 480, 2), make([]float32, 960), make([]byte, 1500)
	for i := 0; b.Loop(); i++ {
		if encode {
			_, _ = e.Encode(in, buffer)
		} else {
			_, _ = d.Decode(out, packets[i%len(packets)])
		}
	}
}
