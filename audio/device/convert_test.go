package device

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gen2brain/malgo"

	"gasso/audio/audiotest"
)

// toneAt is a tone at a rate of -12 dBFS on one of several channels.
func toneAt(freq float64, rate, samples, channels, on int) []float32 {
	pcm := make([]float32, samples*channels)
	for i := range samples {
		pcm[i*channels+on] = float32(math.Pow(10, -12/20.0) * math.Sin(2*math.Pi*freq*float64(i)/float64(rate)))
	}
	return pcm
}

// captureAll sends PCM through a microphone's callback in pieces of so many frames.
func captureAll(c *captureSide, in *inlet, pcm []float32, piece int) (heard []float32) {
	block := make([]float32, ringFrames*Channels)
	for len(pcm) > 0 {
		n := min(len(pcm), piece*in.channels)
		c.accept(in, pcm[:n])
		pcm = pcm[n:]
		heard = append(heard, block[:c.Ring().Read(block)*Channels]...)
	}
	return heard
}

func TestMicrophoneOfAnyRateAndAnyCallback(t *testing.T) {
	for _, rate := range []int{8000, 16000, 22050, 44100, 48000, 88200, 96000, 192000} {
		for _, piece := range []int{1, 7, 441, 1024, 4096} {
			if piece*Rate/rate > ringFrames { // those are cut off and counted
				continue
			}
			c := newCaptureSide(Config{PeriodSamples: 240}, "")
			pcm := captureAll(c, newInlet(1, rate, nil), toneAt(1000, rate, rate, 1, 0), piece)
			if n := len(pcm) / Channels; math.Abs(float64(n-Rate)) > 400 || c.Stamp().Frames != int64(n) {
				t.Errorf("%d Hz in pieces of %d: %d frames, stamp %d", rate, piece, n, c.Stamp().Frames)
			}
			middle := audiotest.Channel(pcm[4800*Channels:40000*Channels], 1, Channels)
			if level, sinad := audiotest.ToneLevelDB(middle, 0, 1, 1000), audiotest.SINADDB(middle, 1000); math.Abs(level+12) > 0.05 || sinad < 90 {
				t.Errorf("%d Hz in pieces of %d: %.2f dB, %.1f dB over all the rest", rate, piece, level, sinad)
			}
			if c.Stats().Overruns != 0 {
				t.Errorf("%d Hz in pieces of %d: %d overruns", rate, piece, c.Stats().Overruns)
			}
		}
	}
}

// renderAll lets a loudspeaker's callback play a tone of 48 kHz in pieces of so many frames.
func renderAll(r *renderSide, out *outlet, freq float64, frames, piece int) (played, far []float32) {
	tone := toneAt(freq, Rate, 2*Rate, 1, 0)
	stereo := audiotest.Interleave(tone, Channels)
	block := make([]float32, ringFrames*Channels)
	for len(played) < frames*out.channels {
		room := min(len(stereo), (r.Ring().Cap()-r.Ring().Len())*Channels)
		r.Ring().Write(stereo[:room])
		stereo = stereo[room:]
		pcm := make([]float32, piece*out.channels)
		r.deliver(out, pcm)
		played = append(played, pcm...)
		far = append(far, block[:r.Far().Read(block)*Channels]...)
	}
	return played, far
}

func TestLoudspeakerOfAnyRateAndAnyCallback(t *testing.T) {
	for _, rate := range []int{8000, 44100, 48000, 96000, 192000} {
		for _, piece := range []int{1, 7, 441, 1024, 2048} {
			r := newRenderSide(Config{PeriodSamples: 240}, "")
			pcm, far := renderAll(r, newOutlet(2, rate, nil), 1000, rate/2, piece)
			middle := audiotest.Channel(pcm[rate/10*Channels:rate*4/10*Channels], 0, Channels)
			scaled := 1000 * Rate / float64(rate) // SINADDB takes 48 kHz
			if sinad := audiotest.SINADDB(middle, scaled); sinad < 90 {
				t.Errorf("%d Hz in pieces of %d: %.1f dB over all the rest", rate, piece, sinad)
			}
			if sinad := audiotest.SINADDB(audiotest.Channel(far[:20000*Channels], 0, Channels), 1000); sinad < 100 {
				t.Errorf("%d Hz in pieces of %d: far end has %.1f dB over all the rest", rate, piece, sinad)
			}
			if s := r.Stats(); s.Underruns != 0 || r.Stamp().Frames != int64(len(far)/Channels) {
				t.Errorf("%d Hz in pieces of %d: stats %+v, stamp %d, far %d", rate, piece, s, r.Stamp().Frames, len(far)/Channels)
			}
		}
	}
}

