package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"gasso/app/session"
	"gasso/app/settings"
)

// scriptedEngine shows what it is told to show and notes what the window asks.
type scriptedEngine struct {
	mu      sync.Mutex
	snap    session.Snapshot
	asked   []string
	strips  map[string]session.Strip
	program map[string]session.Strip
	started chan struct{}
	end     chan error
}

func newScriptedEngine() *scriptedEngine {
	return &scriptedEngine{started: make(chan struct{}), end: make(chan error, 1), strips: map[string]session.Strip{}, program: map[string]session.Strip{},
		snap: session.Snapshot{State: session.StateJoined, Room: "quartet", Self: session.Self{ID: "me", Name: "Mika", Host: true, Mode: session.ModeLive},
			Performers: []session.Performer{{ID: "a", Name: "Aki"}, {ID: "b", Name: "Noor"}},
			OnAir:      session.OnAir{ListenerURL: "https://example.org/room/quartet"}}}
}

func (e *scriptedEngine) Run(ctx context.Context) error {
	close(e.started)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-e.end:
		return err
	}
}

func (e *scriptedEngine) note(what string, change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, what)
	change()
}

func (e *scriptedEngine) Snapshot() session.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.snap
}
func (e *scriptedEngine) SetMuted(m bool) { e.note("muted", func() { e.snap.Self.Muted = m }) }
func (e *scriptedEngine) SetProcessing(p session.Processing) {
	e.note("processing", func() { e.snap.Self.Processing = p })
}
func (e *scriptedEngine) SetMode(m session.Mode)     { e.note("mode", func() { e.snap.Self.Mode = m }) }
func (e *scriptedEngine) SetInput(spec string) error { e.note("input "+spec, func() {}); return nil }
func (e *scriptedEngine) SetOutput(spec string) error {
	e.note("output "+spec, func() {})
	return nil
}
func (e *scriptedEngine) SetSoundSystem(name string) error {
	e.note("soundsystem "+name, func() {})
	return nil
}
func (e *scriptedEngine) SetMonitor(on bool, gainDB float64) {
	e.note("monitor", func() { e.snap.Self.Monitor = session.Monitor{On: on, GainDB: gainDB, Latency: 12 * time.Millisecond} })
}
func (e *scriptedEngine) SetHidden(hidden bool) { e.note(fmt.Sprint("hidden ", hidden), func() {}) }
func (e *scriptedEngine) SetCPULimit(percent int) {
	e.note(fmt.Sprint("cpulimit ", percent), func() {})
}
func (e *scriptedEngine) SetStrip(id string, s session.Strip) {
	e.note("strip", func() { e.strips[id] = s })
}
func (e *scriptedEngine) SetProgramStrip(id string, s session.Strip) {
	e.note("program", func() { e.program[id] = s })
}
func (e *scriptedEngine) SetOnAir(live bool) { e.note("onair", func() { e.snap.OnAir.Live = live }) }
func (e *scriptedEngine) SendChat(text string) error {
	e.note("chat "+text, func() { e.snap.Chat = append(e.snap.Chat, session.ChatLine{FromID: "me", Name: "Mika", Text: text}) })
	return nil
}

type quietCheck struct{}

func (quietCheck) Level() session.Level { return session.Level{PeakDB: -20, RMSDB: -30} }
func (quietCheck) Close()               {}

// testWindow is a window with a scripted engine; soundcheck runs, drawing is by hand.
func testWindow(t *testing.T, engine *scriptedEngine, joinErr error, edit func(*Options)) *window {
	t.Helper()
	a := test.NewTempApp(t)
	opts := Options{Lang: "en", Settings: settings.Open(filepath.Join(t.TempDir(), "settings.json"), nil), Backend: Backend{
		Join: func(JoinRequest) (Engine, error) {
			if joinErr != nil {
				return nil, joinErr
			}
			return engine, nil
		},
		Devices:       func(string) ([]Device, []Device, error) { return []Device{{ID: "m", Name: "Mic"}}, nil, nil },
		SoundSystems:  []string{"pulse", "alsa"},
		NewSoundcheck: func(string, string) (Soundcheck, error) { return quietCheck{}, nil },
		ParseInvite: func(link string) (Invite, error) {
			i, err := session.ParseInvite(link)
			return Invite(i), err
		},
		CheckCA: func(file string) error {
			if strings.Contains(file, "bad") {
				return errors.New("there is no certificate in the file of certificate authorities; it takes PEM")
			}
			return nil
		},
	}}
	if edit != nil {
		edit(&opts)
	}
	w, err := newWindow(a, opts)
	if err != nil {
		t.Fatal(err)
	}
	w.tasks.Go(func() { w.check.run(w.ctx) })
	t.Cleanup(w.stop)
	return w
}

