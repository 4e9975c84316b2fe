package ui

import (
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// law is how a fader's travel (0 to 1) and its value belong together, and its keyboard steps.
type law struct {
	toTravel, toValue func(float64) float64
	low, high, rest   float64 // limits, and where a double click returns to
	step, leap        float64 // arrow keys; page keys
}

// gainLaw is a gain in dB from -80 to +12 with 0 dB at three quarters of the travel: arrows step by 1 dB.
func gainLaw() law {
	points := []struct{ db, at float64 }{{-80, 0}, {-60, 0.04}, {-40, 0.14}, {-20, 0.38}, {-10, 0.56}, {0, 0.76}, {12, 1}}
	return law{
		low: -80, high: 12, step: 1, leap: 6,
		toTravel: func(db float64) float64 {
			for i := 1; i < len(points); i++ {
				if lo, hi := points[i-1], points[i]; db <= hi.db {
					return lo.at + (max(db, lo.db)-lo.db)/(hi.db-lo.db)*(hi.at-lo.at)
				}
			}
			return 1
		},
		toValue: func(at float64) float64 {
			for i := 1; i < len(points); i++ {
				if lo, hi := points[i-1], points[i]; at <= hi.at {
					return lo.db + (max(at, lo.at)-lo.at)/(hi.at-lo.at)*(hi.db-lo.db)
				}
			}
			return 12
		},
	}
}

// panLaw is a balance from -1 (left) to +1 (right) with steps of 0.05.
func panLaw() law {
	return law{
		low: -1, high: 1, step: 0.05, leap: 0.25,
		toTravel: func(pan float64) float64 { return (pan + 1) / 2 },
		toValue:  func(at float64) float64 { return at*2 - 1 },
	}
}

// fader is a slider for a performer's hand: a click only takes the focus, dragging moves the cap
// relative to where it was, so that nothing jumps. Keys: arrows one step, page up and down a leap,
// Home the resting value, Delete the lowest; a double click returns to rest.
type fader struct {
	widget.BaseWidget
	desk      *desk
	law       law
	vertical  bool
	value     float64
	travel    float64 // of a drag, so that fine movements are not lost to rounding
	dragging  bool
	focused   bool
	onChanged func(float64)
	track     *canvas.Rectangle
	rest      *canvas.Rectangle
	fill      *canvas.Rectangle
	cap, mark *canvas.Rectangle
}

func newFader(d *desk, l law, vertical bool, onChanged func(float64)) *fader {
	f := &fader{
		desk: d, law: l, vertical: vertical, value: l.rest, onChanged: onChanged,
		track: canvas.NewRectangle(shadeWell), rest: canvas.NewRectangle(shadeFaint), fill: canvas.NewRectangle(shadeAccent.dim(0x70)),
		cap: canvas.NewRectangle(shadeHover), mark: canvas.NewRectangle(shadeText),
	}
	f.cap.CornerRadius = 5
	f.cap.StrokeWidth, f.cap.StrokeColor = 1, shadeFaint
	f.ExtendBaseWidget(f)
	return f
}

// set shows a value without telling anybody.
func (f *fader) set(value float64) {
	if value == f.value || f.dragging {
		return
	}
	f.value = value
	f.Refresh()
}

// change is a change by hand: rounded to a tenth of a step, limited, told.
func (f *fader) change(value float64) {
	grain := f.law.step / 10
	value = math.Round(min(max(value, f.law.low), f.law.high)/grain) * grain
	value = math.Round(value*1000) / 1000
	if value == f.value {
		return
	}
	f.value = value
	f.Refresh()
	f.onChanged(value)
}

// Dragged implements fyne.Draggable.
func (f *fader) Dragged(e *fyne.DragEvent) {
	if !f.dragging {
		f.dragging, f.travel = true, f.law.toTravel(f.value)
	}
	length := f.length()
	if length <= 0 {
		return
	}
	if f.vertical {
		f.travel -= float64(e.Dragged.DY / length)
	} else {
		f.travel += float64(e.Dragged.DX / length)
	}
	f.change(f.law.toValue(min(max(f.travel, 0), 1)))
}

// DragEnd implements fyne.Draggable.
func (f *fader) DragEnd() { f.dragging = false }

// DoubleTapped implements fyne.DoubleTappable.
func (f *fader) DoubleTapped(*fyne.PointEvent) { f.change(f.law.rest) }

// MouseDown implements desktop.Mouseable: a press takes the focus.
func (f *fader) MouseDown(*desktop.MouseEvent) { f.desk.focus(f) }

// MouseUp implements desktop.Mouseable.
func (f *fader) MouseUp(*desktop.MouseEvent) {}

// FocusGained implements fyne.Focusable.
func (f *fader) FocusGained() { f.focused = true; f.Refresh() }

// FocusLost implements fyne.Focusable.
func (f *fader) FocusLost() { f.focused = false; f.Refresh() }

// TypedRune implements fyne.Focusable.
func (f *fader) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (f *fader) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeyUp, fyne.KeyRight:
		f.change(f.value + f.law.step)
	case fyne.KeyDown, fyne.KeyLeft:
		f.change(f.value - f.law.step)
	case fyne.KeyPageUp:
		f.change(f.value + f.law.leap)
	case fyne.KeyPageDown:
		f.change(f.value - f.law.leap)
	case fyne.KeyHome:
		f.change(f.law.rest)
	case fyne.KeyDelete:
		f.change(f.law.low)
	case fyne.KeyEscape:
		f.desk.focus(nil)
	}
}

