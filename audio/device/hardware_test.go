package device

import (
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/audio/audiotest"
	"gasso/internal/soundrig"
)

// TestMain allows only what is meant to stay: closing a dead device may block for ever, which is why
// each is closed in a goroutine of its own.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gasso/audio/device.(*hardware).abandon.func1"))
}

const (
	patience     = 20 * time.Second
	heardSamples = Rate / 2
)

// hear reads from a capture until want says yes to the newest half second, or patience ends.
func hear(t *testing.T, c Capture, want func(pcm []float32) bool) []float32 {
	t.Helper()
	pcm := make([]float32, 0, 2*Rate*Channels)
	block := make([]float32, 1024*Channels)
	deadline := time.After(patience)
	for {
		select {
		case <-c.Wake():
		case <-deadline:
			t.Fatalf("not heard within %v; stats %+v", patience, c.Stats())
		}
		for n := c.Ring().Read(block); n > 0; n = c.Ring().Read(block) {
			pcm = append(pcm, block[:n*Channels]...)
			if len(pcm) >= heardSamples*Channels {
				if newest := pcm[len(pcm)-heardSamples*Channels:]; want(newest) {
					return newest
				}
				pcm = pcm[:copy(pcm, pcm[len(pcm)-heardSamples*Channels*4/5:])]
			}
		}
	}
}

// until polls until ok, or patience ends.
func until(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if ok() {
			return time.Since(start)
		}
		if time.Since(start) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// closeSoon fails when Close takes longer than a few seconds.
func closeSoon(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	start := time.Now()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("close took %v", took)
	}
}

func level(channel int, freq, wantDB float64) func([]float32) bool {
	return func(pcm []float32) bool {
		return math.Abs(audiotest.ToneLevelDB(pcm, channel, Channels, freq)-wantDB) < 0.5
	}
}

func capture(t *testing.T, id string) Capture {
	t.Helper()
	c, err := OpenCapture(Config{Spec: Spec{Kind: Hardware, ID: id}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestMicrophonesOfAnyNumberOfChannels(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	tests := []struct {
		channels, on      int // the tone is on this channel only
		leftDB, rightDB   float64
		name, description string
	}{
		{1, 0, -12, -12, "mono", "mono-microphone"},
		{2, 1, -120, -12, "stereo", "stereo-microphone"},
		{4, 1, -18, -18, "quad", "quad-microphone"},
	}
	for _, test := range tests {
		cable := rig.CableOf(test.name, test.channels)
		pcm := make([]float32, 30*Rate*test.channels)
		for i, v := range audiotest.Tone(1000, -12, 30*Rate, 1) {
			pcm[i*test.channels+test.on] = v
		}
		playing := rig.PlayPCM(pcm, test.channels, cable.MicSink)
		c := capture(t, cable.Mic)
		heard := hear(t, c, level(1, 1000, test.rightDB))
		if got := audiotest.ToneLevelDB(heard, 0, Channels, 1000); math.Abs(got-test.leftDB) > 0.5 {
			t.Errorf("%s: %.1f dB on the left, want %g", test.name, got, test.leftDB)
		}
		if got := c.Info(); got != (Format{Rate, Channels, defaultPeriodSamples, test.description}) {
			t.Errorf("%s: format %+v", test.name, got)
		}
		stamp, stats := c.Stamp(), c.Stats()
		if stamp.Frames < heardSamples || time.Since(stamp.At) > time.Second || stats.Callbacks < 100 || stats.Reopens != 0 {
			t.Errorf("%s: stamp %+v, stats %+v", test.name, stamp, stats)
		}
		closeSoon(t, c)
		playing.Stop()
	}
}

func TestLoudspeakerPlaysAndTellsWhatItTook(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	cable := rig.Cable("a")
	recording := rig.Record(cable.Monitor)
	r, err := OpenRender(Config{Spec: Spec{Kind: Hardware, ID: cable.Speaker}, PeriodSamples: 480})
	if err != nil {
		t.Fatal(err)
	}
	tone := audiotest.Tone(440, -12, 10*Rate, Channels)
	var far []float32
	block := make([]float32, 2048*Channels)
	until(t, "the tone at the monitor", func() bool {
		for r.Ring().Len() < 1920 && len(tone) > 0 {
			r.Ring().Write(tone[:480*Channels])
			tone = tone[480*Channels:]
		}
		far = append(far, block[:r.Far().Read(block)*Channels]...)
		pcm := recording.PCM()
		return len(pcm) > 2*Rate*Channels && level(0, 440, -12)(pcm[len(pcm)-Rate*Channels:])
	})
	if !level(1, 440, -12)(far[len(far)-Rate*Channels:]) {
		t.Error("the far end does not hold the tone")
	}
	before := r.Stats().Underruns
	until(t, "underruns are counted", func() bool { return r.Stats().Underruns > before })
	if got := r.Info(); got.PeriodSamples != 480 || got.Name != "a-speaker" {
		t.Errorf("format %+v", got)
	}
	closeSoon(t, r)
}

func TestDeadDeviceCloses(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a := rig.Cable("a")
	c := capture(t, a.Mic)
	hear(t, c, func([]float32) bool { return true })
	rig.UnplugMic(a)
	closeSoon(t, c) // before the watchdog noticed
}

func TestListNamesDevicesAndErrorsNameThem(t *testing.T) {
	rig := soundrig.Start(t)
	rig.Setenv(t)
	a, b := rig.Cable("a"), rig.Cable("b")
	rig.SetDefault(b)
	inputs, outputs, err := List("")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Info{a.Mic: {a.Mic, "a-microphone", false, 2, "pulse"}, b.Mic: {b.Mic, "b-microphone", true, 2, "pulse"},
		a.Speaker: {a.Speaker, "a-speaker", false, 2, "pulse"}, b.Speaker: {b.Speaker, "b-speaker", true, 2, "pulse"}}
	for _, info := range append(inputs, outputs...) {
		if w, ok := want[info.ID]; ok && info != w {
			t.Errorf("%+v, want %+v", info, w)
		}
		delete(want, info.ID)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	_, err = OpenCapture(Config{Spec: Spec{Kind: Hardware, ID: "gone"}})
	if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), `"gone"`) || !strings.Contains(err.Error(), "a_mic (a-microphone)") {
		t.Errorf("error %v", err)
	}
	_, err = OpenRender(Config{Spec: Spec{Kind: Hardware, ID: "gone"}})
	if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), "b_speaker (b-speaker)") {
		t.Errorf("error %v", err)
	}
	closeSoon(t, capture(t, "a-microphone")) // the name does, too
}

func TestNoSoundServerIsSaidInWords(t *testing.T) {
	if exists("/dev/snd/pcm*") || exists(jackSockets) {
		t.Skip("this machine has sound cards")
	}
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(t.TempDir(), "nobody"))
	if _, err := OpenCapture(Config{Spec: Spec{Kind: Hardware}}); !errors.Is(err, ErrNoSound) {
		t.Errorf("capture: %v", err)
	}
	if _, err := OpenRender(Config{Spec: Spec{Kind: Hardware, ID: "x"}}); !errors.Is(err, ErrNoSound) {
		t.Errorf("render: %v", err)
	}
	if _, _, err := List(""); !errors.Is(err, ErrNoSound) {
		t.Errorf("list: %v", err)
	}
}
