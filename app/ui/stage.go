package ui

import (
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// stage is the main screen: the own strip, a strip for each of the others, and the side panel with
// broadcast and chat.
type stage struct {
	desk    *desk
	engine  Engine
	own     *ownStrip
	strips  []*performerStrip
	row     *fyne.Container
	scroll  *container.Scroll
	detail  *linkDetail
	empty   *fyne.Container
	veil    *fyne.Container
	veilTop *canvas.Text
	veilSub *widget.Label
	onAir   *onAirPanel
	chat    *chatPanel
	tabs    *choice
	tab     string
	view    *fyne.Container
}

const (
	tabOnAir = "onair"
	tabChat  = "chat"
)

func newStage(d *desk, engine Engine, act ownActions) *stage {
	s := &stage{desk: d, engine: engine, own: newOwnStrip(d, act), row: container.New(stripRow{narrow: narrowStrip, wide: 168, gap: 6})}
	s.onAir, s.chat = newOnAirPanel(d, engine), newChatPanel(d, engine.SendChat)
	s.tabs = newChoice(d, s.showTab, tabOnAir, d.say("stage.onair"), tabChat, d.say("stage.chat"))
	d.spots["tab.onair"], d.spots["tab.chat"] = s.tabs.buttons[0], s.tabs.buttons[1]
	note := newNote(d.say("stage.alone.note"), true)
	note.Alignment = fyne.TextAlignCenter
	s.empty = container.NewCenter(newColumn(6, -1, centred(newText(d.say("stage.alone"), sizeTitle, shadeDim, true)), withWidth(320, note)))
	s.makeVeil()
	s.detail, s.scroll = newLinkDetail(d), container.NewHScroll(s.row)
	side := newInset(6, container.NewBorder(s.tabs.row, nil, nil, nil, newInset(4, container.NewStack(s.onAir.view, s.chat.view))))
	middle := container.NewStack(s.scroll, s.empty, s.detail.view, s.veil)
	s.view = container.New(stageLayout{}, s.own.view, middle, side, canvas.NewRectangle(shadeOutline), canvas.NewRectangle(shadeOutline))
	s.showTab(tabOnAir)
	return s
}

// makeVeil is what lies over the strips while there is no connection. It takes no clicks, and the own
// strip with its mute stays free.
func (s *stage) makeVeil() {
	back := canvas.NewRectangle(shadeVeil)
	s.veilTop, s.veilSub = centred(newText("", sizeTitle, shadeText, true)), newNote("", false)
	s.veilSub.Alignment = fyne.TextAlignCenter
	s.veil = container.NewStack(back, container.NewCenter(newColumn(6, -1, s.veilTop, withWidth(340, s.veilSub))))
	s.veil.Hide()
}

func (s *stage) showTab(tab string) {
	s.tab = tab
	s.tabs.set(tab)
	s.onAir.view.Hidden, s.chat.view.Hidden = tab != tabOnAir, tab != tabChat
	s.chat.shown = tab == tabChat
	s.view.Refresh()
}

func (s *stage) draw(snap session.Snapshot, resting bool, now time.Time) {
	s.own.draw(snap.Self, now)
	s.keepStrips(snap.Performers)
	for i, strip := range s.strips {
		p := snap.Performers[i]
		strip.draw(p, whoseText(s.desk.words, snap.Findings, p.ID), snap.ServerRTT, now)
	}
	s.detail.draw(snap, now)
	if s.tab == tabOnAir {
		s.onAir.draw(snap, now)
	}
	s.chat.draw(snap.Chat, snap.Self.ID)
	chat := s.desk.say("stage.chat")
	if s.chat.unread > 0 {
		chat += " (" + strconv.Itoa(s.chat.unread) + ")"
	}
	s.tabs.buttons[1].setText(chat)
	s.drawVeil(snap, resting)
}

// showDetail tells more of a performer's connection, or hides it again.
func (s *stage) showDetail(id string) {
	for _, strip := range s.strips {
		if strip.id == id {
			left := strip.view.Position().X - s.scroll.Offset.X
			s.detail.toggle(id, left, left+strip.view.Size().Width)
		}
	}
	s.view.Refresh()
}

// keepStrips makes strips for those who came and drops those of who left.
func (s *stage) keepStrips(performers []session.Performer) {
	same := len(performers) == len(s.strips)
	for i := 0; same && i < len(performers); i++ {
		same = s.strips[i].id == performers[i].ID
	}
	if same {
		return
	}
	old := map[string]*performerStrip{}
	for _, strip := range s.strips {
		old[strip.id] = strip
	}
	s.strips, s.row.Objects = nil, nil
	for _, p := range performers {
		strip := old[p.ID]
		if strip == nil {
			strip = newPerformerStrip(s.desk, p.ID, func(set session.Strip) { s.engine.SetStrip(p.ID, set) }, func() { s.showDetail(p.ID) })
		}
		s.strips, s.row.Objects = append(s.strips, strip), append(s.row.Objects, strip.view)
	}
	s.empty.Hidden = len(performers) > 0
	s.view.Refresh()
}

func (s *stage) drawVeil(snap session.Snapshot, resting bool) {
	var top, sub string
	switch {
	case resting:
		top, sub = s.desk.say("stage.resting"), s.desk.say("stage.resting.note")
	case snap.State == session.StateConnecting:
		top, sub = s.desk.say("stage.connecting"), s.desk.say("stage.connecting.note")
	case snap.State == session.StateReconnecting:
		top, sub = s.desk.say("stage.reconnecting"), s.desk.say("stage.reconnecting.note")
	}
	if s.veilTop.Text == top {
		return
	}
	s.veil.Hidden = top == ""
	setText(s.veilTop, top, shadeText)
	s.veilSub.SetText(sub)
	s.empty.Hidden = len(s.strips) > 0 || top != ""
	s.view.Refresh()
}

// stageLayout gives the own strip and the side panel their widths and the others the rest, with a line between.
type stageLayout struct{}

// Layout implements fyne.Layout.
func (stageLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	const gap = 8
	own, side := float32(192), float32(248)
	if size.Width >= 1100 {
		own, side = 240, 320
	}
	h := size.Height
	place(objects[0], 0, 0, own, h)
	place(objects[1], own+gap, 0, size.Width-own-side-2*gap, h)
	place(objects[2], size.Width-side, 0, side, h)
	place(objects[3], own+gap/2, 0, 1, h)
	place(objects[4], size.Width-side-gap/2, 0, 1, h)
}

// MinSize implements fyne.Layout.
func (stageLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var h float32
	for _, o := range objects {
		h = max(h, o.MinSize().Height)
	}
	return fyne.NewSize(192+248+16+236, h)
}
