package ui

import (
	"strings"
	"testing"
	"time"

	"gasso/app/session"
)

func TestPicturesComeLessOftenWhileNobodyLooks(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var a away
	var told []bool
	drawn := map[time.Duration]int{} // pictures in the second that begins there
	last := start
	run := func(from, to time.Duration, governor time.Duration) {
		for at := from; at < to; at += frameEvery {
			if a.due(start.Add(at), last, governor, func(resting bool) { told = append(told, resting) }) {
				last = start.Add(at)
				drawn[at.Truncate(time.Second)]++
			}
		}
	}
	check := func(what string, second time.Duration, want int) {
		t.Helper()
		if got := drawn[second]; got < want-1 || got > want+1 {
			t.Errorf("%s: %d pictures a second, want %d", what, got, want)
		}
	}
	run(0, 2*time.Second, 0)
	check("in front", time.Second, 16)
	run(2*time.Second, 4*time.Second, 3*frameEvery)
	check("as the governor wants it", 3*time.Second, 5)
	a.leave(start.Add(4 * time.Second))
	run(4*time.Second, 6*time.Minute, frameEvery)
	check("just left", 10*time.Second, 16)
	check("left for a minute", time.Minute, 5)
	check("left for long", 5*time.Minute+30*time.Second, 0)
	if len(told) != 1 || !told[0] || drawn[4*time.Second+restAfter] != 1 {
		t.Errorf("the engine was told %v, with %d last pictures", told, drawn[4*time.Second+restAfter])
	}
	a.enter()
	run(6*time.Minute, 6*time.Minute+2*time.Second, frameEvery)
	check("back", 6*time.Minute+time.Second, 16)
	if len(told) != 2 || told[1] {
		t.Errorf("on return the engine was told %v", told)
	}
}

func TestGovernorIsQuotedAWhileOrAsLongAsOthersHearIt(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var q quietWords
	meters := session.Governor{Step: 1, Said: "Meters move more slowly.", Mode: session.ModeLive}
	noise := session.Governor{Step: 4, Said: "Noise suppression is off for now.", NoiseOff: true, Mode: session.ModeLive}
	longer := session.Governor{Step: 5, Said: "Your packets are longer.", Mode: session.ModeSafe}
	for _, c := range []struct {
		at   time.Duration
		g    session.Governor
		want string
	}{
		{0, session.Governor{Mode: session.ModeLive}, ""}, {1 * time.Second, meters, meters.Said}, {2 * time.Second, meters, meters.Said},
		{20 * time.Second, meters, ""}, {21 * time.Second, noise, noise.Said}, {time.Hour, noise, noise.Said}, {2 * time.Hour, longer, longer.Said},
		{3 * time.Hour, longer, longer.Said}, {4 * time.Hour, session.Governor{Said: "back", Mode: session.ModeLive}, "back"},
		{5 * time.Hour, session.Governor{Said: "back", Mode: session.ModeLive}, ""},
	} {
		if got := q.next(c.g, session.ModeLive, now.Add(c.at)); got != c.want {
			t.Errorf("after %v: %q, want %q", c.at, got, c.want)
		}
	}
}

func TestARestingWindowSaysSo(t *testing.T) {
	e := newScriptedEngine()
	w := testWindow(t, e, nil, nil)
	joinRoom(t, w, e)
	w.resting = true
	w.drawNow(e)
	if w.stage.veil.Hidden || w.stage.veilTop.Text != w.desk.say("stage.resting") {
		t.Errorf("a resting window shows %q", w.stage.veilTop.Text)
	}
	w.resting = false
	w.drawNow(e)
	if !w.stage.veil.Hidden {
		t.Error("the veil stays after the rest")
	}
}

func TestWhatTheGovernorDidIsNoProblem(t *testing.T) {
	e := newScriptedEngine()
	e.snap.Self.Governor = session.Governor{Step: 4, NoiseOff: true, Said: "This computer is too busy, so Gasso does less. Noise suppression is off for now.", Mode: session.ModeLive}
	w := testWindow(t, e, nil, func(o *Options) { o.Lang = "ja" })
	joinRoom(t, w, e)
	w.drawNow(e)
	if w.banner.view.Hidden || w.banner.problem || w.banner.text.Text != w.desk.words.tell(e.snap.Self.Governor.Said) || w.banner.text.Text == e.snap.Self.Governor.Said {
		t.Errorf("the banner says %q, as a problem: %v", w.banner.text.Text, w.banner.problem)
	}
	e.note("", func() { e.snap.Self.News = "Your microphone is back." })
	w.drawNow(e)
	if w.banner.problem || !strings.HasPrefix(w.banner.text.Text, w.desk.words.tell(e.snap.Self.News)) {
		t.Errorf("with good news the banner says %q, as a problem: %v", w.banner.text.Text, w.banner.problem)
	}
	e.note("", func() { e.snap.Problem = "The microphone delivers silence: is it muted or switched off?" })
	w.drawNow(e)
	if !w.banner.problem || w.banner.text.Text == e.snap.Problem {
		t.Errorf("the banner says %q, as a problem: %v", w.banner.text.Text, w.banner.problem)
	}
}
