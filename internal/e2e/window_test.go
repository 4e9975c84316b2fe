package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gasso/internal/browser"
	"gasso/internal/soundrig"
	"gasso/net/signaling"
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

// shows tells whether a control is to be seen now.
func (w *window) shows(control string) bool {
	data, err := os.ReadFile(w.plan)
	spots := map[string]any{}
	if err != nil || json.Unmarshal(data, &spots) != nil {
		return false
	}
	_, there := spots[control]
	return there
}

func (w *window) click(control string) {
	w.t.Helper()
	x, y := w.centre(control)
	w.screen.do("xdotool", "mousemove", x, y, "click", "1")
}

func (w *window) key(keys ...string) {
	w.screen.do(append([]string{"xdotool", "key", "--delay", "30"}, keys...)...)
}

// TestWindow joins by mouse and keyboard, mixes, broadcasts, chats, and lets Chromium hear the result.
func TestWindow(t *testing.T) {
	rig := soundrig.Start(t)
	cable := rig.Cable("app")
	rig.SetDefault(cable)
	s := startServer(t, nil)
	startPerformer(t, s, nil, "Ann", "--input", "tone:440").hears(0)
	startPerformer(t, s, nil, "Bo", "--input", "tone:660").hears(1)
	w := openWindow(t, startScreen(t), rig.Env(), "en_US.UTF-8", s.links["host"])
	w.click("join.name")
	w.screen.do("xdotool", "type", "--delay", "30", "Cleo")
	w.click("join.phones.yes")
	w.screen.screenshot("join-en")
	w.click("join.join")
	w.centre("strip.Ann.gain")
	w.centre("strip.Bo.gain")

	loudspeaker := rig.Record(cable.Monitor)
	lowersAnn(t, w, loudspeaker)
	mutesBo(t, w, loudspeaker)
	movesProgramFader(t, w, s)
	chats(t, w, s)
	w.click("own.music") // a tone is what noise suppression takes away
	rig.PlayPCM(appTone(90), 1, cable.MicSink)
	isHeardOnThePage(t, w, s)
	endsTheBroadcast(t, w, s)
}

// lowersAnn turns Ann down by 12 dB with the keyboard.
func lowersAnn(t *testing.T, w *window, loudspeaker *soundrig.Recording) {
	t.Helper()
	newest := func() []float32 { // a second that was played after now
		from := loudspeaker.Samples()
		eventually(t, 10*time.Second, "the loudspeaker plays on", func() bool { return loudspeaker.Samples() > from+96000 })
		return loudspeaker.PCM()[2*(from+24000):][:2*48000]
	}
	settled := func(what string, want440, want660 float64) {
		eventually(t, 20*time.Second, what, func() bool { // a machine that is too busy for a second gets another
			pcm := newest()
			got440, got660 := level(pcm, 440), level(pcm, 660)
			t.Logf("%s: 440 Hz at %.2f dB, 660 Hz at %.2f dB", what, got440, got660)
			return math.Abs(got440-want440) <= 1 && math.Abs(got660-want660) <= 1
		})
	}
	settled("both are heard as they play", toneDB, toneDB)
	w.click("strip.Ann.gain")
	for range 12 {
		w.key("Down")
	}
	settled("after 12 steps down on Ann's fader Ann is 12 dB lower at the loudspeaker", toneDB-12, toneDB)
}

// mutesBo clicks Bo's mute and looks how long Bo still sounds.
func mutesBo(t *testing.T, w *window, loudspeaker *soundrig.Recording) {
	t.Helper()
	x, y := w.centre("strip.Bo.mute")
	clicked := loudspeaker.Samples()
	w.screen.do("xdotool", "mousemove", x, y, "click", "1")
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
}

// movesProgramFader turns Bo down by 6 dB for the listeners and up again.
func movesProgramFader(t *testing.T, w *window, s *server) {
	t.Helper()
	w.click("program.Bo.gain")
	gains := func(gain string) func() bool {
		return func() bool {
			_, body := s.request(http.MethodGet, "/api/v1/rooms/demo/strips", s.hostToken(), "")
			return strings.Contains(body, `"gainDB":`+gain)
		}
	}
	for range 6 {
		w.key("Left")
	}
	eventually(t, 5*time.Second, "the program's strip is at -6 dB", gains("-6"))
	for range 6 {
		w.key("Right")
	}
	eventually(t, 5*time.Second, "no strip is at -6 dB any more", func() bool { return !gains("-6")() })
}

// chats sends a line that somebody else in the room reads.
func chats(t *testing.T, w *window, s *server) {
	t.Helper()
	reader := enter(t, s, "")
	w.click("tab.chat")
	w.click("chat.entry")
	w.screen.do("xdotool", "type", "--delay", "30", "from the top")
	w.key("Return")
	awaitMessage(t, reader, func(m *signaling.Chat) bool { return m.Name == "Cleo" && m.Text == "from the top" })
	w.click("tab.onair")
}

// isHeardOnThePage lets Chromium find the tones of all three.
func isHeardOnThePage(t *testing.T, w *window, s *server) {
	t.Helper()
	began := time.Now()
	eventually(t, 30*time.Second, "the page would begin with what was played since", func() bool {
		_, segments, err := s.listen()
		const behind = 5 // segments that a page may be behind the newest
		return err == nil && len(segments) > behind && segments[len(segments)-behind].start.After(began.Add(time.Second))
	})
	w.screen.screenshot("window-en")
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

// endsTheBroadcast stops it with the mouse and starts it again.
func endsTheBroadcast(t *testing.T, w *window, s *server) {
	t.Helper()
	for _, want := range []string{"ended", "live"} {
		w.click("onair.toggle")
		eventually(t, 10*time.Second, "the room is "+want, func() bool {
			_, body := s.request(http.MethodGet, "/api/v1/rooms/demo", "", "")
			return strings.Contains(body, `"state":"`+want+`"`)
		})
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
		if os.Getenv("GASSO_SCREENSHOTS") != "" { // by now the meters and the broadcast are under way
			eventually(t, time.Minute, "the computer rests from the browser", func() bool { return !w.shows("banner") })
			display.screenshot("stage-" + lang)
		}
		w.stop()
	}
}
