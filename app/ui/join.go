package ui

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
	"gasso/app/settings"
)

// joinScreen asks where to, who, and with which sound; the microphone's level shows live.
type joinScreen struct {
	desk    *desk
	prefs   settings.Settings // as edited here
	token   string            // of the invite; never kept
	invite  *textEntry
	server  *textEntry
	room    *textEntry
	name    *textEntry
	input   *deviceChoice
	output  *deviceChoice
	meter   *meter
	peak    *canvas.Text
	phones  *choice
	modes   *choice
	join    *button
	problem *widget.Label
	phoneOK *widget.Label
	act     joinActions
	view    *fyne.Container
}

// joinActions are what the join screen can do.
type joinActions struct {
	parse func(link string) (Invite, error)
	join  func(JoinRequest, settings.Settings)
	keep  func(change func(*settings.Settings)) // what was chosen
	input func(spec string)                     // the soundcheck follows
}

func newJoinScreen(d *desk, prefs settings.Settings, act joinActions) *joinScreen {
	j := &joinScreen{
		desk: d, prefs: prefs, act: act, invite: newTextEntry(d, "https://…/join/…"), server: newTextEntry(d, "https://"),
		room: newTextEntry(d, d.say("join.room.hint")), name: newTextEntry(d, d.say("join.name.hint")),
		meter: newMeter(false, false, 22), peak: newText("-∞", sizeLarge, shadeText, true), problem: newNote("", false), phoneOK: newNote("", true),
	}
	j.problem.Importance = widget.WarningImportance
	j.problem.Hide()
	j.server.SetText(prefs.Server)
	j.room.SetText(prefs.Room)
	j.name.SetText(prefs.Name)
	j.invite.OnChanged = j.invited
	j.input = newDeviceChoice(d, false, prefs.Input, func(spec string) {
		act.keep(func(s *settings.Settings) { s.Input = spec })
		act.input(spec)
	})
	j.output = newDeviceChoice(d, true, prefs.Output, func(spec string) { act.keep(func(s *settings.Settings) { s.Output = spec }) })
	j.phones = newChoice(d, j.pickPhones, "yes", d.say("join.phones.yes"), "no", d.say("join.phones.no"))
	j.modes = newModeChoice(d, func(m session.Mode) { act.keep(func(s *settings.Settings) { s.Mode = m }) })
	j.join = newButton(d, buttonPrimary, d.say("join.join"), j.submit).large(sizeLarge, 46)
	for _, e := range []*textEntry{j.invite, j.server, j.room, j.name} {
		e.OnSubmitted = func(string) { j.submit() }
	}
	j.build()
	j.set(prefs)
	return j
}

func (j *joinScreen) build() {
	d := j.desk
	where := newColumn(9, -1,
		newText(d.say("join.where"), sizeLarge, shadeText, true),
		caption(d, d.say("join.invite"), j.invite),
		caption(d, d.say("join.server"), j.server),
		caption(d, d.say("join.room"), j.room),
		caption(d, d.say("join.name"), j.name),
		caption(d, d.say("join.mode"), j.modes.row),
	)
	level := container.NewBorder(nil, nil, nil, withWidth(56, centred(j.peak)), j.meter)
	sound := newColumn(9, -1,
		newText(d.say("join.sound"), sizeLarge, shadeText, true),
		caption(d, d.say("join.input"), j.input.row),
		level,
		newNote(d.say("join.level.note"), true),
		caption(d, d.say("join.output"), j.output.row),
		caption(d, d.say("join.phones"), j.phones.row),
		j.phoneOK,
	)
	cards := newRow(10, newCard(16, where), newCard(16, sound))
	head := container.NewBorder(nil, nil, newText(d.say("app.name"), sizeHero, shadeText, true), nil,
		newInset(6, newText(d.say("app.tagline"), sizeText, shadeDim, false)))
	form := newColumn(10, -1, head, j.problem, cards, j.join)
	j.view = container.NewStack(container.NewVScroll(container.New(middleWidth{920}, newInset(12, form))))
	d.spots["join.invite"], d.spots["join.server"], d.spots["join.room"], d.spots["join.name"] = j.invite, j.server, j.room, j.name
	d.spots["join.join"], d.spots["join.input"], d.spots["join.output"] = j.join, j.input.list, j.output.list
	d.spots["join.phones.yes"], d.spots["join.phones.no"] = j.phones.buttons[0], j.phones.buttons[1]
	for i, value := range j.modes.values {
		d.spots["join.mode."+value] = j.modes.buttons[i]
	}
}