func TestCallbacksOfASecondAreSurvivedAndCounted(t *testing.T) {
	c := newCaptureSide(Config{PeriodSamples: 240}, "")
	c.accept(newInlet(1, 44100, nil), make([]float32, 44100))
	if s := c.Stats(); s.Overruns != c.Stamp().Frames-int64(c.Ring().Len()) || s.Overruns < 30000 || s.PeriodSamples < 47900 {
		t.Errorf("captured %d frames: %+v", c.Stamp().Frames, s)
	}
	r := newRenderSide(Config{PeriodSamples: 240}, "")
	out, pcm := newOutlet(2, 96000, nil), make([]float32, 2*96000)
	r.Ring().Write(make([]float32, 960))
	r.deliver(out, pcm[:480])
	r.deliver(out, pcm)
	r.deliver(out, pcm)
	if s := r.Stats(); s.Underruns != 2 || r.Far().Len() != r.Far().Cap() || s.Callbacks != 3 {
		t.Errorf("played %d frames: %+v", r.Stamp().Frames, s)
	}
}

func TestOneChannelOrAPairIsHeard(t *testing.T) {
	tests := []struct {
		channels, on    int // the tone is on this channel, from 1
		selected        []int
		leftDB, rightDB float64
	}{
		{1, 1, nil, -12, -12}, {2, 2, nil, -120, -12}, {4, 2, nil, -18, -18}, {8, 8, nil, -21, -21},
		{4, 2, []int{2}, -12, -12}, {4, 2, []int{3}, -120, -120}, {4, 3, []int{3, 4}, -12, -120},
		{8, 7, []int{8, 7}, -120, -12}, {2, 1, []int{1}, -12, -12},
	}
	for _, test := range tests {
		c := newCaptureSide(Config{PeriodSamples: 240}, "")
		pcm := captureAll(c, newInlet(test.channels, Rate, test.selected), toneAt(1000, Rate, 4800, test.channels, test.on-1), 240)
		for side, want := range []float64{test.leftDB, test.rightDB} {
			if got := max(-120, audiotest.ToneLevelDB(pcm, side, Channels, 1000)); math.Abs(got-want) > 0.1 {
				t.Errorf("%+v: %.1f dB on side %d", test, got, side)
			}
		}
	}
}

