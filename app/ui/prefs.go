package ui

import (
	"fmt"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
	"gasso/app/settings"
)

// prefsActions are what the settings page can do.
type prefsActions struct {
	language    func(string)
	soundSystem func(name string)
	input       func(spec string)
	output      func(spec string)
	processing  func(session.Processing)
	mode        func(session.Mode)
	monitor     func(on bool, gainDB float64)
	cpuLimit    func(percent int)
	connection  connectionActions
}

// prefsPage holds sound, language and limits, and tells the keys. Settings say what it shows.
type prefsPage struct {
	desk          *desk
	act           prefsActions
	now           settings.Settings
	soundSystem   *openSelect
	input, output *deviceChoice
	modes         *choice
	modeNotes     map[session.Mode]*canvas.Text
	highPass      *button
	music         *button
	monitor       *button
	monitorGain   *fader
	monitorText   *canvas.Text
	monitorNote   *widget.Label
	cpuLimit      *openSelect
	connection    *connectionCard
	view          *fyne.Container
}

func newPrefsPage(d *desk, prefs settings.Settings, soundSystems []string, act prefsActions) *prefsPage {
	p := &prefsPage{desk: d, act: act, input: newDeviceChoice(d, false, prefs.Input, act.input), output: newDeviceChoice(d, true, prefs.Output, act.output)}
	languages := newChoice(d, act.language, "", d.say("prefs.language.system"), "ja", "日本語", "en", "English")
	languages.set(prefs.Language)
	p.makeSwitches()
	sound := newColumn(12, -1, newText(d.say("prefs.sound"), sizeTitle, shadeText, true))
	if box := p.soundSystemChoice(soundSystems, prefs.SoundSystem); box != nil {
		sound.Add(box)
	}
	for _, o := range []fyne.CanvasObject{
		caption(d, d.say("join.input"), p.input.row), caption(d, d.say("join.output"), p.output.row),
		p.modeChoice(), noted(p.music, d.say("prefs.music.note")), noted(p.highPass, d.say("prefs.highpass.note")), p.monitorControls(),
	} {
		sound.Add(o)
	}
	general := newColumn(12, -1, newText(d.say("prefs.title"), sizeTitle, shadeText, true),
		caption(d, d.say("prefs.language"), languages.row), p.cpuLimitChoice(prefs.CPULimitPercent), newNote(d.say("prefs.saved"), true))
	p.connection = newConnectionCard(d, act.connection)
	left := newColumn(10, -1, newCard(18, sound), newCard(18, keysTable(d)))
	right := newColumn(10, -1, newCard(18, general), newCard(18, p.connection.view))
	p.view = container.NewStack(container.NewVScroll(container.New(middleWidth{1060}, newInset(12, newRow(10, left, right)))))
	for i, name := range []string{"system", "ja", "en"} {
		d.spots["prefs.language."+name] = languages.buttons[i]
	}
	p.name(d.spots)
	p.set(prefs)
	return p
}

// name tells the map of the window where the controls are.
func (p *prefsPage) name(spots map[string]fyne.CanvasObject) {
	for name, o := range map[string]fyne.CanvasObject{
		"input": p.input.list, "input.channels": p.input.channels, "output": p.output.list, "output.channels": p.output.channels,
		"highpass": p.highPass, "music": p.music, "monitor": p.monitor, "monitor.gain": p.monitorGain, "cpulimit": p.cpuLimit,
	} {
		spots["prefs."+name] = o
	}
	if p.soundSystem != nil {
		spots["prefs.soundsystem"] = p.soundSystem
	}
	p.connection.name(spots)
	for i, value := range p.modes.values {
		spots["prefs.mode."+value] = p.modes.buttons[i]
	}
}

// keysTable tells what the keys do.
func keysTable(d *desk) *fyne.Container {
	keys := newColumn(4, -1, newText(d.say("keys.title"), sizeTitle, shadeText, true))
	for _, line := range [][2]string{
		{"M", d.say("keys.m")}, {"Ctrl+M", d.say("keys.ctrlm")}, {"Space", d.say("keys.space")}, {"Tab", d.say("keys.tab")},
		{"↑ ↓", d.say("keys.arrows")}, {"PgUp PgDn", d.say("keys.page")}, {"Home", d.say("keys.home")}, {"Enter", d.say("keys.enter")}, {"Esc", d.say("keys.esc")},
	} {
		keys.Add(container.NewBorder(nil, nil, withWidth(90, newInset(6, newText(line[0], sizeText, shadeAccent, true))), nil, newNote(line[1], false)))
	}
	return keys
}

// soundSystemChoice lets one of several sound systems be chosen; where there is one only, it is nil.
func (p *prefsPage) soundSystemChoice(systems []string, chosen string) fyne.CanvasObject {
	if len(systems) < 2 {
		return nil
	}
	values, names := []string{""}, []string{p.desk.say("soundsystem.auto")}
	for _, s := range systems {
		values, names = append(values, s), append(names, soundSystemName(s))
	}
	if indexOf(values, chosen) < 0 { // settings of another computer
		values, names = append(values, chosen), append(names, chosen)
	}
	p.soundSystem = newOpenSelect(p.act.soundSystem)
	p.soundSystem.offer(values, names, indexOf(values, chosen))
	return caption(p.desk, p.desk.say("prefs.soundsystem"), p.soundSystem)
}

