package ui

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

const maxChatRunes = 500

// chatPanel is the room's conversation and a line to write.
type chatPanel struct {
	desk   *desk
	selfID string
	lines  []session.ChatLine
	list   *fyne.Container
	scroll *container.Scroll
	entry  *textEntry
	failed *widget.Label
	empty  *widget.Label
	unread int
	shown  bool
	view   *fyne.Container
}

func newChatPanel(d *desk, send func(text string) error) *chatPanel {
	c := &chatPanel{desk: d, list: newColumn(2, -1), entry: newTextEntry(d, d.say("chat.write")), failed: newNote("", true), empty: newNote(d.say("chat.empty"), true)}
	c.failed.Hide()
	c.failed.Importance = widget.DangerImportance
	submit := func() {
		text := strings.TrimSpace(c.entry.Text)
		if text == "" {
			return
		}
		if runes := []rune(text); len(runes) > maxChatRunes {
			c.fail(d.say("chat.long", "n", "500"))
			return
		}
		if err := send(text); err != nil {
			c.fail(d.words.tell(err.Error()))
			return
		}
		c.fail("")
		c.entry.SetText("")
	}
	c.entry.OnSubmitted = func(string) { submit() }
	button := newButton(d, buttonPlain, d.say("chat.send"), submit)
	c.scroll = container.NewVScroll(c.list)
	bottom := newColumn(4, -1, c.failed, container.NewBorder(nil, nil, nil, button, c.entry))
	c.view = container.NewBorder(nil, bottom, nil, nil, container.NewStack(c.empty, c.scroll))
	d.spots["chat.entry"], d.spots["chat.send"] = c.entry, button
	return c
}

func (c *chatPanel) fail(text string) {
	c.failed.SetText(text)
	c.failed.Hidden = text == ""
	c.view.Refresh()
}

// draw shows the lines; those that come while the panel is hidden count as unread.
func (c *chatPanel) draw(lines []session.ChatLine, selfID string) {
	if c.shown {
		c.unread = 0
	}
	if sameLines(lines, c.lines) {
		return
	}
	fresh := lines
	if len(c.lines) > 0 {
		last := c.lines[len(c.lines)-1]
		for i, l := range lines {
			if l == last {
				fresh = lines[i+1:]
			}
		}
	}
	if !c.shown {
		c.unread += len(fresh)
	}
	c.lines, c.selfID = append([]session.ChatLine(nil), lines...), selfID
	c.list.Objects = nil
	for _, l := range lines {
		c.list.Objects = append(c.list.Objects, c.line(l))
	}
	c.empty.Hidden = len(lines) > 0
	c.list.Refresh()
	c.scroll.ScrollToBottom()
}

// sameLines compares by length and newest line: lines are only ever added and the oldest dropped.
func sameLines(a, b []session.ChatLine) bool {
	return len(a) == len(b) && (len(a) == 0 || a[len(a)-1] == b[len(b)-1] && a[0] == b[0])
}

func (c *chatPanel) line(l session.ChatLine) fyne.CanvasObject {
	name := theme.ColorNameForeground
	if l.FromID == c.selfID {
		name = theme.ColorNamePrimary
	}
	head := &widget.TextSegment{Text: l.Name + "  ", Style: widget.RichTextStyle{Inline: true, ColorName: name, TextStyle: fyne.TextStyle{Bold: true}}}
	at := &widget.TextSegment{Text: l.At.In(time.Local).Format("15:04"), Style: widget.RichTextStyle{ColorName: theme.ColorNamePlaceHolder, SizeName: theme.SizeNameCaptionText}}
	body := &widget.TextSegment{Text: l.Text, Style: widget.RichTextStyle{ColorName: theme.ColorNameForeground}}
	rich := widget.NewRichText(head, at, body)
	rich.Wrapping = fyne.TextWrapWord
	return rich
}
