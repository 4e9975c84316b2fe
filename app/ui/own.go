package ui

import (
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// ownStrip is the performer at this machine: large meter, loudness, mute, processing, monitor, mode.
type ownStrip struct {
	desk       *desk
	processing session.Processing
	wanted     time.Time // until then a switch set by hand wins over the snapshot
	name       *widget.Label
	meter      *meter
	peak       *canvas.Text
	loudness   loudnessFigures
	output     *meter
	mute       *button
	echo       *button
	noise      *button
	auto       *button
	music      *button
	monitor    *monitorSwitch
	modes      *choice
	missing    *widget.Label
	setProc    func(session.Processing)
	view       *fyne.Container
}

// ownActions are what the own strip can do.
type ownActions struct {
	mute       func()
	processing func(session.Processing)
	monitor    func(on bool)
	mode       func(session.Mode)
}

func newOwnStrip(d *desk, act ownActions) *ownStrip {
	s := &ownStrip{
		desk: d, name: newName(""), meter: newMeter(true, true, 44), output: newMeter(false, false, 8), setProc: act.processing,
		peak: newText("-∞", sizeHero, shadeText, true), missing: newNote("", true), loudness: newLoudnessFigures(d),
	}
	s.missing.Hide()
	s.mute = newButton(d, buttonMute, d.say("own.mute"), act.mute).large(sizeLarge, 52)
	s.echo = s.toggle(d.say("own.echo"), func(p *session.Processing) { p.EchoCancellation = !p.EchoCancellation })
	s.noise = s.toggle(d.say("own.noise"), func(p *session.Processing) { p.NoiseSuppression = !p.NoiseSuppression })
	s.auto = s.toggle(d.say("own.gain"), func(p *session.Processing) { p.AutoGainControl = !p.AutoGainControl })
	s.music = s.toggle(d.say("own.music"), func(p *session.Processing) { p.Music = !p.Music })
	s.monitor = newMonitorSwitch(d, act.monitor)
	s.modes = newModeChoice(d, act.mode)
	s.peak.Alignment = fyne.TextAlignCenter
	figures := newColumn(0, -1, s.peak, centred(newText(d.say("own.peak"), sizeCaption, shadeDim, false)), newGap(18), s.loudness.view)
	middle := container.NewBorder(nil, nil, s.meter, nil, container.NewCenter(figures))
	heard := newColumn(3, -1, newText(d.say("own.hear"), sizeCaption, shadeDim, false), s.output)
	switches := newColumn(3, -1, s.echo, s.noise, s.auto, s.music, s.monitor.button)
	body := newColumn(6, 2, s.name, s.mute, newInset(4, middle), heard, switches, s.missing, s.modes.row)
	s.view = newInset(6, body)
	d.spots["own.mute"], d.spots["own.echo"], d.spots["own.noise"], d.spots["own.gain"], d.spots["own.music"] = s.mute, s.echo, s.noise, s.auto, s.music
	d.spots["own.monitor"] = s.monitor.button
	for i, value := range s.modes.values {
		d.spots["own.mode."+value] = s.modes.buttons[i]
	}
	return s
}

// newModeChoice is the row of the three modes.
func newModeChoice(d *desk, pick func(session.Mode)) *choice {
	return newChoice(d, func(m string) { pick(session.Mode(m)) },
		string(session.ModeStudio), d.say("mode.studio"), string(session.ModeLive), d.say("mode.live"), string(session.ModeSafe), d.say("mode.safe"))
}

func centred(t *canvas.Text) *canvas.Text {
	t.Alignment = fyne.TextAlignCenter
	return t
}

func (s *ownStrip) toggle(label string, edit func(*session.Processing)) *button {
	return newButton(s.desk, buttonSwitch, label, func() {
		edit(&s.processing)
		s.wanted = time.Now().Add(echoWait)
		s.show()
		s.setProc(s.processing)
	}).large(sizeText, 28)
}

func (s *ownStrip) show() {
	p := s.processing
	s.echo.setOn(p.EchoCancellation && !p.Music)
	s.noise.setOn(p.NoiseSuppression && !p.Music)
	s.auto.setOn(p.AutoGainControl && !p.Music)
	s.music.setOn(p.Music)
	for _, b := range []*button{s.echo, s.noise, s.auto} {
		b.setDisabled(p.Music)
	}
}

func (s *ownStrip) draw(self session.Self, now time.Time) {
	if name := s.desk.say("own.name", "name", self.Name); s.name.Text != name {
		s.name.SetText(name)
	}
	s.meter.set(self.Level, now)
	s.output.set(self.OutputLevel, now)
	colour := shadeText
	switch {
	case self.Muted:
		colour = shadeFaint
	case s.meter.hold.db > -1:
		colour = shadeBad
	}
	setText(s.peak, levelText(s.meter.hold.db), colour)
	s.loudness.draw(self)
	s.mute.setOn(self.Muted)
	if self.Muted {
		s.mute.setText(s.desk.say("own.muted"))
	} else {
		s.mute.setText(s.desk.say("own.mute"))
	}
	if self.Processing != s.processing && now.After(s.wanted) {
		s.processing = self.Processing
	}
	s.show()
	s.monitor.draw(self.Monitor, now)
	s.modes.set(string(self.Mode))
	if text := s.desk.words.tell(self.Missing); s.missing.Text != text {
		s.missing.SetText(text)
		s.missing.Hidden = text == ""
		s.view.Refresh()
	}
}

// monitorSwitch lets performers hear themselves and tells how late.
type monitorSwitch struct {
	desk   *desk
	button *button
	on     bool
	wanted time.Time // until then what was set by hand wins over the snapshot
	set    func(on bool)
}

func newMonitorSwitch(d *desk, set func(on bool)) *monitorSwitch {
	m := &monitorSwitch{desk: d, set: set}
	m.button = newButton(d, buttonSwitch, d.say("own.monitor"), func() {
		m.on = !m.on
		m.wanted = time.Now().Add(echoWait)
		m.button.setOn(m.on)
		m.set(m.on)
	}).large(sizeText, 28)
	return m
}

func (m *monitorSwitch) draw(s session.Monitor, now time.Time) {
	if s.On != m.on && now.After(m.wanted) {
		m.on = s.On
	}
	m.button.setOn(m.on)
	if m.on && s.Latency > 0 {
		m.button.setText(m.desk.say("own.monitor.late", "ms", fmt.Sprintf("%.0f", inMillis(s.Latency))))
		return
	}
	m.button.setText(m.desk.say("own.monitor"))
}
