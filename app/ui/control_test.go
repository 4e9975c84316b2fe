package ui

import (
	"math"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"gasso/app/session"
)

func testDesk(t *testing.T) *desk {
	t.Helper()
	test.NewTempApp(t)
	en, err := loadWords("en")
	if err != nil {
		t.Fatal(err)
	}
	ignore := func(*fyne.KeyEvent) {}
	return &desk{words: en, keyDown: ignore, keyUp: ignore, spaceMutes: func() bool { return true }, toggleMute: func() {},
		focus: func(fyne.Focusable) {}, copyText: func(string) {}, spots: map[string]fyne.CanvasObject{}}
}

func TestFaderKeys(t *testing.T) {
	var told float64
	f := newFader(testDesk(t), gainLaw(), true, func(v float64) { told = v })
	press := func(key fyne.KeyName, times int) {
		for range times {
			f.TypedKey(&fyne.KeyEvent{Name: key})
		}
	}
	press(fyne.KeyDown, 12)
	if f.value != -12 || told != -12 {
		t.Errorf("12 times down: %v, told %v", f.value, told)
	}
	press(fyne.KeyPageUp, 1)
	if told != -6 {
		t.Errorf("page up: %v", told)
	}
	press(fyne.KeyUp, 40)
	if told != 12 {
		t.Errorf("upper limit: %v", told)
	}
	f.DoubleTapped(nil)
	if told != 0 {
		t.Errorf("double click: %v", told)
	}
	press(fyne.KeyDelete, 1)
	if told != -80 {
		t.Errorf("delete: %v", told)
	}
	press(fyne.KeyHome, 1)
	if told != 0 {
		t.Errorf("home: %v", told)
	}
}

func TestFaderDragMovesRelatively(t *testing.T) {
	f := newFader(testDesk(t), gainLaw(), true, func(float64) {})
	f.Resize(fyne.NewSize(40, 324)) // 300 of travel
	f.set(-10)
	f.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(0, -30)})
	want := gainLaw().toValue(gainLaw().toTravel(-10) + 0.1)
	if math.Abs(f.value-want) > 0.06 {
		t.Errorf("after a drag up by a tenth: %v, want %v", f.value, want)
	}
	f.set(3) // a snapshot must not take the cap out of the hand
	if math.Abs(f.value-want) > 0.06 {
		t.Errorf("a snapshot moved the fader while it was held: %v", f.value)
	}
	f.DragEnd()
	f.set(3)
	if f.value != 3 {
		t.Errorf("after letting go: %v", f.value)
	}
}

func TestLawsRoundTrip(t *testing.T) {
	for name, l := range map[string]law{"gain": gainLaw(), "pan": panLaw()} {
		last := -1.0
		for v := l.low; v <= l.high; v += l.step {
			at := l.toTravel(v)
			if at < last || at < 0 || at > 1.000001 {
				t.Errorf("%s: travel %v at %v is not rising within 0 to 1", name, at, v)
			}
			last = at
			if back := l.toValue(at); math.Abs(back-v) > 1e-9 {
				t.Errorf("%s: %v became %v", name, v, back)
			}
		}
	}
}

