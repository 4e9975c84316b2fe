package soundrig

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/audio/audiotest"
	"gasso/audio/wav"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded waits until a recording holds so many samples a channel.
func recorded(t *testing.T, r *Recording, samples int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); r.Samples() < samples; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("recorded %d samples in 30 s, want %d", r.Samples(), samples)
		}
	}
}

func TestWhatIsPlayedIntoAMicrophoneComesOutOfItAlone(t *testing.T) {
	rig := Start(t)
	a, b := rig.Cable("a"), rig.Cable("b")
	mic, other := rig.Record(a.Mic), rig.Record(b.Mic)
	recorded(t, mic, Rate/10)
	path := filepath.Join(t.TempDir(), "tone.wav")
	w, err := wav.Create(path, Rate, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(audiotest.Tone(1000, -12, 2*Rate, 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rig.Play(path, a.MicSink).Wait()
	recorded(t, other, 2*Rate)
	pcm := mic.Stop()
	loudest := -120.0
	for at := 0; at+Rate < len(pcm); at += Rate / 10 {
		loudest = max(loudest, audiotest.ToneLevelDB(pcm[at:at+Rate], 1, Channels, 1000))
	}
	if math.Abs(loudest+12) > 0.5 {
		t.Errorf("the tone comes at %.1f dB, want -12", loudest)
	}
	if peak := audiotest.PeakDB(other.Stop()); peak > -100 {
		t.Errorf("the other microphone hears %.1f dB", peak)
	}
}

func TestEchoComesSofterAndLater(t *testing.T) {
	for _, delay := range []time.Duration{40 * time.Millisecond, 120 * time.Millisecond} {
		rig := Start(t)
		c := rig.Cable("a")
		rig.Echo(&c, -6, delay)
		speaker, mic := rig.Record(c.Monitor), rig.Record(c.Mic)
		recorded(t, mic, Rate/10)
		rig.PlayPCM(audiotest.Interleave(audiotest.Speech(5, -20, 5*Rate), Channels), Channels, c.Speaker).Wait()
		want, got := audiotest.Channel(speaker.Stop(), 0, Channels), audiotest.Channel(mic.Stop(), 0, Channels)
		lag, correlation := audiotest.Delay(want[2*Rate:4*Rate], got[2*Rate:5*Rate], Rate/2)
		gainDB := audiotest.RMSDB(got) - audiotest.RMSDB(want)
		lagMS := float64(lag) * 1000 / Rate // of two recordings that did not start at quite the same moment
		t.Logf("%v asked for: echo after %.0f ms, %.1f dB, correlation %.2f", delay, lagMS, gainDB, correlation)
		if correlation < 0.95 || math.Abs(gainDB+6) > 0.5 {
			t.Errorf("%v: the echo is at %.1f dB with a correlation of %.2f, want -6 dB and at least 0.95", delay, gainDB, correlation)
		}
		if asked := float64(delay.Milliseconds()); math.Abs(lagMS-asked) > 30 {
			t.Errorf("%v: the echo comes after %.0f ms", delay, lagMS)
		}
	}
}

func TestUnpluggedDevicesAreGoneAndARestartWorks(t *testing.T) {
	rig := Start(t)
	c := rig.Cable("a")
	if got := rig.pactl("list", "short", "sources"); !strings.Contains(got, "a_mic\t") {
		t.Fatalf("sources: %s", got)
	}
	rig.UnplugMic(c)
	rig.UnplugSpeaker(c)
	if got := rig.pactl("list", "short", "sources"); strings.Contains(got, "a_mic\t") || strings.Contains(got, "speaker") {
		t.Errorf("sources after unplugging: %s", got)
	}
	rig.Kill()
	rig.Restart()
	rig.SetDefault(rig.Cable("b"))
	if got := rig.pactl("info"); !strings.Contains(got, "Default Source: b_mic") {
		t.Errorf("after the restart: %s", got)
	}
}