// KeyDown implements desktop.Keyable and passes the stage's keys on.
func (f *fader) KeyDown(e *fyne.KeyEvent) { f.desk.keyDown(e) }

// KeyUp implements desktop.Keyable.
func (f *fader) KeyUp(e *fyne.KeyEvent) { f.desk.keyUp(e) }

// Cursor implements desktop.Cursorable.
func (f *fader) Cursor() desktop.Cursor {
	if f.vertical {
		return desktop.VResizeCursor
	}
	return desktop.HResizeCursor
}

const capLength, capBreadth = 24, 28

func (f *fader) length() float32 {
	if f.vertical {
		return f.Size().Height - capLength
	}
	return f.Size().Width - capLength
}

// MinSize implements fyne.CanvasObject.
func (f *fader) MinSize() fyne.Size {
	f.ExtendBaseWidget(f)
	if f.vertical {
		return fyne.NewSize(capBreadth+4, 80)
	}
	return fyne.NewSize(60, 24)
}

// CreateRenderer implements fyne.Widget.
func (f *fader) CreateRenderer() fyne.WidgetRenderer { return faderParts{f} }

type faderParts struct{ f *fader }

func (p faderParts) Destroy()           {}
func (p faderParts) MinSize() fyne.Size { return p.f.MinSize() }
func (p faderParts) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{p.f.track, p.f.fill, p.f.rest, p.f.cap, p.f.mark}
}

func (p faderParts) Layout(size fyne.Size) {
	f := p.f
	at, rest := float32(f.law.toTravel(f.value)), float32(f.law.toTravel(f.law.rest))
	f.fill.Hidden = at == rest
	f.rest.Hidden = f.fill.Hidden
	if f.vertical {
		x, y := size.Width/2, capLength/2+f.length()*(1-at)
		yRest := capLength/2 + f.length()*(1-rest)
		place(f.track, x-3, capLength/2, 6, f.length())
		place(f.fill, x-3, min(y, yRest), 6, max(y, yRest)-min(y, yRest))
		place(f.rest, x-9, yRest-1, 18, 1)
		place(f.cap, x-capBreadth/2, y-capLength/2, capBreadth, capLength)
		place(f.mark, x-capBreadth/2+4, y-1, capBreadth-8, 2)
		return
	}
	y, x := size.Height/2, capLength/2+f.length()*at
	xRest := capLength/2 + f.length()*rest
	place(f.track, capLength/2, y-3, f.length(), 6)
	place(f.fill, min(x, xRest), y-3, max(x, xRest)-min(x, xRest), 6)
	place(f.rest, xRest, y-7, 1, 14)
	place(f.cap, x-9, y-10, 18, 20)
	place(f.mark, x-1, y-7, 2, 14)
}

func (p faderParts) Refresh() {
	f := p.f
	f.cap.FillColor, f.cap.StrokeColor, f.cap.StrokeWidth = shadeHover, shadeFaint, 1
	if f.focused {
		f.cap.StrokeColor, f.cap.StrokeWidth = shadeAccent, 2
	}
	p.Layout(f.Size())
	canvas.Refresh(f.cap)
}

// place moves and resizes an object in one line.
func place(o fyne.CanvasObject, x, y, w, h float32) {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
}
