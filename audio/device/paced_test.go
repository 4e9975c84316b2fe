package device

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/wav"
)

func TestPacerKeepsItsDeadlinesAndLeavesOutASuspend(t *testing.T) {
	start := time.Unix(1000, 0)
	p := pacer{start: start, period: 441} // 9.1875 ms
	if wait := p.next(start); wait != 9187500*time.Nanosecond {
		t.Errorf("first period after %v", wait)
	}
	now := start
	for range 48000 { // each waked 3 ms late
		now = now.Add(p.next(now)).Add(3 * time.Millisecond)
	}
	if want := start.Add(48001 * 9187500 * time.Nanosecond).Add(3 * time.Millisecond); now != want {
		t.Errorf("after 48001 periods at %v, want %v", now.Sub(start), want.Sub(start))
	}
	if wait := p.next(now.Add(time.Second)); wait > -900*time.Millisecond {
		t.Errorf("a second late: wait %v, want to catch up", wait)
	}
	if wait := p.next(now.Add(time.Hour)); wait != 0 {
		t.Errorf("an hour late: wait %v", wait)
	}
	if wait := p.next(now.Add(time.Hour)); wait != 9187500*time.Nanosecond {
		t.Errorf("after an hour: wait %v", wait)
	}
}

// play fills so many samples from a source in blocks.
func play(s source, samples, block int) []float32 {
	pcm := make([]float32, samples*Channels)
	for rest := pcm; len(rest) > 0; {
		n := min(block*Channels, len(rest))
		s.fill(rest[:n])
		rest = rest[n:]
	}
	return pcm
}

