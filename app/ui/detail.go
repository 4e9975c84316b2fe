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

const (
	detailWidth = 290
	detailEvery = 500 * time.Millisecond
	nearDelay   = 1250 * time.Microsecond // a line as near as this to the delay in effect stands for it
)

// linkDetail tells in words how a performer is heard: the way, the buffer and what other delays would
// have cost, and what protects against loss. It lies over the strips, beside the one that it is about.
type linkDetail struct {
	desk    *desk
	id      string // of the performer; empty while nothing is shown
	name    *widget.Label
	finding *widget.Label // what is wrong and on whose side
	path    *widget.Label
	latency *widget.Label
	buffer  *canvas.Text
	rows    []*canvas.Text
	outlook *fyne.Container
	filled  *widget.Label
	guard   *widget.Label
	close   *button
	card    *fyne.Container
	view    *fyne.Container
	place   *besideStrip
	drawn   time.Time
}

func newLinkDetail(d *desk) *linkDetail {
	l := &linkDetail{
		desk: d, name: newName(""), finding: newNote("", false), path: newNote("", false), latency: newNote("", false), buffer: newText("", sizeText, shadeText, true),
		outlook: newColumn(2, -1), filled: newNote("", true), guard: newNote("", true), place: &besideStrip{},
	}
	l.close = newButton(d, buttonPlain, d.say("detail.close"), l.hide).large(sizeCaption, 26)
	head := container.NewBorder(nil, nil, nil, l.close, l.name)
	body := newColumn(6, -1, head, l.finding, l.path, l.latency, newInset(6, newColumn(6, -1, l.buffer, l.outlook)), l.filled, l.guard)
	edge := canvas.NewRectangle(shadeOutline)
	edge.CornerRadius = 11
	l.card = container.NewStack(newShield(), edge, newInset(1, newCard(8, body)))
	l.view = container.New(l.place, l.card)
	l.view.Hide()
	d.spots["detail.close"] = l.close
	return l
}

// toggle shows a performer's detail at the distance of its strip, or hides it.
func (l *linkDetail) toggle(id string, left, right float32) {
	if l.id == id {
		l.hide()
		return
	}
	l.id, l.drawn = id, time.Time{}
	l.place.left, l.place.right = left, right
	l.view.Show()
}

func (l *linkDetail) hide() {
	l.id = ""
	l.view.Hide()
}

// draw shows the figures twice a second; a performer who left takes the detail along.
func (l *linkDetail) draw(snap session.Snapshot, now time.Time) {
	if l.id == "" || now.Sub(l.drawn) < detailEvery {
		return
	}
	l.drawn = now
	for _, p := range snap.Performers {
		if p.ID == l.id {
			l.show(p, findingsText(l.desk.words, snap.Findings, p.ID), snap.ServerRTT)
			return
		}
	}
	l.hide()
}

func (l *linkDetail) show(p session.Performer, finding string, serverRTT time.Duration) {
	w := l.desk.words
	changed := false
	set := func(label *widget.Label, text string) {
		if label.Text != text {
			label.SetText(text)
			changed = true
		}
	}
	set(l.name, p.Name)
	set(l.finding, finding)
	setShown(l.finding, finding != "")
	set(l.path, wayText(w, p.Link, serverRTT))
	set(l.latency, latencyText(w, p.Latency))
	setShown(l.latency, p.Latency.Total > 0)
	set(l.filled, w.say("detail.filled", "percent", percentText(p.ConcealedRatio), "repaired", percentText(p.Link.RepairedRatio)))
	set(l.guard, guardText(w, p.Link))
	setText(l.buffer, w.say("detail.buffer", "ms", millis(p.TargetDelay)), shadeText)
	if l.showOutlook(p) || changed {
		l.view.Refresh()
	}
}