func joinRoom(t *testing.T, w *window, e *scriptedEngine) {
	t.Helper()
	w.join.server.SetText("https://example.org")
	w.join.room.SetText("quartet")
	w.join.name.SetText("Mika")
	w.join.submit()
	select {
	case <-e.started:
	case <-time.After(10 * time.Second):
		t.Fatal("the session does not start")
	}
}

func (w *window) drawNow(e *scriptedEngine) {
	s := e.Snapshot()
	w.draw(&s, session.Level{}, time.Now())
}

func TestJoinShowsTheStageAndKeepsSettingsWithoutToken(t *testing.T) {
	e := newScriptedEngine()
	path := filepath.Join(t.TempDir(), "settings.json")
	w := testWindow(t, e, nil, func(o *Options) {
		o.Invite, o.Settings = "https://example.org/join/quartet#secret-token", settings.Open(path, nil)
	})
	if w.join.room.Text != "quartet" || w.join.token != "secret-token" {
		t.Fatalf("invite gave room %q, token %q", w.join.room.Text, w.join.token)
	}
	joinRoom(t, w, e)
	w.drawNow(e)
	if w.page != pageStage || w.win.Title() != "Gasso — quartet" || len(w.stage.strips) != 2 {
		t.Errorf("page %s, title %q, %d strips", w.page, w.win.Title(), len(w.stage.strips))
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), "secret-token") || !strings.Contains(string(data), "quartet") {
		t.Errorf("settings hold %s, %v", data, err)
	}
}

func TestKeysMute(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.drawNow(e)
	m, space := &fyne.KeyEvent{Name: fyne.KeyM}, &fyne.KeyEvent{Name: fyne.KeySpace}
	steps := []struct {
		name  string
		do    func()
		muted bool
	}{
		{"M mutes", func() { w.keyDown(m) }, true},
		{"Space leaves a mute alone", func() { w.keyDown(space); w.keyUp(space) }, true},
		{"M from a focused fader unmutes", func() { w.stage.strips[0].control.gain.KeyDown(m) }, false},
		{"Space held mutes", func() { w.stage.own.mute.KeyDown(space) }, true},
		{"Space released unmutes", func() { w.stage.own.mute.KeyUp(space) }, false},
		{"the button mutes", func() { test.Tap(w.stage.own.mute) }, true},
		{"Enter on the button unmutes", func() { w.stage.own.mute.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn}) }, false},
		{"Space does not press it", func() { w.stage.own.mute.TypedKey(space) }, false},
	}
	for _, s := range steps {
		s.do()
		w.drawNow(e)
		if got := e.Snapshot().Self.Muted; got != s.muted || w.stage.own.mute.on != s.muted {
			t.Errorf("%s: muted %v, shown %v", s.name, got, w.stage.own.mute.on)
		}
	}
	e.note("", func() { e.snap.State, e.snap.Problem = session.StateReconnecting, "The server cannot be reached." })
	w.drawNow(e)
	test.Tap(w.stage.own.mute)
	if !e.Snapshot().Self.Muted || w.stage.veil.Hidden || w.banner.view.Hidden {
		t.Error("while reconnecting the mute must work, under veil and banner")
	}
}

func TestStripsAndBroadcastReachTheEngine(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.drawNow(e)
	for range 12 {
		w.stage.strips[1].control.gain.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	}
	test.Tap(w.stage.strips[1].control.solo)
	if got := e.strips["b"]; got != (session.Strip{GainDB: -12, Solo: true}) {
		t.Errorf("strip of b is %+v", got)
	}
	w.stage.onAir.rows[0].control.gain.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	w.drawNow(e)
	if got := e.program["me"]; got.GainDB != -1 {
		t.Errorf("own program strip is %+v", got)
	}
	test.Tap(w.stage.onAir.toggle)
	w.drawNow(e)
	if !e.Snapshot().OnAir.Live || !w.stage.onAir.toggle.on {
		t.Error("the room did not go on air")
	}
	test.Tap(w.stage.onAir.copy)
	if got := w.app.Clipboard().Content(); got != "https://example.org/room/quartet" {
		t.Errorf("copied %q", got)
	}
	w.stage.chat.entry.SetText(" hello ")
	w.stage.chat.entry.OnSubmitted("")
	w.stage.chat.entry.SetText(strings.Repeat("あ", 501))
	w.stage.chat.entry.OnSubmitted("")
	w.drawNow(e)
	if n := len(e.Snapshot().Chat); n != 1 || w.stage.chat.unread != 1 || w.stage.chat.failed.Hidden {
		t.Errorf("chat has %d lines, %d unread, refusal hidden %v", n, w.stage.chat.unread, w.stage.chat.failed.Hidden)
	}
	test.Tap(w.stage.own.music)
	if !e.Snapshot().Self.Processing.Music || !w.stage.own.echo.disabled {
		t.Error("music mode does not turn the voice switches off")
	}
}

