package ui

import (
	"fmt"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"gasso/app/session"
)

// The loudness, in LUFS, that suits a performer among others; between silentLUFS and there one is quiet.
const (
	silentLUFS   = -50
	quietLUFS    = -30
	loudLUFS     = -14
	hotTruePeak  = -0.95 // dBTP; the limiter holds -1
	noTruePeakDB = -60
)

// loudnessFigures are what is sent in figures and a word: short-term loudness and the highest true peak.
type loudnessFigures struct {
	desk  *desk
	value *canvas.Text
	word  *canvas.Text
	peak  *canvas.Text
	view  *fyne.Container
}

func newLoudnessFigures(d *desk) loudnessFigures {
	l := loudnessFigures{
		desk: d, value: centred(newText("", sizeLarge, shadeText, true)),
		word: centred(newText("", sizeCaption, shadeDim, false)), peak: centred(newText("", sizeCaption, shadeDim, false)),
	}
	l.view = newColumn(0, -1, l.value, l.word, newGap(4), l.peak)
	return l
}

func (l loudnessFigures) draw(self session.Self) {
	l.view.Hidden = self.Governor.Step > 0 && !(self.LoudnessLUFS > silentLUFS) // the governor saves the measuring
	word, colour := loudnessWord(l.desk.words, self.LoudnessLUFS)
	if self.Muted {
		word, colour = l.desk.say("loudness.muted"), shadeFaint
	}
	setText(l.value, loudnessText(self.LoudnessLUFS)+" LUFS", colour)
	setText(l.word, word, shadeDim)
	peakShade := shadeDim
	if self.TruePeakDB > hotTruePeak {
		peakShade = shadeBad
	}
	setText(l.peak, l.desk.say("loudness.peak", "db", truePeakText(self.TruePeakDB)), peakShade)
}

// loudnessText is a loudness in whole LUFS, or the sign for silence.
func loudnessText(lufs float64) string {
	if !(lufs > silentLUFS) {
		return "-∞"
	}
	return fmt.Sprintf("%.0f", math.Round(lufs)+0)
}

func truePeakText(db float64) string {
	if !(db > noTruePeakDB) {
		return "-∞"
	}
	return fmt.Sprintf("%.1f", db)
}

// loudnessWord says how a loudness is among others, and its colour.
func loudnessWord(w *words, lufs float64) (string, shade) {
	switch {
	case !(lufs > silentLUFS):
		return w.say("loudness.silent"), shadeFaint
	case lufs < quietLUFS:
		return w.say("loudness.quiet"), shadeFair
	case lufs > loudLUFS:
		return w.say("loudness.loud"), shadeFair
	}
	return w.say("loudness.good"), shadeGood
}