// showOutlook lists the delays, the one in effect bright; it tells whether the number of lines changed.
func (l *linkDetail) showOutlook(p session.Performer) bool {
	lines, near := outlookLines(l.desk.words, p)
	changed := len(lines) != len(l.rows)
	for len(l.rows) < len(lines) {
		l.rows = append(l.rows, newText("", sizeText, shadeDim, false))
	}
	l.rows = l.rows[:len(lines)]
	l.outlook.Objects = l.outlook.Objects[:0]
	for i, line := range lines {
		colour := shadeDim
		if i == near {
			colour = shadeAccent
		}
		setText(l.rows[i], line, colour)
		l.outlook.Objects = append(l.outlook.Objects, l.rows[i])
	}
	return changed
}

// outlookLines say what each delay would have cost, up to the first that costs nothing, and without those
// that cost the same as the one before; near is the line of the delay in effect, -1 without any.
func outlookLines(w *words, p session.Performer) (lines []string, near int) {
	near = -1
	before := ""
	for _, o := range p.Outlook {
		lost := percentText(o.LostRatio)
		inEffect := near < 0 && (o.Delay-p.TargetDelay).Abs() < nearDelay
		if lost == before && !inEffect {
			continue
		}
		if inEffect {
			near = len(lines)
		}
		before = lost
		lines = append(lines, w.say("detail.outlook", "ms", millis(o.Delay), "percent", lost))
		if lost == "0" && o.Delay >= p.TargetDelay {
			break
		}
	}
	if lines == nil {
		return []string{w.say("detail.outlook.none")}, near
	}
	return lines, near
}

// wayText tells which way a performer's sound comes.
func wayText(w *words, l session.Link, serverRTT time.Duration) string {
	switch {
	case l.Direct && l.Forwarded && l.Relayed:
		return w.say("detail.bothrelayed", "ms", millis(l.DirectRTT), "server", millis(serverRTT))
	case l.Direct && l.Relayed:
		return w.say("detail.relayed", "ms", millis(l.DirectRTT))
	case l.Direct && l.Forwarded:
		return w.say("detail.both", "ms", millis(l.DirectRTT), "server", millis(serverRTT))
	case l.Direct:
		return w.say("detail.direct", "ms", millis(l.DirectRTT))
	case l.Forwarded:
		return w.say("detail.server", "ms", millis(serverRTT))
	}
	return w.say("detail.noway")
}

// guardText tells what the own packets to a performer carry against loss.
func guardText(w *words, l session.Link) string {
	if l.RedundantDepth == 0 {
		return w.say("detail.plain")
	}
	return w.say("detail.copies", "n", fmt.Sprint(l.RedundantDepth))
}

// percentText is a share in percent, with as many decimals as mean something.
func percentText(ratio float64) string {
	switch percent := 100 * ratio; {
	case !(percent >= 0.005):
		return "0"
	case percent < 0.095:
		return fmt.Sprintf("%.2f", percent)
	case percent < 9.95:
		return fmt.Sprintf("%.1f", percent)
	default:
		return fmt.Sprintf("%.0f", percent)
	}
}

// besideStrip puts a card beside what lies between left and right, where there is room.
type besideStrip struct{ left, right float32 }

// Layout implements fyne.Layout.
func (b *besideStrip) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		w, h := min(detailWidth, size.Width), min(o.MinSize().Height, size.Height)
		x := b.right + 8
		if x+w > size.Width {
			x = b.left - 8 - w
		}
		place(o, min(max(x, 0), size.Width-w), 10, w, h)
	}
}

// MinSize implements fyne.Layout.
func (b *besideStrip) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.Size{} }

// shield takes the clicks on a card that lies over other controls.
type shield struct{ widget.BaseWidget }

func newShield() *shield {
	s := &shield{}
	s.ExtendBaseWidget(s)
	return s
}

// Tapped implements fyne.Tappable.
func (s *shield) Tapped(*fyne.PointEvent) {}

// Dragged implements fyne.Draggable.
func (s *shield) Dragged(*fyne.DragEvent) {}

// DragEnd implements fyne.Draggable.
func (s *shield) DragEnd() {}

// CreateRenderer implements fyne.Widget.
func (s *shield) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(canvas.NewRectangle(shadeClear))
}
