package ui

import (
	"fmt"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// onAirPanel is the broadcast: for everybody whether it runs and the listeners' link, for a host also
// start and stop and the faders of the program.
type onAirPanel struct {
	desk    *desk
	engine  Broadcast
	live    bool
	state   *canvas.Text
	figures *canvas.Text
	toggle  *button
	problem *widget.Label
	meter   *meter
	title   *canvas.Text
	link    *textEntry
	copy    *button
	copied  time.Time
	rows    []*programRow
	list    *fyne.Container
	view    *fyne.Container
}

func newOnAirPanel(d *desk, engine Broadcast) *onAirPanel {
	p := &onAirPanel{
		desk: d, engine: engine, state: newText("", sizeLarge, shadeDim, true), figures: newText("", sizeText, shadeDim, false),
		problem: newNote("", false), meter: newMeter(false, false, 14), link: newTextEntry(d, d.say("onair.nolink")),
		title: newText(d.say("onair.program"), sizeCaption, shadeDim, true), list: newColumn(6, -1),
	}
	p.problem.Importance = widget.WarningImportance
	p.problem.Hide()
	p.toggle = newButton(d, buttonPrimary, d.say("onair.start"), func() { engine.SetOnAir(!p.live) }).large(sizeLarge, 44)
	p.copy = newButton(d, buttonPlain, d.say("onair.copy"), p.copyLink)
	link := container.NewBorder(nil, nil, nil, p.copy, p.link)
	head := newColumn(8, -1, p.state, p.figures, p.toggle, p.problem, newText(d.say("onair.link"), sizeCaption, shadeDim, true), link, p.title, p.meter)
	p.view = container.NewBorder(head, nil, nil, nil, container.NewVScroll(container.NewBorder(nil, nil, nil, withWidth(12, canvas.NewRectangle(shadeClear)), p.list)))
	d.spots["onair.toggle"], d.spots["onair.copy"], d.spots["onair.link"] = p.toggle, p.copy, p.link
	return p
}

func (p *onAirPanel) copyLink() {
	if p.link.Text == "" {
		return
	}
	p.desk.copyText(p.link.Text)
	p.copied = time.Now()
}

func (p *onAirPanel) draw(snap session.Snapshot, now time.Time) {
	p.drawState(snap, now)
	host := snap.Self.Host
	p.toggle.Hidden, p.title.Hidden, p.meter.Hidden = !host, !host, !host
	if p.link.Text != snap.OnAir.ListenerURL && !p.link.focused {
		p.link.SetText(snap.OnAir.ListenerURL)
	}
	copyText := p.desk.say("onair.copy")
	if now.Sub(p.copied) < 2*time.Second {
		copyText = p.desk.say("onair.copied")
	}
	p.copy.setText(copyText)
	if text := p.desk.words.tell(snap.OnAir.Problem); p.problem.Text != text {
		p.problem.SetText(text)
		p.problem.Hidden = text == ""
		p.view.Refresh()
	}
	if host {
		p.meter.set(snap.OnAir.ProgramLevel, now)
		p.drawRows(snap, now)
	}
}

func (p *onAirPanel) drawState(snap session.Snapshot, now time.Time) {
	p.live = snap.OnAir.Live
	if !p.live {
		setText(p.state, p.desk.say("onair.off"), shadeDim)
		setText(p.figures, p.desk.say("onair.offnote"), shadeFaint)
		p.toggle.kind = buttonPrimary
		p.toggle.setOn(false)
		p.toggle.setText(p.desk.say("onair.start"))
		return
	}
	setText(p.state, "● "+p.desk.say("onair.on")+"  "+elapsed(snap.OnAir.Since, now), shadeLive)
	setText(p.figures, p.desk.say("onair.listeners", "n", strconv.Itoa(snap.OnAir.Listeners)), shadeText)
	p.toggle.kind = buttonMute
	p.toggle.setOn(true)
	p.toggle.setText(p.desk.say("onair.stop"))
}

// drawRows keeps one row for each performer, the host first.
func (p *onAirPanel) drawRows(snap session.Snapshot, now time.Time) {
	wanted := []session.Performer{{ID: snap.Self.ID, Name: snap.Self.Name, ProgramStrip: snap.Self.ProgramStrip, ProgramLevel: snap.Self.ProgramLevel}}
	wanted = append(wanted, snap.Performers...)
	same := len(wanted) == len(p.rows)
	for i := 0; same && i < len(wanted); i++ {
		same = p.rows[i].id == wanted[i].ID
	}
	if !same {
		old := map[string]*programRow{}
		for _, r := range p.rows {
			old[r.id] = r
		}
		p.rows, p.list.Objects = nil, nil
		for _, w := range wanted {
			r := old[w.ID]
			if r == nil {
				r = newProgramRow(p.desk, w.ID, func(s session.Strip) { p.engine.SetProgramStrip(w.ID, s) })
			}
			p.rows, p.list.Objects = append(p.rows, r), append(p.list.Objects, r.view)
		}
		p.list.Refresh()
	}
	for i, r := range p.rows {
		r.draw(wanted[i], now)
	}
}

// elapsed is the time on air as hours, minutes and seconds.
func elapsed(since, now time.Time) string {
	if since.IsZero() || now.Before(since) {
		return "0:00:00"
	}
	s := int(now.Sub(since).Seconds())
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// programRow is a performer's strip in the program.
type programRow struct {
	desk    *desk
	id      string
	name    *widget.Label
	meter   *meter
	control *stripControl
	view    *fyne.Container
}

func newProgramRow(d *desk, id string, send func(session.Strip)) *programRow {
	r := &programRow{desk: d, id: id, name: newName(""), meter: newMeter(false, false, 6), control: newStripControl(d, false, true, send)}
	c := r.control
	c.mute.large(sizeCaption, 26)
	pan := container.NewHBox(container.NewCenter(c.panText), withWidth(64, c.pan), c.mute)
	top := container.NewBorder(nil, nil, nil, pan, r.name)
	gain := container.NewBorder(nil, nil, nil, withWidth(60, c.exact.entry), c.gain)
	line := canvas.NewRectangle(shadeOutline)
	line.SetMinSize(fyne.NewSize(1, 1))
	r.view = newColumn(4, -1, line, top, r.meter, gain)
	return r
}

func (r *programRow) draw(p session.Performer, now time.Time) {
	if r.name.Text != p.Name {
		r.name.SetText(p.Name)
		for what, o := range map[string]fyne.CanvasObject{"gain": r.control.gain, "gain-entry": r.control.exact.entry, "pan": r.control.pan, "mute": r.control.mute} {
			r.desk.spots["program."+p.Name+"."+what] = o
		}
	}
	r.meter.set(p.ProgramLevel, now)
	p.ProgramStrip.Solo = false
	r.control.draw(p.ProgramStrip, now)
}
