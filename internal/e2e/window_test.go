package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gasso/internal/browser"
	"gasso/internal/soundrig"
)

// screen is a virtual display.
type screen struct {
	t       testing.TB
	display string
}

func startScreen(t testing.TB) *screen {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	w.Close()
	buf := make([]byte, 16)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatalf("Xvfb names no display: %v", err)
	}
	s := &screen{t: t, display: ":" + strings.TrimSpace(string(buf[:n]))}
	s.do("xdpyinfo") // Xvfb says its number before it takes every client
	return s
}

func (s *screen) do(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DISPLAY="+s.display)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// screenshot keeps a picture of the screen if GASSO_SCREENSHOTS names a folder.
func (s *screen) screenshot(name string) {
	if dir := os.Getenv("GASSO_SCREENSHOTS"); dir != "" {
		s.do("import", "-window", "root", filepath.Join(dir, name+".png"))
	}
}

// window is the app in a real window, worked with mouse and keyboard.
type window struct {
	*process
	screen *screen
	plan   string // the file of GASSO_UI_MAP
}

func openWindow(t testing.TB, s *screen, env []string, lang string, args ...string) *window {
	t.Helper()
	home := t.TempDir()
	w := &window{screen: s, plan: filepath.Join(home, "controls.json")}
	env = append(env, "DISPLAY="+s.display, "HOME="+home, "XDG_CONFIG_HOME="+home, "GASSO_UI_MAP="+w.plan, "LANG="+lang, "LC_ALL="+lang)
	binary, err := filepath.Abs(filepath.Join(root, "bin/gasso"))
	if err != nil {
		t.Fatal(err)
	}
	w.process = start(t, env, binary, args...)
	return w
}

// centre waits for a control and returns its middle in pixels.
func (w *window) centre(control string) (x, y string) {
	w.t.Helper()
	type spot struct{ X, Y, W, H int }
	var found spot
	eventually(w.t, 20*time.Second, "the window shows "+control, func() bool {
		data, err := os.ReadFile(w.plan)
		if err != nil {
			return false
		}
		spots := map[string]spot{}
		if json.Unmarshal(data, &spots) != nil {
			return false
		}
		var ok bool
		found, ok = spots[control]
		return ok
	})
	return strconv.Itoa(found.X + found.W/2), strconv.Itoa(found.Y + found.H/2)
}

func (w *window) click(control string) {
	w.t.Helper()
	x, y := w.centre(control)
	w.screen.do("xdotool", "mousemove", x, y, "click", "1")
}

func (w *window) key(keys ...string) {
	w.screen.do(append([]string{"xdotool", "key", "--delay", "30"}, keys...)...)
}

// TestWindow joins by mouse and keyboard, mixes, and lets Chromium hear the result.
func TestWindow(t *testing.T) {
	rig := soundrig.Start(t)
	cable := rig.Cable("app")
	rig.SetDefault(cable)
	s := startServer(t, nil)
	startPerformer(t, s, nil, "Ann", "--input", "tone:440").hears(0)
	startPerformer(t, s, nil, "Bo", "--input", "tone:660").hears(1)
	display := startScreen(t)
	w := openWindow(t, display, rig.Env(), "en_US.UTF-8", s.links["host"])
	w.click("join.name")
	display.do("xdotool", "type", "--delay", "30", "Cleo")
	w.click("join.phones.yes")
	display.screenshot("join-en")
	w.click("join.join")
	w.centre("strip.Ann.gain")
	w.centre("strip.Bo.gain")

	loudspeaker := rig.Record(cable.Monitor)
	newest := func() []float32 { // waits for a second that was played after now
		from := loudspeaker.Samples()
		eventually(t, 10*time.Second, "the loudspeaker plays on", func() bool { return loudspeaker.Samples() > from+96000 })
		return loudspeaker.PCM()[2*(from+24000):][:2*48000]
	}
	before := newest()
	w.click("strip.Ann.gain")
	for range 12 {
		w.key("Down")
	}
	after := newest()
	for hz, want := range map[float64]float64{440: -12, 660: 0} {
		change := level(after, hz) - level(before, hz)
		t.Logf("12 steps down on Ann's fader: %.0f Hz went from %.1f by %+.2f dB at the loudspeaker", hz, level(before, hz), change)
		if math.Abs(change-want) > 1 {
			t.Errorf("%.0f Hz changed by %.2f dB at the loudspeaker, want %.0f", hz, change, want)
		}
	}

	x, y := w.centre("strip.Bo.mute")
	clicked := loudspeaker.Samples()
	display.do("xdotool", "mousemove", x, y, "click", "1")
	eventually(t, 10*time.Second, "the loudspeaker plays on", func() bool { return loudspeaker.Samples() > clicked+48000 })
	silent := -1
	pcm := loudspeaker.PCM()
	const step = 480
	for at := clicked; at+4800 <= clicked+48000; at += step {
		if level(pcm[2*at:][:2*4800], 660) < -60 {
			silent = at - clicked
			break
		}
	}
	t.Logf("Bo is silent %d ms after the click on mute, the mouse's way and the recording's latency included", silent/48)
	if silent < 0 || silent > 48*300 {
		t.Errorf("Bo is silent %d ms after the click on mute, want at most 300", silent/48)
	}

	w.click("own.music") // a tone is what noise suppression takes away
	rig.PlayPCM(appTone(60), 1, cable.MicSink)
	time.Sleep(10 * time.Second) // the page begins some 8 s behind the performers
	display.screenshot("window-en")
	visit := browser.Visit{URL: s.links["listener"], Play: true, State: "playing", Frequencies: []float64{440, 660, 880}, ListenMS: 3000, SettleMS: 500, TimeoutMS: 60000}
	report, err := browser.Run(context.Background(), visit)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Chromium hears 440, 660 and 880 Hz at %.1f dB; it shows %q", report.LevelsDB, report.Text)
	if report.Error != "" || len(report.Problems) > 0 {
		t.Errorf("the page: %s %v", report.Error, report.Problems)
	}
	for _, channel := range report.LevelsDB {
		for i, db := range channel {
			if math.Abs(db-toneDB) > 2 {
				t.Errorf("Chromium hears %v Hz at %.1f dB, want %d", visit.Frequencies[i], db, toneDB)
			}
		}
	}
	if len(report.LevelsDB) == 0 {
		t.Error("Chromium measured nothing")
	}
	if !strings.Contains(report.Text, "Ann") || !strings.Contains(report.Text, "Cleo") {
		t.Errorf("the page does not name the performers: %q", report.Text)
	}
}

// appTone is what the app's microphone hears: 880 Hz, and as loud as the others.
func appTone(seconds int) []float32 {
	pcm := make([]float32, 48000*seconds)
	for i := range pcm {
		pcm[i] = float32(math.Pow(10, toneDB/20.0) * math.Sin(2*math.Pi*880*float64(i)/48000))
	}
	return pcm
}

// TestPictures makes the README's pictures where GASSO_SCREENSHOTS names a folder, and shows anywhere
// that window and page come up in both languages.
func TestPictures(t *testing.T) {
	s := startServer(t, nil)
	material := t.TempDir()
	run(t, nil, "go", "run", "-buildvcs=false", "../material/cmd/material", "-out", material)
	for name, file := range map[string]string{"Mika": "music.wav", "Jun": "speech.wav", "Aoi": "music.wav"} {
		startPerformer(t, s, nil, name, "--input", "file:"+filepath.Join(material, file)+"?loop")
	}
	for lang, locale := range map[string]string{"en": "en-US", "ja": "ja-JP"} {
		display := startScreen(t)
		w := openWindow(t, display, nil, strings.ReplaceAll(locale, "-", "_")+".UTF-8", "--join", "--name", "Ren", "--lang", lang,
			"--input", "file:"+filepath.Join(material, "music.wav")+"?loop", "--output", "null", s.links["host"])
		for _, name := range []string{"Mika", "Jun", "Aoi"} {
			w.centre("strip." + name + ".meter")
		}
		time.Sleep(4 * time.Second) // the meters and the broadcast get going
		display.screenshot("stage-" + lang)
		for _, size := range []struct {
			name          string
			width, height int
		}{{"listener", 1280, 800}, {"phone", 390, 844}} {
			visit := browser.Visit{URL: s.links["listener"], Play: true, State: "playing", SettleMS: 1500, Locale: locale, Width: size.width, Height: size.height, TimeoutMS: 60000}
			if dir := os.Getenv("GASSO_SCREENSHOTS"); dir != "" {
				visit.Screenshot = filepath.Join(dir, fmt.Sprintf("%s-%s.png", size.name, lang))
			}
			report, err := browser.Run(context.Background(), visit)
			if err != nil {
				t.Fatal(err)
			}
			if report.Error != "" || len(report.Problems) > 0 || report.Wide || report.Language != lang {
				t.Errorf("the page in %s, %s: language %q, wider than the screen %t, %s %v", locale, size.name, report.Language, report.Wide, report.Error, report.Problems)
			}
		}
		w.stop()
	}
}