func TestOneChannelOrAPairPlays(t *testing.T) {
	tests := []struct {
		channels int
		selected []int
		want     []float32 // of 0.5 on the left and 0.25 on the right
	}{
		{2, nil, []float32{0.5, 0.25}}, {1, nil, []float32{0.375}}, {4, []int{3, 4}, []float32{0, 0, 0.5, 0.25}},
		{4, []int{2}, []float32{0, 0.375, 0, 0}}, {2, []int{2, 1}, []float32{0.25, 0.5}},
	}
	for _, test := range tests {
		got := make([]float32, test.channels)
		newOutlet(test.channels, Rate, test.selected).fromStereo(got, []float32{0.5, 0.25})
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestWhatIsNoNumberBecomesSilenceAndIsCounted(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, test := range []struct {
		channels int
		selected []int
		pcm      []float32
		want     []float32
		invalid  int64
	}{
		{1, nil, []float32{nan, 0.5, -inf}, []float32{0, 0, 0.5, 0.5, 0, 0}, 4},
		{2, nil, []float32{inf, 0.5, 1e30, -0.5}, []float32{0, 0.5, 0, -0.5}, 2},
		{4, nil, []float32{nan, 1, -1, 0.5}, []float32{0.25, 0.25}, 1},
		{4, []int{2}, []float32{nan, 0.5, nan, nan}, []float32{0.5, 0.5}, 0},
	} {
		c := newCaptureSide(Config{PeriodSamples: 240}, "")
		got := captureAll(c, newInlet(test.channels, Rate, test.selected), test.pcm, 240)
		if fmt.Sprint(got) != fmt.Sprint(test.want) || c.Stats().Invalid != test.invalid {
			t.Errorf("%+v: %v, %d invalid", test, got, c.Stats().Invalid)
		}
	}
}

func TestSilentMicrophoneIsRecognisedWithinThreeSeconds(t *testing.T) {
	c := newCaptureSide(Config{PeriodSamples: 240}, "")
	in := newInlet(2, 44100, nil)
	captureAll(c, in, make([]float32, 2*2*44100), 441)
	if c.Stats().Silent {
		t.Error("silent after two seconds")
	}
	captureAll(c, in, make([]float32, 2*44100), 441)
	if !c.Stats().Silent {
		t.Error("not silent after three seconds")
	}
	captureAll(c, in, toneAt(1000, 44100, 441, 2, 1), 441)
	if c.Stats().Silent {
		t.Error("silent with a tone")
	}
}

func TestCallbacksDoNotAllocate(t *testing.T) {
	for _, rate := range []int{44100, 48000, 192000} {
		c := newCaptureSide(Config{PeriodSamples: 240}, "")
		r := newRenderSide(Config{PeriodSamples: 240}, "")
		in, out := newInlet(4, rate, nil), newOutlet(8, rate, []int{3, 4})
		quad, eight := make([]float32, 4*3000), make([]float32, 8*441)
		audiotest.CheckNoAllocs(t, func() {
			c.accept(in, quad)
			r.deliver(out, eight)
		})
	}
}

func TestLatenessIsCountedOnceAndForgotten(t *testing.T) {
	const period = 240
	c := newCaptureSide(Config{PeriodSamples: period}, "")
	total, at := int64(0), int64(0)
	call := func(late time.Duration) {
		total += period
		at += int64(5 * time.Millisecond)
		c.called(at+int64(late), total, period, period, total == period)
	}
	for i := range 2000 {
		call(time.Duration(i%3) * time.Millisecond)
	}
	if s := c.Stats(); s.LateCallbacks != 0 || s.WorstLateness < time.Millisecond || s.WorstLateness > 3*time.Millisecond {
		t.Errorf("with 2 ms of jitter: %+v", s)
	}
	call(30 * time.Millisecond)
	at += int64(20 * time.Millisecond) // the device has lost frames
	for range 600 {
		call(0)
	}
	if s := c.Stats(); s.LateCallbacks < 1 || s.LateCallbacks > 2 || s.WorstLateness < 28*time.Millisecond {
		t.Errorf("after one late callback and a loss: %+v", s)
	}
	for range 2000 {
		call(0)
	}
	if s := c.Stats(); s.WorstLateness > time.Millisecond || s.PeriodSamples != period {
		t.Errorf("ten seconds later: %+v", s)
	}
	late := c.Stats().LateCallbacks
	for range 12000 { // a minute on a device that is 200 ppm slow
		at += int64(time.Microsecond)
		call(0)
	}
	if s := c.Stats(); s.LateCallbacks != late {
		t.Errorf("a slow device is late: %+v", s)
	}
}

func TestStarvingIsNotTheDevicesDoing(t *testing.T) {
	const period = Rate // long beside what the test itself takes
	r := newRenderSide(Config{PeriodSamples: period}, "")
	underruns, starved := int64(0), int64(0)
	call := func(what string, after time.Duration, missing, blamed bool) {
		t.Helper()
		r.base = r.base.Add(-after) // so much time has passed
		r.played(period, missing)
		if missing {
			underruns++
		}
		if blamed {
			starved++
		}
		if s := r.Stats(); s.Underruns != underruns || s.Starved != starved {
			t.Errorf("%s: %d underruns, %d starved; want %d and %d", what, s.Underruns, s.Starved, underruns, starved)
		}
	}
	const regular = time.Second
	r.played(period, true) // nothing has come yet
	call("first frames", regular, false, false)
	call("in time", regular, true, true)
	call("half a period late", regular*3/2, true, true)
	call("two periods late", regular*3, true, false)
	call("making up for it", regular/10, true, false)
	call("making up for it with frames", regular/10, false, false)
	call("in time again", regular*11/10, true, true)
	call("in time as ever", regular, false, false)
}

func TestPeriodIsTheMostThatIsMovedAtOnce(t *testing.T) {
	c := newCaptureSide(Config{PeriodSamples: 240}, "")
	if got := c.Stats().PeriodSamples; got != 240 {
		t.Errorf("%d before the first callback", got)
	}
	at, total := int64(0), int64(0)
	for i := range 1200 {
		frames := 60 + 60*(i%2)
		at += int64(frames) * int64(time.Second) / Rate
		total += int64(frames)
		c.called(at, total, frames, 240, i == 0)
	}
	if got := c.Stats().PeriodSamples; got != 120 {
		t.Errorf("%d, want 120", got)
	}
}

func TestIDsAreTypedAndStay(t *testing.T) {
	raw := func(text string) (id malgo.DeviceID) {
		copy(id[:], text)
		return id
	}
	pulse, wasapi, winmm := link{system: system{backend: malgo.BackendPulseaudio}}, link{system: system{backend: malgo.BackendWasapi}}, link{system: system{backend: malgo.BackendWinmm}}
	for _, test := range []struct {
		link       link
		id         malgo.DeviceID
		name, want string
	}{
		{pulse, raw("alsa_input.usb-a"), "", "alsa_input.usb-a"}, {pulse, raw("a#2"), "", "612332"}, {pulse, raw("a\x01b"), "", "610162"},
		{pulse, raw("ab\x00c"), "", "61620063"}, {wasapi, raw("{\x000\x00}\x00"), "", "{0}"}, {winmm, raw("\x01"), "Mic (USB)", "Mic (USB)"},
	} {
		if got := test.link.idText(test.id, test.name); got != test.want {
			t.Errorf("%q: %q, want %q", test.name, got, test.want)
		}
	}
	proc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(proc, "card1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "card1", "id"), []byte("Scarlett\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{":1,0": "hw:CARD=Scarlett,DEV=0", ":2,0": ":2,0", "default": "default"} {
		if got := cardText(id, proc); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}
