package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// desk is what every control needs of its window.
type desk struct {
	words          *words
	keyDown, keyUp func(*fyne.KeyEvent) // the stage's keys: M and Space
	spaceMutes     func() bool
	toggleMute     func()
	focus          func(fyne.Focusable) // nil takes the focus from everything
	copyText       func(string)
	spots          map[string]fyne.CanvasObject // controls by name, for the map of the window
}

func (d *desk) say(key string, pairs ...string) string { return d.words.say(key, pairs...) }

// textEntry is a line of text that Escape leaves, and where Ctrl+M still mutes.
type textEntry struct {
	widget.Entry
	desk     *desk
	onEscape func() // before the focus goes; may be nil
	onLost   func() // may be nil
	focused  bool
	kept     string // what show put there last
}

// show puts a text there once it is another than before: what somebody writes, or has to correct, stays.
func (e *textEntry) show(text string) {
	if text != e.kept {
		e.kept = text
		e.SetText(text)
	}
}

func newTextEntry(d *desk, placeHolder string) *textEntry {
	e := &textEntry{desk: d}
	e.ExtendBaseWidget(e)
	e.PlaceHolder = placeHolder
	return e
}

// TypedKey implements fyne.Focusable.
func (e *textEntry) TypedKey(k *fyne.KeyEvent) {
	if k.Name != fyne.KeyEscape {
		e.Entry.TypedKey(k)
		return
	}
	if e.onEscape != nil {
		e.onEscape()
	}
	e.desk.focus(nil)
}

// TypedShortcut implements fyne.Shortcutable.
func (e *textEntry) TypedShortcut(s fyne.Shortcut) {
	if custom, ok := s.(*desktop.CustomShortcut); ok && custom.KeyName == fyne.KeyM {
		e.desk.toggleMute()
		return
	}
	e.Entry.TypedShortcut(s)
}

// FocusGained implements fyne.Focusable.
func (e *textEntry) FocusGained() { e.focused = true; e.Entry.FocusGained() }

// FocusLost implements fyne.Focusable.
func (e *textEntry) FocusLost() {
	e.focused = false
	e.Entry.FocusLost()
	if e.onLost != nil {
		e.onLost()
	}
}

// gainEntry takes an exact gain in dB: Enter or leaving it sets it, Escape takes it back.
type gainEntry struct {
	entry     *textEntry
	value     float64
	onChanged func(float64)
}

func newGainEntry(d *desk, onChanged func(float64)) *gainEntry {
	g := &gainEntry{entry: newTextEntry(d, ""), onChanged: onChanged}
	g.entry.onEscape = func() { g.entry.SetText(gainText(g.value)) }
	g.entry.onLost = g.commit
	g.entry.OnSubmitted = func(string) { g.commit(); d.focus(nil) }
	g.entry.SetText(gainText(0))
	return g
}

func (g *gainEntry) set(value float64) {
	if value == g.value || g.entry.focused {
		return
	}
	g.value = value
	g.entry.SetText(gainText(value))
}

func (g *gainEntry) commit() {
	value, err := parseGain(g.entry.Text)
	if err == nil && value != g.value {
		g.value = value
		g.onChanged(value)
	}
	g.entry.SetText(gainText(g.value))
}

// parseGain reads a gain in dB as people type it; it is limited to -80 and +12.
func parseGain(text string) (float64, error) {
	text = strings.TrimSpace(strings.ToLower(text))
	text = strings.NewReplacer("−", "-", "db", "", ",", ".", " ", "").Replace(text)
	if text == "-∞" || text == "-inf" {
		return -80, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is no gain in dB", text)
	}
	v = math.Round(min(max(v, -80), 12)*10) / 10
	return v + 0, nil // no negative zero
}

func gainText(db float64) string {
	if db <= -80 {
		return "-∞"
	}
	return fmt.Sprintf("%+.1f", db+0)
}

func panText(pan float64) string {
	percent := int(math.Round(pan * 100))
	switch {
	case percent < 0:
		return fmt.Sprintf("L%d", -percent)
	case percent > 0:
		return fmt.Sprintf("R%d", percent)
	}
	return "C"
}

// echoWait is how long a change by hand wins over older snapshots.
const echoWait = time.Second

// stripControl holds the controls of one strip. A change shows at once; it is sent at once or, for
// strips at the server, at most once per drawn frame, and until the snapshots agree (or echoWait is
// over) they do not turn it back.
type stripControl struct {
	strip   session.Strip
	lazy    bool
	dirty   bool
	until   time.Time
	send    func(session.Strip)
	gain    *fader
	exact   *gainEntry
	pan     *fader
	panText *canvas.Text
	mute    *button
	solo    *button
}

func newStripControl(d *desk, vertical, lazy bool, send func(session.Strip)) *stripControl {
	c := &stripControl{lazy: lazy, send: send, panText: newText("C", sizeCaption, shadeDim, false)}
	setGain := func(db float64) { c.change(func(s *session.Strip) { s.GainDB = db }) }
	c.gain = newFader(d, gainLaw(), vertical, setGain)
	c.exact = newGainEntry(d, setGain)
	c.pan = newFader(d, panLaw(), false, func(pan float64) { c.change(func(s *session.Strip) { s.Pan = pan }) })
	c.mute = newButton(d, buttonMute, d.say("strip.mute"), func() { c.change(func(s *session.Strip) { s.Mute = !s.Mute }) })
	c.solo = newButton(d, buttonSolo, d.say("strip.solo"), func() { c.change(func(s *session.Strip) { s.Solo = !s.Solo }) })
	return c
}

func (c *stripControl) change(edit func(*session.Strip)) {
	edit(&c.strip)
	c.dirty = true
	c.show()
	if !c.lazy {
		c.flush(time.Now())
	}
}

func (c *stripControl) flush(now time.Time) {
	if c.dirty {
		c.dirty, c.until = false, now.Add(echoWait)
		c.send(c.strip)
	}
}

// draw takes the strip as the snapshot has it.
func (c *stripControl) draw(s session.Strip, now time.Time) {
	c.flush(now)
	if s == c.strip {
		c.until = time.Time{}
		return
	}
	if now.Before(c.until) {
		return
	}
	c.strip = s
	c.show()
}

func (c *stripControl) show() {
	c.gain.set(c.strip.GainDB)
	c.exact.set(c.strip.GainDB)
	c.pan.set(c.strip.Pan)
	setText(c.panText, panText(c.strip.Pan), shadeDim)
	c.mute.setOn(c.strip.Mute)
	c.solo.setOn(c.strip.Solo)
}
