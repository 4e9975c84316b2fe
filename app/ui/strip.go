package ui

import (
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// narrowStrip is the least width of a strip: what it says of the connection fits.
const narrowStrip = 108

// performerStrip shows another performer: name, connection, meter, and the strip at this loudspeaker.
type performerStrip struct {
	desk    *desk
	id      string
	name    *widget.Label
	dot     *canvas.Circle
	quality *canvas.Text
	path    *canvas.Text
	loss    *canvas.Text
	buffer  *canvas.Text
	detail  *button
	meter   *meter
	peak    *canvas.Text
	control *stripControl
	view    *fyne.Container
}

func newPerformerStrip(d *desk, id string, send func(session.Strip), detail func()) *performerStrip {
	s := &performerStrip{
		desk: d, id: id, name: newName(""), dot: canvas.NewCircle(shadeFaint),
		quality: newText("", sizeText, shadeDim, true), path: newText("", sizeCaption, shadeDim, false),
		loss: newText("", sizeCaption, shadeDim, false), buffer: newText("", sizeCaption, shadeDim, false),
		detail: newButton(d, buttonPlain, "…", detail).large(sizeText, 20), meter: newMeter(true, true, 30),
		peak: newText("-∞", sizeText, shadeDim, true), control: newStripControl(d, true, false, send),
	}
	s.peak.Alignment = fyne.TextAlignCenter
	c := s.control
	dot := container.NewCenter(container.NewGridWrap(fyne.NewSize(9, 9), s.dot))
	head := container.NewBorder(nil, nil, container.NewHBox(dot, s.quality), withWidth(24, s.detail))
	link := newColumn(1, -1, head, s.path, s.loss, s.buffer)
	middle := container.NewHBox(layout.NewSpacer(), c.gain, s.meter, layout.NewSpacer())
	pan := container.NewBorder(nil, nil, nil, withWidth(28, c.panText), c.pan)
	body := newColumn(6, 2, s.name, newInset(1, link), middle, s.peak, c.exact.entry, pan, newRow(4, c.mute, c.solo))
	s.view = newInset(6, body)
	return s
}

// place names the strip's controls for the map of the window.
func (s *performerStrip) spots(name string) {
	c := s.control
	for what, o := range map[string]fyne.CanvasObject{
		"gain": c.gain, "gain-entry": c.exact.entry, "pan": c.pan, "mute": c.mute, "solo": c.solo, "meter": s.meter, "detail": s.detail,
	} {
		s.desk.spots["strip."+name+"."+what] = o
	}
}

func (s *performerStrip) draw(p session.Performer, whose string, serverRTT time.Duration, now time.Time) {
	if s.name.Text != p.Name {
		s.name.SetText(p.Name)
		s.spots(p.Name)
	}
	s.meter.set(p.Level, now)
	peak := shadeDim
	if s.meter.hold.db > -1 {
		peak = shadeBad
	}
	setText(s.peak, levelText(s.meter.hold.db), peak)
	s.control.draw(p.Strip, now)
	s.drawLink(p, whose, serverRTT)
}

// drawLink shows the connection; whose is on whose side it fails, if it does.
func (s *performerStrip) drawLink(p session.Performer, whose string, serverRTT time.Duration) {
	word, colour := qualityWord(s.desk.words, p.Link.Quality)
	if s.dot.FillColor != colour {
		s.dot.FillColor = colour
		s.dot.Refresh()
	}
	setText(s.quality, word, colour)
	setText(s.path, pathText(s.desk.words, p.Link, serverRTT), shadeDim)
	lossShade := shadeDim
	if p.ConcealedRatio >= 0.01 {
		lossShade = shadeFair
	}
	loss := s.desk.say("link.loss", "percent", fmt.Sprintf("%.1f", 100*p.ConcealedRatio))
	if whose != "" {
		loss, lossShade = whose, shadeFair
	}
	setText(s.loss, loss, lossShade)
	buffer := ""
	if p.TargetDelay > 0 {
		buffer = s.desk.say("link.buffer", "ms", millis(p.TargetDelay))
	}
	if p.Latency.Total > 0 {
		buffer = s.desk.say("link.latency", "ms", millis(p.Latency.Total))
	}
	setText(s.buffer, buffer, shadeDim)
}

// qualityWord is a connection's quality in one word and its colour.
func qualityWord(w *words, q session.Quality) (string, shade) {
	switch q {
	case session.QualityGood:
		return w.say("quality.good"), shadeGood
	case session.QualityFair:
		return w.say("quality.fair"), shadeFair
	case session.QualityPoor:
		return w.say("quality.poor"), shadeBad
	case session.QualitySilent:
		return w.say("quality.silent"), shadeFaint
	}
	return w.say("quality.connecting"), shadeDim
}

// pathText tells how packets come and how long the way there and back takes.
func pathText(w *words, l session.Link, serverRTT time.Duration) string {
	switch {
	case l.Direct && l.Relayed:
		return w.say("link.relay", "ms", millis(l.DirectRTT))
	case l.Direct:
		return w.say("link.direct", "ms", millis(l.DirectRTT))
	case l.Forwarded:
		return w.say("link.server", "ms", millis(serverRTT))
	}
	return w.say("link.none")
}

// millis is a duration in whole milliseconds, in tenths below ten.
func millis(d time.Duration) string {
	ms := inMillis(d)
	if ms < 9.95 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func inMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