func TestParseGain(t *testing.T) {
	for text, want := range map[string]float64{"-12": -12, " +3.5 dB": 3.5, "−6": -6, "-4,25": -4.3, "99": 12, "-200": -80, "-∞": -80, "-0": 0} {
		if got, err := parseGain(text); err != nil || got != want || math.Signbit(got) != math.Signbit(want) {
			t.Errorf("parseGain(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "loud", "NaN", "1e"} {
		if got, err := parseGain(text); err == nil {
			t.Errorf("parseGain(%q) = %v without an error", text, got)
		}
	}
}

func TestGainEntryTakesExactValues(t *testing.T) {
	var told []float64
	g := newGainEntry(testDesk(t), func(v float64) { told = append(told, v) })
	g.entry.SetText("-7.5")
	g.entry.OnSubmitted(g.entry.Text)
	if len(told) != 1 || told[0] != -7.5 || g.entry.Text != "-7.5" {
		t.Errorf("told %v, shows %q", told, g.entry.Text)
	}
	g.entry.SetText("nonsense")
	g.entry.OnSubmitted(g.entry.Text)
	if len(told) != 1 || g.entry.Text != "-7.5" {
		t.Errorf("nonsense: told %v, shows %q", told, g.entry.Text)
	}
	g.entry.SetText("5")
	g.entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	if g.entry.Text != "-7.5" {
		t.Errorf("escape shows %q", g.entry.Text)
	}
}

func TestStripControlWaitsForTheEcho(t *testing.T) {
	var sent []session.Strip
	c := newStripControl(testDesk(t), true, true, func(s session.Strip) { sent = append(sent, s) })
	now := time.Now()
	old, mine := session.Strip{}, session.Strip{GainDB: -6}
	c.change(func(s *session.Strip) { s.GainDB = -3 })
	c.change(func(s *session.Strip) { s.GainDB = -6 })
	if len(sent) != 0 {
		t.Fatalf("a lazy strip sent %v before the frame", sent)
	}
	c.draw(old, now)
	if len(sent) != 1 || sent[0] != mine || c.gain.value != -6 {
		t.Errorf("first frame: sent %v, shows %v", sent, c.gain.value)
	}
	c.draw(old, now.Add(echoWait/2))
	if c.gain.value != -6 {
		t.Error("an old snapshot took the change back")
	}
	c.draw(mine, now.Add(echoWait/2))
	c.draw(session.Strip{GainDB: 2}, now.Add(echoWait/2+time.Millisecond))
	if c.gain.value != 2 {
		t.Errorf("somebody else's change after the echo shows %v", c.gain.value)
	}
	c.change(func(s *session.Strip) { s.Mute = true })
	c.draw(old, now)
	c.draw(old, now.Add(2*echoWait))
	if c.mute.on {
		t.Error("a refused change still shows after the wait")
	}
}

func TestMeterPositionsAndPeakHold(t *testing.T) {
	if meterPosition(math.Inf(-1)) != 0 || meterPosition(math.NaN()) != 0 || meterPosition(3) != 1 {
		t.Error("limits of the meter are wrong")
	}
	for db := -60.0; db < 0; db++ {
		if meterPosition(db+1) <= meterPosition(db) {
			t.Fatalf("position does not rise at %v dB", db)
		}
	}
	var h peakHold
	now := time.Now()
	h.add(-6, now)
	h.add(-30, now.Add(peakHoldFor))
	if h.db != -6 {
		t.Errorf("held peak %v", h.db)
	}
	h.add(-30, now.Add(peakHoldFor+500*time.Millisecond))
	if math.Abs(h.db+16) > 0.01 {
		t.Errorf("after half a second of falling: %v", h.db)
	}
	h.add(-3, now.Add(3*time.Second))
	if h.db != -3 {
		t.Errorf("a new peak: %v", h.db)
	}
}

func TestMeterDrawsOnlyWhatMoved(t *testing.T) {
	testDesk(t)
	m := newMeter(true, true, 30)
	test.NewTempWindow(t, m).Resize(fyne.NewSize(60, 400))
	now := time.Now()
	m.set(session.Level{PeakDB: -6, RMSDB: -18}, now)
	if m.parts.place() {
		t.Error("placed again without a change")
	}
	if m.parts.rms[0].Hidden || m.parts.peak[1].Hidden || !m.parts.peak[2].Hidden {
		t.Error("the wrong zones are lit at -6 dB peak, -18 dB RMS")
	}
	m.set(session.Level{PeakDB: -120, RMSDB: -120}, now.Add(time.Minute))
	m.set(session.Level{PeakDB: -120, RMSDB: -120}, now.Add(10*time.Minute))
	for range 10 {
		now = now.Add(20 * time.Minute)
		m.set(session.Level{PeakDB: -120, RMSDB: -120}, now)
	}
	if !m.parts.rms[0].Hidden || !m.parts.peak[0].Hidden || !m.parts.line.Hidden {
		t.Error("silence lights something")
	}
}