// writeFile writes a tone of 1000 Hz at -12 dBFS of a rate to a WAV file, on channel `on` only.
func writeFile(t *testing.T, rate, channels, on, samples int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := wav.Create(path, rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]float32, samples*channels)
	for i := range samples {
		pcm[i*channels+on] = float32(math.Pow(10, -12/20.0) * math.Sin(2*math.Pi*1000*float64(i)/float64(rate)))
	}
	if err := w.Write(pcm); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesOfAnyRateAndChannels(t *testing.T) {
	tests := []struct {
		rate, channels, on int
		leftDB, rightDB    float64
	}{
		{48000, 1, 0, -12, -12}, {48000, 2, 0, -12, -120}, {44100, 1, 0, -12, -12}, {44100, 2, 1, -120, -12},
		{96000, 6, 3, -12 - 7.78, -12 - 7.78}, {8000, 1, 0, -12, -12},
	}
	for _, test := range tests {
		spec := Spec{Kind: File, Path: writeFile(t, test.rate, test.channels, test.on, test.rate), Loop: true}
		s, err := openFileSource(Config{Spec: spec}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		pcm := play(s, 3*Rate, 240)[Rate*Channels/10:] // the tone fits the file, so the loop has no seam
		s.close()
		for channel, want := range []float64{test.leftDB, test.rightDB} {
			got := audiotest.ToneLevelDB(pcm, channel, Channels, 1000)
			if math.Abs(got-want) > 0.1 && max(got, want) > -100 {
				t.Errorf("%+v: %.2f dB on channel %d", test, got, channel)
			}
		}
		if sinad := audiotest.SINADDB(audiotest.Channel(pcm, test.channels/2%2, Channels), 1000); test.rightDB == test.leftDB && sinad < 80 {
			t.Errorf("%+v: %.1f dB over all the rest", test, sinad)
		}
	}
}

func TestFileEndsInSilenceUnlessLooped(t *testing.T) {
	s, err := openFileSource(Config{Spec: Spec{Kind: File, Path: writeFile(t, 48000, 1, 0, 24000)}}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	pcm := play(s, Rate, 441)
	if got := audiotest.ToneLevelDB(pcm[:24000*Channels], 0, Channels, 1000); math.Abs(got+12) > 0.1 {
		t.Errorf("%.2f dB before the end", got)
	}
	if got := audiotest.PeakDB(pcm[24000*Channels:]); got > -119 {
		t.Errorf("%.2f dB after the end", got)
	}
}

func TestToneGoesToTheFileInRealTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.wav")
	c, err := OpenCapture(Config{Spec: Spec{Kind: Tone, Frequency: 440}, PeriodSamples: 120})
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenRender(Config{Spec: Spec{Kind: File, Path: path}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	block, far := make([]float32, 4096*Channels), 0
	for time.Since(start) < time.Second {
		<-c.Wake()
		r.Ring().Write(block[:c.Ring().Read(block)*Channels])
		far += r.Far().Read(block)
	}
	stamp, elapsed := c.Stamp(), time.Since(start)
	if want := stamp.At.Sub(start).Seconds() * Rate; math.Abs(float64(stamp.Frames)-want) > 2400 {
		t.Errorf("%d frames within %v", stamp.Frames, elapsed)
	}
	if got := c.Info(); got != (Format{Rate, Channels, 120, "tone:440"}) {
		t.Errorf("format %+v", got)
	}
	for range 2 {
		if err := errors.Join(c.Close(), r.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if missed := r.Stamp().Frames - int64(far); missed < 0 || missed > 12000 {
		t.Errorf("the far end held %d of %d frames", far, r.Stamp().Frames)
	}
	s, err := openFileSource(Config{Spec: Spec{Kind: File, Path: path}}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if got := audiotest.ToneLevelDB(play(s, 40000, 480)[12000*Channels:], 1, Channels, 440); math.Abs(got-ToneLevelDB) > 1 {
		t.Errorf("%.2f dB in the file", got)
	}
}

func TestWhatCannotBeOpenedIsSaidInWords(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.wav")
	if err := os.WriteFile(text, []byte("dear diary, there is no sound in here"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenCapture(Config{Spec: Spec{Kind: File, Path: text}})
	if !errors.Is(err, wav.ErrNotAudio) || !strings.Contains(err.Error(), "notes.wav") {
		t.Errorf("text: %v", err)
	}
	if _, err = OpenCapture(Config{Spec: Spec{Kind: File, Path: text + "x"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err = OpenRender(Config{Spec: Spec{Kind: File, Path: filepath.Join(text, "x.wav")}}); err == nil {
		t.Error("a file below a file was made")
	}
	if _, err = OpenCapture(Config{Spec: Spec{Kind: Null}}); err == nil {
		t.Error("null was opened as input")
	}
	if _, err = OpenRender(Config{Spec: Spec{Kind: Tone}}); err == nil {
		t.Error("a tone was opened as output")
	}
}

func TestParse(t *testing.T) {
	inputs := map[string]Spec{
		"device": {Kind: Hardware}, "device:a:b c": {Kind: Hardware, ID: "a:b c"}, "silence": {Kind: Silence},
		"file:/a b.wav": {Kind: File, Path: "/a b.wav"}, "file:m.wav?loop": {Kind: File, Path: "m.wav", Loop: true},
		"device#2": {Kind: Hardware, Channels: []int{2}}, "device:a#3": {Kind: Hardware, ID: "a", Channels: []int{3}},
		"device:a#b#3+4": {Kind: Hardware, ID: "a#b", Channels: []int{3, 4}}, "device:a#": {Kind: Hardware, ID: "a#"},
		"file:m#2": {Kind: File, Path: "m#2"}, "file:m#0": {Kind: File, Path: "m#0"},
		"tone:440": {Kind: Tone, Frequency: 440}, "tone:0.5e3": {Kind: Tone, Frequency: 500},
	}
	for text, want := range inputs {
		if got, err := ParseInput(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("input %q: %+v, %v", text, got, err)
		} else if again, err := ParseInput(got.String()); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("input %q: %q gives %+v, %v", text, got, again, err)
		}
	}
	outputs := map[string]Spec{"device:x": {Kind: Hardware, ID: "x"}, "device:x#1+2": {Kind: Hardware, ID: "x", Channels: []int{1, 2}}, "null": {Kind: Null}, "file:x.WAV": {Kind: File, Path: "x.WAV"}}
	for text, want := range outputs {
		if got, err := ParseOutput(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("output %q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "mic", "file:", "file:?loop", "tone", "tone:", "tone:x", "tone:0", "tone:NaN", "tone:24000", "silence:1", "null",
		"device#0", "device:a#65", "device:a#1+0", "device:a#99999999999999999999"} {
		if got, err := ParseInput(text); err == nil {
			t.Errorf("input %q: %+v", text, got)
		}
	}
	for _, text := range []string{"", "silence", "tone:440", "file:x.mp3", "file:", "null:1", "device#0"} {
		if got, err := ParseOutput(text); err == nil {
			t.Errorf("output %q: %+v", text, got)
		}
	}
}

func FuzzSpec(f *testing.F) {
	for _, text := range []string{"device", "device:a#3+4", "device#1", "device:#2#1", "file:a?loop", "tone:440", "silence", "null", "file:x.wav"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (Spec, error){ParseInput, ParseOutput} {
			spec, err := parse(text)
			if err != nil {
				continue
			}
			if again, err := parse(spec.String()); err != nil || !reflect.DeepEqual(spec, again) {
				t.Errorf("%q: %+v is written %q, which is %+v, %v", text, spec, spec.String(), again, err)
			}
			for _, channel := range spec.Channels {
				if channel < 1 || channel > maxChannels {
					t.Errorf("%q: channel %d", text, channel)
				}
			}
		}
	})
}
