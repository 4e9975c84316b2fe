package ui

import (
	"fmt"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

// diagnosticsPage shows every figure of the snapshot, to read and to copy.
type diagnosticsPage struct {
	desk  *desk
	words *widget.Label
	drawn time.Time
	view  *fyne.Container
}

func newDiagnosticsPage(d *desk) *diagnosticsPage {
	p := &diagnosticsPage{desk: d, words: widget.NewLabel("")}
	p.words.Wrapping = fyne.TextWrapWord
	copyAll := newButton(d, buttonPlain, d.say("diag.copy"), func() { d.copyText(p.words.Text) })
	d.spots["diagnostics.copy"] = copyAll
	head := container.NewBorder(nil, nil, newText(d.say("diag.title"), sizeTitle, shadeText, true), copyAll)
	p.view = newCard(16, container.NewBorder(head, nil, nil, nil, container.NewVScroll(p.words)))
	return p
}

// draw shows the figures twice a second.
func (p *diagnosticsPage) draw(s session.Snapshot, now time.Time) {
	if now.Sub(p.drawn) < 500*time.Millisecond {
		return
	}
	p.drawn = now
	if text := diagnosticsText(p.desk.words, s); text != p.words.Text {
		p.words.SetText(text)
	}
}

// diagnosticsText lists the figures of a snapshot, one a line, units with each.
func diagnosticsText(w *words, s session.Snapshot) string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%s:  %s\n", label, fmt.Sprintf(format, args...))
	}
	self := s.Self
	line(w.say("diag.state"), "%s", stateWord(w, s.State))
	line(w.say("diag.room"), "%s  %s", s.Room, s.Title)
	line(w.say("diag.self"), "%s  (%s)", self.Name, self.ID)
	line(w.say("diag.server"), "%s ms", millis(s.ServerRTT))
	line(w.say("diag.clock"), "%s", yesNo(w, s.ClockReady))
	line(w.say("diag.input"), "%s  ·  %s ms  ·  %d", self.InputName, millis(self.CaptureLatency), self.Overruns)
	line(w.say("diag.output"), "%s  ·  %s ms  ·  %d", self.OutputName, millis(self.RenderLatency), self.Underruns)
	line(w.say("diag.devices"), "%d  ·  %d", self.InvalidSamples, self.Reopens)
	line(w.say("diag.encoder"), "%d kbit/s  ·  %s", self.EncoderBitrate/1000, modeWord(w, self.Mode))
	line(w.say("diag.level"), "%s / %s dBFS  ·  %s / %s dBFS", levelText(self.Level.PeakDB), levelText(self.Level.RMSDB), levelText(self.OutputLevel.PeakDB), levelText(self.OutputLevel.RMSDB))
	line(w.say("diag.loudness"), "%s LUFS  ·  %s dBTP", loudnessText(self.LoudnessLUFS), truePeakText(self.TruePeakDB))
	line(w.say("diag.monitor"), "%s  ·  %s dB  ·  %s ms", yesNo(w, self.Monitor.On), gainText(self.Monitor.GainDB), millis(self.Monitor.Latency))
	governorLines(w, line, self)
	line(w.say("diag.processing"), "%s %s  ·  %s %s  ·  %s %s  ·  %s %s  ·  %s %s", w.say("own.echo"), yesNo(w, self.Processing.EchoCancellation), w.say("own.noise"), yesNo(w, self.Processing.NoiseSuppression),
		w.say("own.gain"), yesNo(w, self.Processing.AutoGainControl), w.say("own.music"), yesNo(w, self.Processing.Music), w.say("prefs.highpass"), yesNo(w, self.Processing.HighPass))
	line(w.say("diag.onair"), "%s  ·  %s  ·  %s", yesNo(w, s.OnAir.Live), w.say("onair.listeners", "n", fmt.Sprint(s.OnAir.Listeners)), s.OnAir.ListenerURL)
	for _, text := range []string{s.Problem, self.Missing, s.OnAir.Problem} {
		if text != "" {
			line(w.say("diag.problem"), "%s", w.tell(text))
		}
	}
	for _, f := range s.Findings {
		line(w.say("diag.problem"), "%s", findingText(w, f))
	}
	for _, p := range s.Performers {
		quality, _ := qualityWord(w, p.Link.Quality)
		b.WriteString("\n")
		line(p.Name, "%s  ·  %s  (%s)", quality, pathText(w, p.Link, s.ServerRTT), p.ID)
		line("    "+w.say("diag.packets"), "%d  ·  %d  ·  %d  ·  %d", p.Link.PacketsReceived, p.Link.PacketsDirect, p.Link.PacketsForward, p.Link.PacketsLost)
		line("    "+w.say("diag.buffer"), "%s ms  ·  %s ms  ·  %.2f %%", millis(p.TargetDelay), millis(p.CurrentDelay), 100*p.ConcealedRatio)
		line("    "+w.say("diag.latency"), "%s ms (%s–%s)  ·  %s + %s + %s ms  ·  ±%s ms", millis(p.Latency.Total), millis(p.Latency.Least), millis(p.Latency.Most),
			millis(p.Latency.Device), millis(p.Latency.Network), millis(p.Latency.Buffer), millis(p.Latency.Uncertainty))
		for _, o := range p.Outlook {
			line("    "+w.say("diag.outlook"), "%s ms  ·  %.3f %%", millis(o.Delay), 100*o.LostRatio)
		}
		line("    "+w.say("diag.protection"), "%d  ·  %d  ·  %.2f %%  ·  %d", p.Link.RedundantDepth, p.Link.RedundantSpread, 100*p.Link.RepairedRatio, p.Link.Retransmitted)
		line("    "+w.say("diag.bad"), "%d  ·  %d", p.Link.PacketsUnusable, p.Link.BadFeedback)
		line("    "+w.say("diag.level.one"), "%s / %s dBFS", levelText(p.Level.PeakDB), levelText(p.Level.RMSDB))
		line("    "+w.say("diag.strip"), "%s dB  ·  %s  ·  %s %s", gainText(p.Strip.GainDB), panText(p.Strip.Pan), w.say("strip.mute"), yesNo(w, p.Strip.Mute))
	}
	return b.String()
}