// invited takes server, room and token from a link as soon as it is whole.
func (j *joinScreen) invited(link string) {
	link = strings.TrimSpace(link)
	j.token = ""
	if link == "" {
		j.fail("")
		return
	}
	invite, err := j.act.parse(link)
	if err != nil {
		if strings.Contains(link, "#") || strings.Contains(link, "/room/") {
			j.fail(j.linkProblem())
		}
		return
	}
	j.token = invite.Token
	j.server.SetText(invite.Server)
	j.room.SetText(invite.Room)
	j.fail("")
}

// takeOver keeps what was typed when the screen is made anew in another language.
func (j *joinScreen) takeOver(old *joinScreen) {
	j.invite.SetText(old.invite.Text)
	j.server.SetText(old.server.Text)
	j.room.SetText(old.room.Text)
	j.name.SetText(old.name.Text)
}

func (j *joinScreen) pickPhones(answer string) {
	j.act.keep(func(s *settings.Settings) {
		s.Headphones = answer == "yes"
		s.Processing.EchoCancellation = !s.Headphones
	})
}

// set shows the settings; who and where stay as they were typed.
func (j *joinScreen) set(prefs settings.Settings) {
	j.prefs = prefs
	j.input.set(prefs.Input)
	j.output.set(prefs.Output)
	j.modes.set(string(prefs.Mode))
	j.showPhones()
}

func (j *joinScreen) showPhones() {
	if j.prefs.Headphones {
		j.phones.set("yes")
		j.phoneOK.SetText(j.desk.say("join.phones.off"))
		return
	}
	j.phones.set("no")
	j.phoneOK.SetText(j.desk.say("join.phones.on"))
}

func (j *joinScreen) submit() {
	if j.join.disabled {
		return
	}
	if problem := j.linkProblem(); problem != "" {
		j.fail(problem)
		j.desk.focus(j.invite)
		return
	}
	r := JoinRequest{
		Server: strings.TrimRight(strings.TrimSpace(j.server.Text), "/"), Room: strings.TrimSpace(j.room.Text),
		Name: strings.TrimSpace(j.name.Text), Token: j.token, Input: j.prefs.Input, Output: j.prefs.Output,
		Mode: j.prefs.Mode, Processing: j.prefs.Processing,
	}
	if r.Server != "" && !strings.Contains(r.Server, "://") {
		r.Server = "https://" + r.Server
	}
	for _, missing := range []struct {
		text, key string
		entry     *textEntry
	}{{r.Server, j.desk.say("join.needs.server"), j.server}, {r.Room, j.desk.say("join.needs.room"), j.room}, {r.Name, j.desk.say("join.needs.name"), j.name}} {
		if missing.text == "" {
			j.fail(missing.key)
			j.desk.focus(missing.entry)
			return
		}
	}
	next := j.prefs
	next.Server, next.Room, next.Name = r.Server, r.Room, r.Name
	if err := next.Validate(); err != nil {
		j.fail(j.desk.words.tell(err.Error()))
		return
	}
	j.fail("")
	j.busy(true)
	j.act.join(r, next)
}

// linkProblem says what is wrong with the invite; empty when it is whole or there is none.
func (j *joinScreen) linkProblem() string {
	link := strings.TrimSpace(j.invite.Text)
	if link == "" {
		return ""
	}
	if _, err := j.act.parse(link); err == nil {
		return ""
	}
	if strings.Contains(link, "/room/") {
		return j.desk.say("join.listenerlink")
	}
	return j.desk.say("join.badlink")
}

// busy shows that joining is under way.
func (j *joinScreen) busy(on bool) {
	j.join.setDisabled(on)
	if on {
		j.join.setText(j.desk.say("join.joining"))
		return
	}
	j.join.setText(j.desk.say("join.join"))
}

// fail says what is wrong, or takes it away.
func (j *joinScreen) fail(text string) {
	if j.problem.Text == text {
		return
	}
	j.problem.SetText(text)
	j.problem.Hidden = text == ""
	if j.view != nil {
		j.view.Refresh()
	}
}

func (j *joinScreen) draw(l session.Level, now time.Time) {
	j.meter.set(l, now)
	colour := shadeText
	if j.meter.hold.db > -1 {
		colour = shadeBad
	}
	setText(j.peak, levelText(j.meter.hold.db), colour)
}

// middleWidth centres its object, no wider than a line of reading should be.
type middleWidth struct{ most float32 }

// Layout implements fyne.Layout.
func (m middleWidth) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		w, h := min(size.Width, m.most), min(o.MinSize().Height, size.Height)
		place(o, (size.Width-w)/2, max((size.Height-h)/2.6, 0), w, h)
	}
}

// MinSize implements fyne.Layout.
func (m middleWidth) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		s = s.Max(o.MinSize())
	}
	return s
}