// soundSystemName is how a sound system calls itself.
func soundSystemName(id string) string {
	known := map[string]string{
		"pulse": "PulseAudio / PipeWire", "alsa": "ALSA", "jack": "JACK", "wasapi": "WASAPI", "dsound": "DirectSound", "winmm": "WinMM",
		"coreaudio": "Core Audio", "aaudio": "AAudio", "opensl": "OpenSL ES", "sndio": "sndio", "audio4": "audio(4)", "oss": "OSS",
	}
	if name := known[id]; name != "" {
		return name
	}
	return id
}

func (p *prefsPage) modeChoice() fyne.CanvasObject {
	d := p.desk
	p.modes = newModeChoice(d, p.act.mode)
	p.modeNotes = map[session.Mode]*canvas.Text{}
	box := newColumn(3, -1, p.modes.row)
	for _, m := range []struct {
		mode session.Mode
		note string
	}{{session.ModeStudio, d.say("mode.studio.note")}, {session.ModeLive, d.say("mode.live.note")}, {session.ModeSafe, d.say("mode.safe.note")}} {
		p.modeNotes[m.mode] = newText(m.note, sizeCaption, shadeFaint, false)
		box.Add(p.modeNotes[m.mode])
	}
	return caption(d, d.say("prefs.mode"), box)
}

// makeSwitches makes the three switches; each sends the settings with its own one turned.
func (p *prefsPage) makeSwitches() {
	d := p.desk
	turn := func(edit func(*session.Processing)) func() {
		return func() {
			next := p.now.Processing
			edit(&next)
			p.act.processing(next)
		}
	}
	p.highPass = newButton(d, buttonSwitch, d.say("prefs.highpass"), turn(func(s *session.Processing) { s.HighPass = !s.HighPass })).large(sizeText, 30)
	p.music = newButton(d, buttonSwitch, d.say("own.music"), turn(func(s *session.Processing) { s.Music = !s.Music })).large(sizeText, 30)
	p.monitor = newButton(d, buttonSwitch, d.say("own.monitor"), func() { p.act.monitor(!p.now.MonitorOn, p.now.MonitorGainDB) }).large(sizeText, 30)
}

func (p *prefsPage) monitorControls() fyne.CanvasObject {
	p.monitorGain = newFader(p.desk, gainLaw(), false, func(db float64) { p.act.monitor(p.now.MonitorOn, db) })
	p.monitorText = newText("", sizeText, shadeText, true)
	p.monitorNote = newNote(p.desk.say("prefs.monitor.note"), true)
	value := withWidth(64, container.NewCenter(p.monitorText))
	return newColumn(2, -1, p.monitor, container.NewBorder(nil, nil, nil, value, p.monitorGain), p.monitorNote)
}

// cpuLimitChoice offers the limits that make sense, and the one that is set if it is another.
func (p *prefsPage) cpuLimitChoice(percent int) fyne.CanvasObject {
	values, names := []string{"0"}, []string{p.desk.say("cpulimit.none")}
	add := func(text string) {
		values, names = append(values, text), append(names, p.desk.say("cpulimit.percent", "n", text))
	}
	for _, n := range []int{25, 50, 75, 100, 150, 200} {
		add(strconv.Itoa(n))
	}
	chosen := strconv.Itoa(percent)
	if indexOf(values, chosen) < 0 {
		add(chosen)
	}
	p.cpuLimit = newOpenSelect(func(text string) {
		if n, err := strconv.Atoi(text); err == nil {
			p.act.cpuLimit(n)
		}
	})
	p.cpuLimit.offer(values, names, indexOf(values, chosen))
	return newColumn(2, -1, caption(p.desk, p.desk.say("prefs.cpulimit"), p.cpuLimit), newNote(p.desk.say("prefs.cpulimit.note"), true))
}

// noted is a control with a quiet line below it.
func noted(control fyne.CanvasObject, note string) fyne.CanvasObject {
	return newColumn(0, -1, control, newNote(note, true))
}

// set shows the settings.
func (p *prefsPage) set(s settings.Settings) {
	p.now = s
	p.input.set(s.Input)
	p.output.set(s.Output)
	p.modes.set(string(s.Mode))
	for mode, note := range p.modeNotes {
		colour := shadeFaint
		if mode == s.Mode {
			colour = shadeText
		}
		setText(note, note.Text, colour)
	}
	p.music.setOn(s.Processing.Music)
	p.highPass.setOn(s.Processing.HighPass && !s.Processing.Music)
	p.highPass.setDisabled(s.Processing.Music)
	p.monitor.setOn(s.MonitorOn)
	p.monitorGain.set(s.MonitorGainDB)
	setText(p.monitorText, gainText(s.MonitorGainDB)+" dB", shadeText)
	p.connection.set(s)
}

// draw tells how late performers hear themselves.
func (p *prefsPage) draw(self session.Self) {
	note := p.desk.say("prefs.monitor.note")
	if self.Monitor.On && self.Monitor.Latency > 0 {
		note = p.desk.say("prefs.monitor.late", "ms", fmt.Sprintf("%.0f", inMillis(self.Monitor.Latency))) + " " + note
	}
	if p.monitorNote.Text != note {
		p.monitorNote.SetText(note)
	}
}