// governorLines are the load and what it made the governor do.
func governorLines(w *words, line func(label, format string, args ...any), self session.Self) {
	g, l := self.Governor, self.Governor.Load
	limit := w.say("cpulimit.none")
	if l.CPULimitPercent > 0 {
		limit = fmt.Sprintf("%.0f %%", l.CPULimitPercent)
	}
	line(w.say("diag.governor"), "%d  ·  %s  %s", g.Step, modeWord(w, g.Mode), w.tell(g.Said))
	line(w.say("diag.load"), "%.0f %%  ·  %.0f %%  ·  %s", l.CPUPercent, l.MachinePercent, limit)
	line(w.say("diag.frames"), "%.0f %%  ·  %.0f %%  ·  %s ms", 100*l.CaptureRatio, 100*l.PlayoutRatio, millis(l.Late))
	line(w.say("diag.memory"), "%.0f MB", float64(l.MemoryBytes)/1e6)
}

func yesNo(w *words, yes bool) string {
	if yes {
		return w.say("yes")
	}
	return w.say("no")
}

func stateWord(w *words, s session.State) string {
	switch s {
	case session.StateConnecting:
		return w.say("state.connecting")
	case session.StateJoined:
		return w.say("state.joined")
	case session.StateReconnecting:
		return w.say("state.reconnecting")
	}
	return w.say("state.ended")
}

func modeWord(w *words, m session.Mode) string {
	switch m {
	case session.ModeStudio:
		return w.say("mode.studio")
	case session.ModeSafe:
		return w.say("mode.safe")
	}
	return w.say("mode.live")
}
