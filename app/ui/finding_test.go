package ui

import (
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

	"gasso/app/session"
)

var everyFinding = []session.FindingKind{
	session.OwnUnheard, session.OwnUpload, session.OwnDownload, session.OwnLate, session.OwnComputer, session.OwnCapture, session.OwnRender,
	session.TheirUnheard, session.TheirUpload, session.TheirDown, session.TheirDevice, session.BetweenLost, session.BetweenDead,
}

func TestEveryFindingHasItsWordsInBothLanguages(t *testing.T) {
	en, ja := bothLanguages(t)
	seen := map[string]bool{}
	for _, kind := range everyFinding {
		f := session.Finding{Kind: kind, Name: "Ren", LostRatio: 0.042, Late: 80 * time.Millisecond}
		if !strings.HasPrefix(string(kind), "own") {
			f.ParticipantID = "p1"
		}
		for _, w := range []*words{en, ja} {
			text := findingText(w, f)
			if text == "" || seen[text] || strings.ContainsAny(text, "{}") {
				t.Errorf("%s in %s is %q", kind, w.language, text)
			}
			seen[text] = true
			if named := strings.Contains(text, "Ren"); named != (f.ParticipantID != "") {
				t.Errorf("%s in %s names the wrong side: %q", kind, w.language, text)
			}
		}
	}
	if text := findingText(en, session.Finding{Kind: session.TheirUpload, Name: "Ren", LostRatio: 0.042}); text != "The upload of Ren loses 4.2 % of the packets." {
		t.Errorf("it says %q", text)
	}
}

func TestTheWindowTellsWhoseSideAFaultIsOnAndHowLateItIs(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	ms := time.Millisecond
	e.note("", func() {
		aki := &e.snap.Performers[0]
		aki.Latency = session.Latency{Total: 32 * ms, Device: 15 * ms, Network: 9 * ms, Buffer: 8 * ms, Uncertainty: 1500 * time.Microsecond}
		e.snap.Findings = []session.Finding{{Kind: session.OwnUpload, LostRatio: 0.03}, {Kind: session.TheirUpload, ParticipantID: aki.ID, Name: aki.Name, LostRatio: 0.042}}
	})
	w.drawNow(e)
	aki, noor := w.stage.strips[0], w.stage.strips[1]
	if aki.loss.Text != "on their side" || aki.buffer.Text != "latency 32 ms" || noor.loss.Text == aki.loss.Text {
		t.Errorf("strips say %q, %q and %q", aki.loss.Text, aki.buffer.Text, noor.loss.Text)
	}
	if text := w.banner.text.Text; !strings.Contains(text, "Your upload loses 3.0 %") || !strings.Contains(text, "loses 4.2 %") || !w.banner.problem {
		t.Errorf("the banner says %q", text)
	}
	test.Tap(aki.detail)
	w.drawNow(e)
	detail := w.stage.detail
	if !detail.finding.Visible() || !strings.Contains(detail.finding.Text, "loses 4.2 %") || strings.Contains(detail.finding.Text, "Your upload") {
		t.Errorf("the detail says %q", detail.finding.Text)
	}
	if text := detail.latency.Text; !detail.latency.Visible() || !strings.Contains(text, "32 ms") || !strings.Contains(text, "15 ms in the devices") || !strings.Contains(text, "±1.5 ms") {
		t.Errorf("the detail says %q", text)
	}
	test.Tap(noor.detail)
	w.drawNow(e)
	if detail.finding.Visible() || detail.latency.Visible() {
		t.Errorf("it says %q and %q of somebody with whom all is well", detail.finding.Text, detail.latency.Text)
	}
}

func TestTheBannerStaysShort(t *testing.T) {
	en, ja := bothLanguages(t)
	var all []session.Finding
	for _, name := range []string{"Aki", "Noor", "Ren", "Jun", "Aoi"} {
		all = append(all, session.Finding{Kind: session.TheirUpload, ParticipantID: name, Name: name, LostRatio: 0.05})
	}
	for _, w := range []*words{en, ja} {
		if text := bannerText(w, all); !strings.Contains(text, "Ren") || strings.Contains(text, "Jun") || !strings.Contains(text, "2") {
			t.Errorf("in %s it says %q", w.language, text)
		}
		if text := bannerText(w, all[:3]); text != findingsText(w, all[:3], "") {
			t.Errorf("three in %s are %q", w.language, text)
		}
	}
}
