package ui

import (
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// barActions are what the bar at the top can do.
type barActions struct {
	show  func(page)
	leave func()
	mute  func()
}

// topBar names the room, tells how it stands, and leads to the pages.
type topBar struct {
	desk  *desk
	room  *canvas.Text
	state *canvas.Text
	live  *canvas.Text
	chip  *fyne.Container
	mute  *button
	pages map[page]*button
	leave *button
	view  *fyne.Container
}

func newTopBar(d *desk, act barActions) *topBar {
	b := &topBar{desk: d, room: newText("", sizeLarge, shadeText, true), state: newText("", sizeText, shadeDim, false), live: newText("", sizeText, shadeText, true), pages: map[page]*button{}}
	b.mute = newButton(d, buttonMute, d.say("bar.mute"), act.mute)
	b.leave = newButton(d, buttonPlain, d.say("bar.leave"), act.leave)
	buttons := container.NewHBox(b.mute)
	for _, p := range []struct {
		page page
		text string
	}{{pageJoin, d.say("bar.join")}, {pageStage, d.say("bar.stage")}, {pagePrefs, d.say("bar.settings")}, {pageDiagnostics, d.say("bar.diagnostics")}, {pageAbout, d.say("bar.about")}} {
		button := newButton(d, buttonChoice, p.text, func() { act.show(p.page) })
		b.pages[p.page] = button
		buttons.Add(button)
		d.spots["bar."+string(p.page)] = button
	}
	buttons.Add(b.leave)
	d.spots["bar.mute"], d.spots["bar.leave"] = b.mute, b.leave
	red := canvas.NewRectangle(shadeLive)
	red.CornerRadius = 6
	b.chip = container.NewCenter(container.NewStack(red, newInset(5, container.NewPadded(b.live))))
	b.chip.Hide()
	left := container.NewHBox(newInset(4, container.NewCenter(b.room)), container.NewCenter(b.state), b.chip)
	back := canvas.NewRectangle(shadeBar)
	b.view = container.NewStack(back, newInset(7, container.NewBorder(nil, nil, left, buttons)))
	return b
}

// setPage marks the page that is shown and hides the buttons that lead nowhere now.
func (b *topBar) setPage(now page, joined bool) {
	for p, button := range b.pages {
		button.setOn(p == now)
	}
	b.pages[pageJoin].Hidden = joined
	b.pages[pageStage].Hidden, b.pages[pageDiagnostics].Hidden, b.leave.Hidden = !joined, !joined, !joined
	b.mute.Hidden = !joined || now == pageStage
	if !joined {
		setText(b.room, "Gasso", shadeText)
		setText(b.state, "", shadeDim)
		b.chip.Hide()
	}
	b.view.Refresh()
}

func (b *topBar) draw(s session.Snapshot, now time.Time) {
	title := s.Title
	if title == "" {
		title = s.Room
	}
	colour := shadeGood
	if s.State != session.StateJoined {
		colour = shadeFair
	}
	live := ""
	if s.OnAir.Live {
		live = b.desk.say("bar.live") + "  " + elapsed(s.OnAir.Since, now) + "  ·  " + strconv.Itoa(s.OnAir.Listeners)
	}
	state := "● " + stateWord(b.desk.words, s.State)
	moved := len(b.room.Text) != len(title) || b.state.Text != state || len(b.live.Text) != len(live)
	setText(b.room, title, shadeText)
	setText(b.state, state, colour)
	setText(b.live, live, shadeText)
	b.chip.Hidden = live == ""
	b.mute.setOn(s.Self.Muted)
	if moved {
		b.view.Refresh()
	}
}

// banner tells a problem in words across the window, or more quietly what is no problem.
type banner struct {
	text    *widget.Label
	back    *canvas.Rectangle
	icon    *widget.Icon
	view    *fyne.Container
	problem bool
}

func newBanner() *banner {
	b := &banner{text: newNote("", false)}
	b.text.TextStyle.Bold = true
	b.back, b.icon = canvas.NewRectangle(shadeRaised), widget.NewIcon(theme.InfoIcon())
	b.view = container.NewStack(b.back, newInset(4, container.NewBorder(nil, nil, newInset(4, b.icon), nil, b.text)))
	b.view.Hide()
	return b
}

// set shows a problem or, without one, what is no problem; neither takes it away.
func (b *banner) set(problem, quiet string) {
	text := problem
	if text == "" {
		text = quiet
	}
	if b.text.Text == text && b.problem == (problem != "") {
		return
	}
	b.problem = problem != ""
	b.back.FillColor = shadeRaised
	b.icon.SetResource(theme.InfoIcon())
	if b.problem {
		b.back.FillColor = shadeBanner
		b.icon.SetResource(theme.NewWarningThemedResource(theme.WarningIcon()))
	}
	b.text.TextStyle.Bold = b.problem
	b.text.SetText(text)
	b.view.Hidden = text == ""
	b.view.Refresh()
}
