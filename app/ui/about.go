package ui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"gasso/assets/desktop"
)

// newAboutPage tells version, licence and whose work is inside.
func newAboutPage(d *desk, version string, fontsComplete bool) *fyne.Container {
	icon := canvas.NewImageFromResource(fyne.NewStaticResource("icon.png", desktop.Icon()))
	icon.FillMode = canvas.ImageFillContain
	icon.SetMinSize(fyne.NewSize(72, 72))
	title := newColumn(2, -1, newText(d.say("app.name"), sizeHero, shadeText, true), newText(d.say("app.tagline"), sizeText, shadeDim, false),
		newText(d.say("about.version", "version", version), sizeText, shadeDim, false))
	body := newColumn(8, -1, container.NewBorder(nil, nil, icon, nil, newInset(8, title)), newNote(d.say("about.licence"), false))
	if !fontsComplete {
		body.Add(newNote(d.say("about.nofont"), false))
	}
	body.Add(newText(d.say("about.others"), sizeLarge, shadeText, true))
	for _, part := range [][2]string{
		{"Fyne", "BSD 3-Clause, Fyne.io developers"},
		{"Pion WebRTC, mediadevices", "MIT, The Pion community"},
		{"miniaudio, malgo", "MIT No Attribution, David Reid; Unlicense, Milan Nikolic"},
		{"Opus", "BSD 3-Clause, Xiph.Org, Skype, Octasic, Jean-Marc Valin and others"},
		{"WebRTC audio processing (AEC3)", "BSD 3-Clause, The WebRTC project authors"},
		{"RNNoise", "BSD 3-Clause, Mozilla, Jean-Marc Valin; MIT, WONG Tin Chi Timothy, Dmitry Zlygin"},
		{"wazero", "Apache License 2.0, wazero authors"},
		{"Gorilla WebSocket", "BSD 2-Clause, The Gorilla WebSocket authors"},
		{"Noto Sans JP", "SIL Open Font License 1.1, Adobe, Google"},
		{"Go", "BSD 3-Clause, The Go authors"},
	} {
		body.Add(container.NewBorder(nil, nil, withWidth(240, newInset(4, newText(part[0], sizeText, shadeText, true))), nil, newNote(part[1], false)))
	}
	body.Add(newNote(d.say("about.notices"), false))
	if licence, err := desktop.Fetched("NotoSansJP.LICENSE"); err == nil {
		body.Add(newNote(strings.TrimSpace(string(licence)), true))
	}
	return container.NewStack(container.NewVScroll(container.New(middleWidth{760}, newInset(12, newCard(20, body)))))
}
