package ui

import (
	"strconv"
	"strings"

	"fyne.io/fyne/v2"

	"gasso/app/session"
)

// setShown shows or hides a label.
func setShown(o fyne.CanvasObject, shown bool) {
	if shown != o.Visible() {
		if shown {
			o.Show()
		} else {
			o.Hide()
		}
	}
}

// findingText says what is wrong, on whose side, and what helps.
func findingText(w *words, f session.Finding) string {
	lost, late := percentText(f.LostRatio), millis(f.Late)
	switch f.Kind {
	case session.OwnUnheard:
		return w.say("finding.own.unheard")
	case session.OwnUpload:
		return w.say("finding.own.upload", "percent", lost)
	case session.OwnDownload:
		return w.say("finding.own.download", "percent", lost)
	case session.OwnLate:
		return w.say("finding.own.late", "ms", late)
	case session.OwnComputer:
		return w.say("finding.own.computer", "ms", late)
	case session.OwnCapture:
		return w.say("finding.own.microphone", "ms", late)
	case session.OwnRender:
		return w.say("finding.own.loudspeaker", "ms", late)
	}
	return theirText(w, f, lost, late)
}

// theirText is findingText for what is another performer's.
func theirText(w *words, f session.Finding, lost, late string) string {
	switch f.Kind {
	case session.TheirUnheard:
		return w.say("finding.their.unheard", "name", f.Name)
	case session.TheirUpload:
		return w.say("finding.their.upload", "name", f.Name, "percent", lost)
	case session.TheirDown:
		return w.say("finding.their.download", "name", f.Name, "percent", lost)
	case session.TheirDevice:
		return w.say("finding.their.device", "name", f.Name, "ms", late)
	case session.BetweenLost:
		return w.say("finding.between.lost", "name", f.Name, "percent", lost)
	case session.BetweenDead:
		return w.say("finding.between.dead", "name", f.Name)
	}
	return ""
}

// whoseText is a performer's finding in two words; empty without one.
func whoseText(w *words, findings []session.Finding, id string) string {
	for _, f := range findings {
		switch {
		case f.ParticipantID != id:
		case f.Kind == session.BetweenLost, f.Kind == session.BetweenDead:
			return w.say("finding.between")
		default:
			return w.say("finding.theirs")
		}
	}
	return ""
}

// mostSaid findings are told at once across the window; each strip has its own.
const mostSaid = 3

// bannerText are the sentences about everybody, the first of them where there are many.
func bannerText(w *words, findings []session.Finding) string {
	if len(findings) <= mostSaid {
		return findingsText(w, findings, "")
	}
	return findingsText(w, findings[:mostSaid], "") + " " + w.say("finding.more", "n", strconv.Itoa(len(findings)-mostSaid))
}

// findingsText are the sentences about everybody, or about one performer.
func findingsText(w *words, findings []session.Finding, id string) string {
	var said []string
	for _, f := range findings {
		if id == "" || f.ParticipantID == id {
			said = append(said, findingText(w, f))
		}
	}
	return strings.Join(said, " ")
}

// latencyText says how late a performer is heard, and where the time goes; empty while that is unknown.
func latencyText(w *words, l session.Latency) string {
	if l.Total == 0 {
		return ""
	}
	return w.say("detail.latency", "ms", millis(l.Total), "device", millis(l.Device), "network", millis(l.Network), "buffer", millis(l.Buffer), "unsure", millis(l.Uncertainty))
}