func TestOnlyHostsGetProgramFaders(t *testing.T) {
	e := newScriptedEngine()
	e.snap.Self.Host = false
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.drawNow(e)
	if w.stage.onAir.toggle.Visible() || len(w.stage.onAir.rows) != 0 {
		t.Error("a performer who is no host sees the host's controls")
	}
}

func TestFailuresAreToldOnTheJoinScreen(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	w.join.submit()
	if w.join.problem.Hidden || w.join.problem.Text != w.desk.say("join.needs.server") {
		t.Errorf("without a server: %q", w.join.problem.Text)
	}
	joinRoom(t, w, e)
	e.end <- errors.New("There is no such room.")
	w.tasksDone(t)
	if w.page != pageJoin || w.join.problem.Text != "There is no such room." || w.join.join.disabled || w.win.Title() != "Gasso" {
		t.Errorf("page %s, problem %q, title %q", w.page, w.join.problem.Text, w.win.Title())
	}
}

func TestRefusedJoinIsTold(t *testing.T) {
	w := testWindow(t, nil, errors.New("open input: no such sound device"), nil)
	w.join.server.SetText("example.org")
	w.join.room.SetText("r")
	w.join.name.SetText("n")
	w.join.submit()
	w.tasksDone(t)
	if w.page != pageJoin || w.join.problem.Text != "The input cannot be opened: this device is not there now" || w.join.join.disabled {
		t.Errorf("page %s, problem %q", w.page, w.join.problem.Text)
	}
}

func TestLinkThatIsNoInviteIsTold(t *testing.T) {
	w := testWindow(t, newScriptedEngine(), nil, nil)
	w.join.server.SetText("https://example.org")
	w.join.room.SetText("r")
	w.join.name.SetText("n")
	for link, want := range map[string]string{
		"https://example.org/room/r": w.desk.say("join.listenerlink"),
		"example.org/join/r#token":   w.desk.say("join.badlink"),
		"https://example.org":        w.desk.say("join.badlink"),
	} {
		w.join.invite.SetText(link)
		w.join.submit()
		if w.join.problem.Text != want || w.join.join.disabled {
			t.Errorf("%s: problem %q, joining %v", link, w.join.problem.Text, w.join.join.disabled)
		}
	}
	w.join.invite.SetText("")
	if w.join.problem.Text != "" {
		t.Errorf("without a link the problem %q stays", w.join.problem.Text)
	}
}

// tasksDone waits for the join that is under way, and ends the rest.
func (w *window) tasksDone(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for w.join.join.disabled || w.run != nil || w.join.problem.Text == "" {
		if time.Now().After(deadline) {
			t.Fatal("the join does not end")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestHeadphonesTurnEchoCancellationOff(t *testing.T) {
	w := testWindow(t, newScriptedEngine(), nil, nil)
	test.Tap(w.join.phones.buttons[0])
	if w.join.prefs.Processing.EchoCancellation || !w.join.prefs.Headphones {
		t.Error("headphones leave echo cancellation on")
	}
	test.Tap(w.join.phones.buttons[1])
	if !w.join.prefs.Processing.EchoCancellation {
		t.Error("loudspeakers leave echo cancellation off")
	}
}

func TestLanguageChangesEveryScreenAndKeepsWhatWasTyped(t *testing.T) {
	w := testWindow(t, newScriptedEngine(), nil, nil)
	w.join.name.SetText("Mika")
	w.pickLanguage("ja")
	if w.join.join.text != "ルームに参加" || w.join.name.Text != "Mika" || w.store.Get().Language != "ja" {
		t.Errorf("join button %q, name %q", w.join.join.text, w.join.name.Text)
	}
}

func TestMapNamesWhatCanBeSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "map.json")
	t.Setenv(uiMapVariable, path)
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	read := func() map[string]spot {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var spots map[string]spot
		if err := json.Unmarshal(data, &spots); err != nil {
			t.Fatal(err)
		}
		return spots
	}
	w.draw(nil, session.Level{}, time.Now())
	before := read()
	if _, stage := before["own.mute"]; stage || before["join.join"].W <= 0 || before["join.name"].Y <= 0 {
		t.Errorf("map of the join screen: %v", before)
	}
	joinRoom(t, w, e)
	w.drawNow(e) // makes the strips
	w.mapped = time.Time{}
	w.drawNow(e)
	after := read()
	for _, name := range []string{"own.mute", "strip.Aki.gain", "strip.Noor.mute", "onair.toggle", "onair.copy", "program.Mika.gain"} {
		if after[name].W <= 0 || after[name].H <= 0 {
			t.Errorf("%s is not in the map", name)
		}
	}
	if _, hidden := after["chat.entry"]; hidden {
		t.Error("the map names a control of a tab that is not shown")
	}
	if a, b := after["strip.Aki.gain"], after["strip.Noor.gain"]; a.X >= b.X || a.Y != b.Y {
		t.Errorf("strips are at %v and %v", a, b)
	}
}
