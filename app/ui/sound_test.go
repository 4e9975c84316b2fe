package ui

import (
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"gasso/app/session"
	"gasso/app/settings"
)

func TestChannelsOfADeviceCanBeChosen(t *testing.T) {
	d := testDesk(t)
	var told []string
	c := newDeviceChoice(d, false, "device:box#3", func(spec string) { told = append(told, spec) })
	test.NewTempWindow(t, c.row)
	box := Device{ID: "box", Name: "Interface", Channels: 4}
	c.offer([]Device{{ID: "one", Name: "Headset", Channels: 1, Default: true}, box})
	if c.list.Selected != "Interface" || c.channels.Selected != "Channel 3 only" || !c.row.Objects[1].Visible() {
		t.Errorf("device:box#3 shows %q, %q", c.list.Selected, c.channels.Selected)
	}
	if want := []string{"", "#1", "#2", "#3", "#4", "#1+2", "#3+4"}; !slices.Equal(c.channels.values, want) {
		t.Errorf("four channels are offered as %q, want %q", c.channels.values, want)
	}
	c.channels.SetSelectedIndex(6)
	c.channels.SetSelectedIndex(0)
	c.list.SetSelectedIndex(1)
	if want := []string{"device:box#3+4", "device:box", "device:one"}; !slices.Equal(told, want) {
		t.Errorf("picked %q, want %q", told, want)
	}
	if c.row.Objects[1].Visible() {
		t.Error("a headset of one channel offers channels")
	}
	c.set("device#9")
	if c.channels.Selected != "Channel 9 (not there now)" || c.list.Selected != "Default of this computer" || len(told) != 3 {
		t.Errorf("device#9 shows %q, %q and tells %q", c.list.Selected, c.channels.Selected, told)
	}
	c.set("device:unplugged#3+4")
	if c.channels.Selected != "Channels 3+4" || c.list.Selected != "The device chosen earlier (not there now)" {
		t.Errorf("a device that is gone shows %q, %q", c.list.Selected, c.channels.Selected)
	}
	c.set("file:/a/b#1.wav")
	if c.list.Selected != "File b#1.wav" {
		t.Errorf("a file with a hash in its name shows as %q", c.list.Selected)
	}
}

func TestStereoLoudspeakerOffersNoChannels(t *testing.T) {
	for _, c := range []struct {
		output   bool
		channels int
		want     bool
	}{{true, 2, false}, {false, 2, true}, {true, 8, true}, {false, 0, false}} {
		choice := newDeviceChoice(testDesk(t), c.output, "device", func(string) {})
		choice.offer([]Device{{ID: "d", Name: "D", Default: true, Channels: c.channels}})
		if got := choice.row.Objects[1].Visible(); got != c.want {
			t.Errorf("output %v with %d channels: offered %v", c.output, c.channels, got)
		}
	}
}

func TestAnOpenListFollowsWhatIsPluggedIn(t *testing.T) {
	c := newDeviceChoice(testDesk(t), false, "device", func(string) {})
	w := test.NewTempWindow(t, c.row)
	w.Resize(fyne.NewSize(400, 300))
	c.offer([]Device{{ID: "a", Name: "A"}})
	test.Tap(c.list)
	before := w.Canvas().Overlays().Top()
	if before == nil || !c.list.isOpen() {
		t.Fatal("the list does not open")
	}
	c.offer([]Device{{ID: "a", Name: "A"}})
	if w.Canvas().Overlays().Top() != before {
		t.Error("the open list is made anew though nothing changed")
	}
	c.offer([]Device{{ID: "a", Name: "A"}, {ID: "b", Name: "B"}})
	if top := w.Canvas().Overlays().Top(); top == nil || top == before || len(w.Canvas().Overlays().List()) != 1 {
		t.Error("the open list does not show the device that was plugged in")
	}
	w.Canvas().Overlays().Remove(w.Canvas().Overlays().Top())
	c.offer(nil)
	if w.Canvas().Overlays().Top() != nil {
		t.Error("a closed list opens by itself")
	}
}

