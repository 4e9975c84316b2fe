package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"gasso/app/settings"
)

// prefsActions are what the settings page can do.
type prefsActions struct {
	language func(string)
	input    func(spec string)
	output   func(spec string)
}

// prefsPage holds language and devices, and tells the keys.
type prefsPage struct {
	input, output *deviceChoice
	view          *fyne.Container
}

func newPrefsPage(d *desk, prefs settings.Settings, act prefsActions) *prefsPage {
	p := &prefsPage{input: newDeviceChoice(d, prefs.Input, act.input), output: newDeviceChoice(d, prefs.Output, act.output)}
	languages := newChoice(d, act.language, "", d.say("prefs.language.system"), "ja", "日本語", "en", "English")
	languages.set(prefs.Language)
	general := newColumn(12, -1, newText(d.say("prefs.title"), sizeTitle, shadeText, true),
		caption(d, d.say("prefs.language"), languages.row),
		caption(d, d.say("join.input"), p.input.list),
		caption(d, d.say("join.output"), p.output.list),
		newNote(d.say("prefs.saved"), true))
	keys := newColumn(4, -1, newText(d.say("keys.title"), sizeTitle, shadeText, true))
	for _, line := range [][2]string{
		{"M", d.say("keys.m")}, {"Ctrl+M", d.say("keys.ctrlm")}, {"Space", d.say("keys.space")}, {"Tab", d.say("keys.tab")},
		{"↑ ↓", d.say("keys.arrows")}, {"PgUp PgDn", d.say("keys.page")}, {"Home", d.say("keys.home")}, {"Enter", d.say("keys.enter")}, {"Esc", d.say("keys.esc")},
	} {
		keys.Add(container.NewBorder(nil, nil, withWidth(90, newInset(6, newText(line[0], sizeText, shadeAccent, true))), nil, newNote(line[1], false)))
	}
	p.view = container.NewStack(container.NewVScroll(container.New(middleWidth{980}, newInset(12, newRow(10, newCard(18, general), newCard(18, keys))))))
	for i, name := range []string{"system", "ja", "en"} {
		d.spots["prefs.language."+name] = languages.buttons[i]
	}
	d.spots["prefs.input"], d.spots["prefs.output"] = p.input.list, p.output.list
	return p
}
