package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// buttonKind is how a button looks when it is on.
type buttonKind int

const (
	buttonPlain   buttonKind = iota
	buttonPrimary            // always filled with the accent
	buttonChoice             // one of several; on is filled with the accent
	buttonMute               // on is red
	buttonSolo               // on is amber
	buttonSwitch             // label at the left, a switch at the right
)

// button is a button, a toggle or a switch. Unlike Fyne's own it leaves the Space key to the stage
// while a room is joined (Enter presses it there), and passes the stage's keys on.
type button struct {
	widget.BaseWidget
	desk     *desk
	kind     buttonKind
	text     string
	size     float32
	height   float32
	on       bool
	disabled bool
	hovered  bool
	focused  bool
	onTap    func()
	back     *canvas.Rectangle
	label    *canvas.Text
	pill     *canvas.Rectangle
	knob     *canvas.Circle
}

func newButton(d *desk, kind buttonKind, text string, onTap func()) *button {
	b := &button{
		desk: d, kind: kind, text: text, size: sizeText, height: 34, onTap: onTap,
		back: canvas.NewRectangle(shadeRaised), label: canvas.NewText(text, shadeText),
		pill: canvas.NewRectangle(shadeWell), knob: canvas.NewCircle(shadeDim),
	}
	b.back.CornerRadius, b.pill.CornerRadius = 6, 9
	b.label.TextStyle.Bold = kind != buttonSwitch && kind != buttonPlain
	b.ExtendBaseWidget(b)
	return b
}

// large gives a button another text size and height.
func (b *button) large(size, height float32) *button {
	b.size, b.height = size, height
	return b
}

func (b *button) setOn(on bool) {
	if on != b.on {
		b.on = on
		b.Refresh()
	}
}

func (b *button) setText(text string) {
	if text != b.text {
		b.text = text
		b.Refresh()
	}
}

func (b *button) setDisabled(disabled bool) {
	if disabled != b.disabled {
		b.disabled = disabled
		b.Refresh()
	}
}

func (b *button) press() {
	if !b.disabled {
		b.onTap()
	}
}

// Tapped implements fyne.Tappable.
func (b *button) Tapped(*fyne.PointEvent) { b.press() }

// MouseIn implements desktop.Hoverable.
func (b *button) MouseIn(*desktop.MouseEvent) { b.hovered = true; b.Refresh() }

// MouseMoved implements desktop.Hoverable.
func (b *button) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (b *button) MouseOut() { b.hovered = false; b.Refresh() }

// FocusGained implements fyne.Focusable.
func (b *button) FocusGained() { b.focused = true; b.Refresh() }

// FocusLost implements fyne.Focusable.
func (b *button) FocusLost() { b.focused = false; b.Refresh() }

// TypedRune implements fyne.Focusable.
func (b *button) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (b *button) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeyReturn, fyne.KeyEnter:
		b.press()
	case fyne.KeySpace:
		if !b.desk.spaceMutes() {
			b.press()
		}
	case fyne.KeyEscape:
		b.desk.focus(nil)
	}
}

// KeyDown implements desktop.Keyable.
func (b *button) KeyDown(e *fyne.KeyEvent) { b.desk.keyDown(e) }

// KeyUp implements desktop.Keyable.
func (b *button) KeyUp(e *fyne.KeyEvent) { b.desk.keyUp(e) }

// MinSize implements fyne.CanvasObject.
func (b *button) MinSize() fyne.Size {
	b.ExtendBaseWidget(b)
	w := fyne.MeasureText(b.text, b.size, b.label.TextStyle).Width + 22
	if b.kind == buttonSwitch {
		w += 34
	}
	return fyne.NewSize(w, b.height)
}

// CreateRenderer implements fyne.Widget.
func (b *button) CreateRenderer() fyne.WidgetRenderer {
	p := buttonParts{b}
	p.colour()
	return p
}

type buttonParts struct{ b *button }

func (p buttonParts) Destroy()           {}
func (p buttonParts) MinSize() fyne.Size { return p.b.MinSize() }
func (p buttonParts) Objects() []fyne.CanvasObject {
	if p.b.kind == buttonSwitch {
		return []fyne.CanvasObject{p.b.back, p.b.label, p.b.pill, p.b.knob}
	}
	return []fyne.CanvasObject{p.b.back, p.b.label}
}

func (p buttonParts) Layout(size fyne.Size) {
	b := p.b
	b.back.Resize(size)
	text := b.label.MinSize()
	y := (size.Height - text.Height) / 2
	if b.kind != buttonSwitch {
		place(b.label, max((size.Width-text.Width)/2, 3), y, text.Width, text.Height)
		return
	}
	place(b.label, 10, y, text.Width, text.Height)
	place(b.pill, size.Width-42, size.Height/2-9, 32, 18)
	x := size.Width - 40
	if b.on {
		x += 14
	}
	place(b.knob, x, size.Height/2-7, 14, 14)
}

func (p buttonParts) Refresh() {
	p.colour()
	p.Layout(p.b.Size())
	canvas.Refresh(p.b.back)
	canvas.Refresh(p.b.label)
}

func (p buttonParts) colour() {
	b := p.b
	fill, text := p.shades()
	if b.disabled {
		fill, text = shadeCard, shadeFaint
	}
	b.back.FillColor = fill
	b.back.StrokeWidth, b.back.StrokeColor = 0, shadeOutline
	if b.focused {
		b.back.StrokeWidth, b.back.StrokeColor = 2, shadeAccent
		if fill == shadeAccent {
			b.back.StrokeColor = shadeText
		}
	}
	b.label.Text, b.label.TextSize, b.label.Color = b.text, b.size, text
	b.pill.FillColor, b.knob.FillColor = shadeWell, shadeDim
	if b.on {
		b.pill.FillColor, b.knob.FillColor = shadeAccent, shadeText
	}
	if b.disabled {
		b.knob.FillColor = shadeFaint
	}
}

func (p buttonParts) shades() (fill, text shade) {
	b := p.b
	switch {
	case b.kind == buttonPrimary, b.kind == buttonChoice && b.on:
		return shadeAccent, shadeOnAccent
	case b.kind == buttonMute && b.on:
		return shadeLive, shadeText
	case b.kind == buttonSolo && b.on:
		return shadeFair, shadeOnAccent
	case b.hovered:
		return shadeHover, shadeText
	}
	if b.kind == buttonChoice {
		return shadeRaised, shadeDim
	}
	return shadeRaised, shadeText
}

// choice is a row of buttons of which one is on.
type choice struct {
	row     *fyne.Container
	buttons []*button
	values  []string
}

// newChoice makes a row; values and texts go in pairs.
func newChoice(d *desk, onPick func(value string), pairs ...string) *choice {
	c := &choice{row: newRow(4)}
	for i := 0; i+1 < len(pairs); i += 2 {
		value := pairs[i]
		b := newButton(d, buttonChoice, pairs[i+1], func() { onPick(value) })
		c.buttons, c.values = append(c.buttons, b), append(c.values, value)
		c.row.Add(b)
	}
	return c
}

func (c *choice) set(value string) {
	for i, b := range c.buttons {
		b.setOn(c.values[i] == value)
	}
}
