package ui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"gasso/app/session"
)

func TestDetailTellsWhatOtherBuffersWouldCost(t *testing.T) {
	e := newScriptedEngine()
	ms := time.Millisecond
	e.snap.Performers[0].TargetDelay = 18 * ms
	e.snap.Performers[0].Outlook = []session.Outlook{{Delay: 13 * ms, LostRatio: 0.021}, {Delay: 18 * ms, LostRatio: 0.004}, {Delay: 20 * ms, LostRatio: 0.004}, {Delay: 23 * ms, LostRatio: 0.0002}, {Delay: 28 * ms}, {Delay: 38 * ms}}
	e.snap.Performers[0].Link = session.Link{Direct: true, Forwarded: true, DirectRTT: 4 * ms, RedundantDepth: 2, RepairedRatio: 0.05}
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.drawNow(e)
	aki, noor := w.stage.strips[0], w.stage.strips[1]
	if aki.buffer.Text != "buffer 18 ms" || noor.buffer.Text != "" {
		t.Errorf("strips show %q and %q", aki.buffer.Text, noor.buffer.Text)
	}
	test.Tap(aki.detail)
	w.drawNow(e)
	var lines []string
	detail := w.stage.detail
	for _, row := range detail.rows {
		lines = append(lines, row.Text)
	}
	want := []string{"At 13 ms you would lose 2.1 %", "At 18 ms you would lose 0.4 %", "At 23 ms you would lose 0.02 %", "At 28 ms you would lose 0 %"}
	if !detail.view.Visible() || !slices.Equal(lines, want) || detail.rows[1].Color != shadeAccent || detail.rows[0].Color != shadeDim {
		t.Errorf("shown %v: %q", detail.view.Visible(), lines)
	}
	if !strings.Contains(detail.guard.Text, "(2 each)") || !strings.Contains(detail.path.Text, "directly (4.0 ms") || !strings.Contains(detail.filled.Text, "5.0 %") {
		t.Errorf("it says %q, %q and %q", detail.guard.Text, detail.path.Text, detail.filled.Text)
	}
	test.Tap(noor.detail)
	w.drawNow(e)
	if len(detail.rows) != 1 || detail.rows[0].Text != w.desk.say("detail.outlook.none") || detail.name.Text != "Noor" {
		t.Errorf("without an outlook it shows %d lines of %s", len(detail.rows), detail.name.Text)
	}
	test.Tap(noor.detail)
	if detail.view.Visible() {
		t.Error("a second press does not close it")
	}
	test.Tap(aki.detail)
	e.note("", func() { e.snap.Performers = e.snap.Performers[1:] })
	w.drawNow(e)
	if detail.view.Visible() {
		t.Error("the detail of who left stays")
	}
}

func TestPercentHasTheDecimalsThatMeanSomething(t *testing.T) {
	for ratio, want := range map[float64]string{0: "0", 0.00001: "0", 0.0002: "0.02", 0.004: "0.4", 0.021: "2.1", 0.000951: "0.1", 0.0996: "10", 0.12: "12", 1: "100"} {
		if got := percentText(ratio); got != want {
			t.Errorf("%v is %q, want %q", ratio, got, want)
		}
	}
}

func TestDetailStandsBesideItsStrip(t *testing.T) {
	card := newShield()
	for _, c := range []struct{ left, right, width, want float32 }{{0, 168, 700, 176}, {500, 668, 700, 202}, {100, 268, 300, 0}} {
		place := besideStrip{c.left, c.right}
		place.Layout([]fyne.CanvasObject{card}, fyne.NewSize(c.width, 500))
		if got := card.Position().X; got != c.want && c.want != 0 || got+card.Size().Width > c.width {
			t.Errorf("beside %v to %v of %v it is at %v, %v wide", c.left, c.right, c.width, got, card.Size().Width)
		}
	}
}

func TestLoudnessInWords(t *testing.T) {
	en, _ := bothLanguages(t)
	for lufs, want := range map[float64][2]string{
		-120: {"-∞", "no sound yet"}, -42: {"-42", "rather quiet"}, -20.4: {"-20", "good loudness"}, -8: {"-8", "rather loud"},
	} {
		if word, _ := loudnessWord(en, lufs); word != want[1] || loudnessText(lufs) != want[0] {
			t.Errorf("%v LUFS is %q, %q; want %q", lufs, loudnessText(lufs), word, want)
		}
	}
}

func TestDiagnosticsShowBadInput(t *testing.T) {
	e := newScriptedEngine()
	e.snap.Self.InvalidSamples, e.snap.Self.Reopens = 31, 32
	e.snap.Performers[0].Link = session.Link{PacketsUnusable: 33, BadFeedback: 34}
	w := testWindow(t, e, nil, nil)
	text := diagnosticsText(w.desk.words, e.Snapshot())
	for _, want := range []string{w.desk.say("diag.devices") + ":  31  ·  32\n", w.desk.say("diag.bad") + ":  33  ·  34\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestARelayIsNamed(t *testing.T) {
	en, ja := bothLanguages(t)
	l := session.Link{Direct: true, DirectRTT: 23 * time.Millisecond}
	for _, w := range []*words{en, ja} {
		for _, forwarded := range []bool{false, true} {
			straight, relayed := l, l
			straight.Forwarded, relayed.Forwarded, relayed.Relayed = forwarded, forwarded, true
			for _, text := range []func(*words, session.Link, time.Duration) string{pathText, wayText} {
				if s, r := text(w, straight, time.Millisecond), text(w, relayed, time.Millisecond); s == r || !strings.Contains(r, "23") || strings.ContainsAny(r, "{}") {
					t.Errorf("in %s it says %q, and %q of a relay", w.language, s, r)
				}
			}
		}
	}
}

// A narrow strip has room for every word about the connection beside its button.
func TestWordsOfTheConnectionFitIntoANarrowStrip(t *testing.T) {
	for _, language := range []string{"en", "ja"} {
		w := testWindow(t, newScriptedEngine(), nil, func(o *Options) { o.Lang = language })
		strip := newPerformerStrip(w.desk, "p", func(session.Strip) {}, func() {})
		w.win.SetContent(container.New(stripRow{narrow: narrowStrip, wide: narrowStrip}, strip.view))
		at := fyne.CurrentApp().Driver().AbsolutePositionForObject
		room := at(strip.detail).X - at(strip.quality).X
		for _, q := range []session.Quality{session.QualityGood, session.QualityFair, session.QualityPoor, session.QualitySilent, session.QualityConnecting} {
			word, _ := qualityWord(w.desk.words, q)
			if width := fyne.MeasureText(word, strip.quality.TextSize, strip.quality.TextStyle).Width; width > room {
				t.Errorf("%q takes %.0f of %.0f", word, width, room)
			}
		}
		link := session.Link{Direct: true, Relayed: true, DirectRTT: 188 * time.Millisecond}
		for _, text := range []string{pathText(w.desk.words, link, 0), pathText(w.desk.words, session.Link{Forwarded: true}, 188*time.Millisecond),
			w.desk.say("link.buffer", "ms", "188"), w.desk.say("link.latency", "ms", "188"), w.desk.say("finding.theirs"), w.desk.say("finding.between")} {
			if width := fyne.MeasureText(text, strip.path.TextSize, strip.path.TextStyle).Width; width > narrowStrip-2*7 {
				t.Errorf("%q takes %.0f of %v", text, width, narrowStrip-2*7)
			}
		}
	}
}
