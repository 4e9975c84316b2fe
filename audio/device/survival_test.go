package device

import (
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/internal/soundrig"
)

// What a performer may have to wait for another device.
const (
	fallbackWithin = 2 * time.Second
	backWithin     = 3 * time.Second
)

// keepPlaying feeds a loudspeaker with a tone until the test ends.
func keepPlaying(t *testing.T, r Render, freq float64) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	tone := audiotest.Tone(freq, -12, Rate, Channels) // whole periods
	go func() {
		defer close(done)
		for at := 0; ; {
			select {
			case <-stop:
				return
			case <-r.Wake():
			case <-time.After(10 * time.Millisecond): // no device, no wake-up
			}
			for r.Ring().Len() < 1920 {
				at += r.Ring().Write(tone[at*Channels : min(len(tone), (at+480)*Channels)])
				at %= Rate
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
}

func render(t *testing.T, id string) Render {
	t.Helper()
	r, err := OpenRender(Config{Spec: Spec{Kind: Hardware, ID: id}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// plays waits until a recording's newest half second holds a tone.
func plays(t *testing.T, recording *soundrig.Recording, freq float64) {
	t.Helper()
	until(t, "the tone at the monitor", func() bool {
		pcm := recording.PCM()
		return len(pcm) >= Rate*Channels && level(0, freq, -12)(pcm[len(pcm)-heardSamples*Channels:])
	})
}

func TestUnpluggedMicrophoneFallsBackAndComesBack(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a, b := rig.Cable("a"), rig.Cable("b")
	rig.SetDefault(b)
	rig.PlayPCM(audiotest.Tone(660, -12, 60*Rate, 1), 1, b.MicSink)
	c := capture(t, a.Mic)
	hear(t, c, func([]float32) bool { return true })
	rig.UnplugMic(a)
	took := until(t, "the default microphone stands in", func() bool { return c.Stats().Fallback && !c.Stats().Dead })
	hear(t, c, level(0, 660, -12))
	if took > fallbackWithin || c.Info().Name != "b-microphone" || c.Stats().Reopens != 1 {
		t.Errorf("after %v: %s, %+v", took, c.Info().Name, c.Stats())
	}
	again := rig.Cable("a")
	rig.PlayPCM(audiotest.Tone(880, -12, 60*Rate, 1), 1, again.MicSink)
	back := until(t, "the microphone is back", func() bool { return !c.Stats().Fallback })
	hear(t, c, level(0, 880, -12))
	if back > backWithin || c.Info().Name != "a-microphone" {
		t.Errorf("back after %v: %s", back, c.Info().Name)
	}
	t.Logf("the default microphone stood in after %v, the other was back after %v", took, back)
	closeSoon(t, c)
}

func TestUnpluggedLoudspeakerFallsBackAndComesBack(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a, b := rig.Cable("a"), rig.Cable("b")
	rig.SetDefault(b)
	r := render(t, a.Speaker)
	keepPlaying(t, r, 440)
	plays(t, rig.Record(a.Monitor), 440)
	rig.UnplugSpeaker(a)
	took := until(t, "the default loudspeaker stands in", func() bool { return r.Stats().Fallback && !r.Stats().Dead })
	plays(t, rig.Record(b.Monitor), 440)
	if took > fallbackWithin || r.Info().Name != "b-speaker" || r.Stats().Reopens != 1 {
		t.Errorf("after %v: %s, %+v", took, r.Info().Name, r.Stats())
	}
	again := rig.Cable("a")
	back := until(t, "the loudspeaker is back", func() bool { return !r.Stats().Fallback })
	plays(t, rig.Record(again.Monitor), 440)
	if back > backWithin || r.Info().Name != "a-speaker" {
		t.Errorf("back after %v: %s", back, r.Info().Name)
	}
	t.Logf("the default loudspeaker stood in after %v, the other was back after %v", took, back)
	closeSoon(t, r)
}

func TestDefaultMicrophoneGoes(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a, b := rig.Cable("a"), rig.Cable("b")
	rig.SetDefault(b)
	rig.PlayPCM(audiotest.Tone(550, -12, 60*Rate, 1), 1, a.MicSink)
	rig.PlayPCM(audiotest.Tone(660, -12, 60*Rate, 1), 1, b.MicSink)
	c := capture(t, "")
	hear(t, c, level(0, 660, -12))
	rig.UnplugMic(b)
	rig.SetDefault(soundrig.Cable{Mic: a.Mic, Speaker: a.Speaker})
	hear(t, c, level(0, 550, -12))
	until(t, "the new name", func() bool { return c.Info().Name == "a-microphone" })
	closeSoon(t, c)
}

func TestMissingDeviceAtTheStart(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	b := rig.Cable("b") // the default microphone is a monitor, which is none
	rig.PlayPCM(audiotest.Tone(660, -12, 60*Rate, 1), 1, b.MicSink)
	config := Config{Spec: Spec{Kind: Hardware, ID: "a_mic", Channels: []int{2}}}
	if _, err := OpenCapture(config); !errors.Is(err, ErrNoDevice) {
		t.Errorf("error %v", err)
	}
	config.FallBack = true
	c, err := OpenCapture(config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hear(t, c, level(0, 660, -12))
	if s := c.Stats(); !s.Fallback || s.Reopens != 0 || c.Info().Name != "b-microphone" {
		t.Errorf("%s: %+v", c.Info().Name, s)
	}
	a := rig.Cable("a")
	rig.PlayPCM(toneAt(880, Rate, 60*Rate, 2, 1), 2, a.MicSink)
	hear(t, c, level(0, 880, -12))
	if c.Stats().Fallback {
		t.Error("still on the fallback")
	}
	closeSoon(t, c)
}

func TestDevicesAt44100Hz(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	const rate = 44100
	a := rig.CableAt("a", rate)
	rig.PlayPCMAt(toneAt(1000, rate, 30*rate, 1, 0), 1, rate, a.MicSink)
	c := capture(t, a.Mic)
	heard := hear(t, c, level(0, 1000, -12))
	if sinad := audiotest.SINADDB(audiotest.Channel(heard, 0, Channels), 1000); sinad < 80 || c.Stats().Rate != rate {
		t.Errorf("%.1f dB over all the rest at %d Hz", sinad, c.Stats().Rate)
	}
	r := render(t, a.Speaker)
	keepPlaying(t, r, 440)
	plays(t, rig.Record(a.Monitor), 440)
	if r.Stats().Rate != rate {
		t.Errorf("the loudspeaker runs at %d Hz", r.Stats().Rate)
	}
	closeSoon(t, c)
	closeSoon(t, r)
}

func TestChannelsOfAMicrophone(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	quad := rig.CableOf("quad", 4)
	pcm := make([]float32, 0, 60*Rate*4)
	for i := range 60 * Rate {
		at := 2 * math.Pi * float64(i) / Rate
		pcm = append(pcm, float32(0.25*math.Sin(300*at)), float32(0.25*math.Sin(500*at)), float32(0.25*math.Sin(700*at)), float32(0.25*math.Sin(900*at)))
	}
	rig.PlayPCM(pcm, 4, quad.MicSink)
	for _, test := range []struct {
		channels    []int
		left, right float64 // Hz
	}{{[]int{2}, 500, 500}, {[]int{3, 4}, 700, 900}, {[]int{4, 1}, 900, 300}} {
		c, err := OpenCapture(Config{Spec: Spec{Kind: Hardware, ID: quad.Mic, Channels: test.channels}})
		if err != nil {
			t.Fatal(err)
		}
		full := 20 * math.Log10(0.25)
		heard := hear(t, c, level(0, test.left, full))
		if !level(1, test.right, full)(heard) {
			t.Errorf("%v: %.1f dB on the right", test.channels, audiotest.ToneLevelDB(heard, 1, Channels, test.right))
		}
		closeSoon(t, c)
	}
	_, err := OpenCapture(Config{Spec: Spec{Kind: Hardware, ID: quad.Mic, Channels: []int{5}}})
	if !errors.Is(err, errNoChannel) {
		t.Errorf("channel 5 of 4: %v", err)
	}
}

func TestMicrophoneThatGivesNothing(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a := rig.Cable("a")
	c := capture(t, a.Mic)
	until(t, "the first callback", func() bool { return c.Stats().Callbacks > 0 })
	took := until(t, "the silence is recognised", func() bool { return c.Stats().Silent })
	if took > 3*time.Second {
		t.Errorf("after %v", took)
	}
	rig.PlayPCM(audiotest.Tone(880, -12, 60*Rate, 1), 1, a.MicSink)
	until(t, "the tone is recognised", func() bool { return !c.Stats().Silent })
	closeSoon(t, c)
}

func TestDevicesSurviveTheSoundServer(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a := rig.Cable("a")
	c := capture(t, a.Mic)
	r, err := OpenRender(Config{Spec: Spec{Kind: Hardware}})
	if err != nil {
		t.Fatal(err)
	}
	hear(t, c, func([]float32) bool { return true })
	rig.Kill()
	until(t, "both are dead", func() bool { return c.Stats().Dead && r.Stats().Dead })
	rig.Restart()
	rig.PlayPCM(audiotest.Tone(660, -12, 60*Rate, 1), 1, rig.Cable("a").MicSink)
	hear(t, c, level(0, 660, -12))
	callbacks := r.Stats().Callbacks
	until(t, "the loudspeaker works again", func() bool { return r.Stats().Callbacks > callbacks+100 })
	closeSoon(t, c)
	closeSoon(t, r)
}

func TestDevicesSurviveASoundServerThatHangs(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a := rig.Cable("a")
	rig.PlayPCM(audiotest.Tone(660, -12, 60*Rate, 1), 1, a.MicSink)
	c, closed := capture(t, a.Mic), capture(t, a.Mic)
	hear(t, c, level(0, 660, -12))
	rig.Freeze()
	until(t, "it is dead", func() bool { return c.Stats().Dead && closed.Stats().Dead })
	closeSoon(t, closed)
	rig.Thaw()
	hear(t, c, level(0, 660, -12))
	closeSoon(t, c)
}

func TestDefaultMicrophoneWithoutTheChannel(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	quad := rig.CableOf("quad", 4)
	rig.SetDefault(quad)
	c, err := OpenCapture(Config{Spec: Spec{Kind: Hardware, Channels: []int{3}}})
	if err != nil {
		t.Fatal(err)
	}
	hear(t, c, func([]float32) bool { return true })
	rig.Kill()
	rig.Restart()
	stereo := rig.Cable("stereo")
	rig.SetDefault(stereo)
	rig.PlayPCM(audiotest.Tone(660, -12, 60*Rate, 1), 1, stereo.MicSink)
	hear(t, c, level(0, 660, -12))
	if s := c.Stats(); !s.Fallback {
		t.Errorf("nothing stands in: %+v", s)
	}
	quad = rig.CableOf("quad", 4)
	rig.PlayPCM(toneAt(880, Rate, 60*Rate, 4, 2), 4, quad.MicSink)
	rig.SetDefault(quad)
	back := until(t, "the channel is back", func() bool { return !c.Stats().Fallback })
	hear(t, c, level(0, 880, -12))
	if back > backWithin || c.Info().Name != "quad-microphone" {
		t.Errorf("back after %v: %s", back, c.Info().Name)
	}
	closeSoon(t, c)
}