func TestSettingsReachTheEngineAndAreKept(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.drawNow(e)
	w.show(pagePrefs)
	test.Tap(w.prefs.highPass)
	test.Tap(w.prefs.modes.buttons[2])
	test.Tap(w.prefs.monitor)
	w.prefs.monitorGain.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	w.prefs.cpuLimit.SetSelectedIndex(2)
	self := e.Snapshot().Self
	if self.Processing.HighPass || self.Mode != session.ModeSafe || !self.Monitor.On || self.Monitor.GainDB != -7 || !slices.Contains(e.asked, "cpulimit 50") {
		t.Errorf("the engine has %+v and was asked %q", self, e.asked)
	}
	if kept := w.store.Get(); kept.MonitorOn {
		t.Error("the monitor is saved while its fader moves")
	}
	w.drawNow(e)
	w.prefs.draw(self)
	if want := w.desk.say("prefs.monitor.late", "ms", "12") + " " + w.desk.say("prefs.monitor.note"); w.prefs.monitorNote.Text != want {
		t.Errorf("the monitor's note is %q, want %q", w.prefs.monitorNote.Text, want)
	}
	w.draw(nil, session.Level{}, time.Now().Add(2*keepAfter))
	kept := w.store.Get()
	if !kept.MonitorOn || kept.MonitorGainDB != -7 || kept.Mode != session.ModeSafe || kept.Processing.HighPass || kept.CPULimitPercent != 50 {
		t.Errorf("kept %+v", kept)
	}
	if w.join.prefs != kept || !w.join.modes.buttons[2].on {
		t.Errorf("the join screen has %+v, want %+v", w.join.prefs, kept)
	}
}

func TestAnotherSoundSystemBeginsWithItsDefaults(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	w.save(func(s *settings.Settings) { s.Input, s.Output = "device:m#2", "null" })
	joinRoom(t, w, e)
	w.drawNow(e)
	select {
	case <-w.relist: // since the join screen was shown
	default:
	}
	w.prefs.soundSystem.SetSelectedIndex(2)
	want := []string{"soundsystem alsa", "input device", "output null"}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		asked := slices.Clone(e.asked)
		e.mu.Unlock()
		if slices.Equal(asked, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the engine was asked %q, want %q", asked, want)
		}
	}
	if kept := w.store.Get(); kept.SoundSystem != "alsa" || kept.Input != "device" || kept.Output != "null" {
		t.Errorf("kept %+v", kept)
	}
	if len(w.relist) != 1 {
		t.Error("the devices are not listed anew")
	}
}

func TestDevicesAreListedOnlyWhereTheyCanBeChosen(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	for _, c := range []struct {
		page page
		want bool
	}{{pageJoin, true}, {pageAbout, false}, {pagePrefs, true}} {
		w.show(c.page)
		if got := w.choose.Load(); got != c.want {
			t.Errorf("on page %s devices are listed: %v", c.page, got)
		}
	}
	joinRoom(t, w, e)
	w.drawNow(e)
	if w.choose.Load() {
		t.Error("devices are listed on the stage")
	}
}

func TestMonitorSwitchTellsItsLatency(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.drawNow(e)
	test.Tap(w.stage.own.monitor.button)
	w.drawNow(e)
	if got := w.stage.own.monitor.button; !got.on || got.text != "Yourself · 12 ms" || e.Snapshot().Self.Monitor.GainDB != settings.Defaults().MonitorGainDB {
		t.Errorf("switched on it shows %q, engine %+v", got.text, e.Snapshot().Self.Monitor)
	}
	test.Tap(w.stage.own.monitor.button)
	w.drawNow(e)
	if got := w.stage.own.monitor.button; got.on || got.text != "Hear yourself" || e.Snapshot().Self.Monitor.On {
		t.Errorf("switched off it shows %q", got.text)
	}
}
