package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"gasso/assets/desktop"
)

// shade is a colour as 0xRRGGBBAA, not premultiplied, so that the palette can be constants.
type shade uint32

// The palette: dark and quiet, with strong colour kept for sound and for what is live.
const (
	shadeBackground shade = 0x11161EFF
	shadeBar        shade = 0x181F29FF
	shadeCard       shade = 0x181F29FF
	shadeRaised     shade = 0x232D3AFF
	shadeHover      shade = 0x2C3848FF
	shadeOutline    shade = 0x2B3645FF
	shadeWell       shade = 0x07090DFF
	shadeText       shade = 0xE9EEF5FF
	shadeDim        shade = 0x94A3B5FF
	shadeFaint      shade = 0x74839AFF
	shadeAccent     shade = 0x6CA6FFFF
	shadeOnAccent   shade = 0x0B1420FF
	shadeGood       shade = 0x4CC38AFF
	shadeFair       shade = 0xF0C45CFF
	shadeBad        shade = 0xF2555AFF
	shadeLive       shade = 0xE5484DFF
	shadeBanner     shade = 0x3A2A12FF
	shadeVeil       shade = 0x11161EB4
	shadeClear      shade = 0x00000000
)

// RGBA makes it a color.Color.
func (s shade) RGBA() (r, g, b, a uint32) {
	return color.NRGBA{R: uint8(s >> 24), G: uint8(s >> 16), B: uint8(s >> 8), A: uint8(s)}.RGBA()
}

// dim is the shade with its opacity replaced, 0 to 255.
func (s shade) dim(alpha uint8) shade { return s&0xFFFFFF00 | shade(alpha) }

// Text sizes in device-independent pixels.
const (
	sizeCaption float32 = 11
	sizeText    float32 = 13
	sizeLarge   float32 = 16
	sizeTitle   float32 = 22
	sizeHero    float32 = 30
)

// look is the theme of the window. Its fonts are Noto Sans JP when they were built in.
type look struct {
	regular, bold fyne.Resource // nil: Fyne's own, which looks for Japanese among the system's fonts
}

func newLook() *look {
	return &look{regular: fetchedFont("NotoSansJP-Regular.ttf"), bold: fetchedFont("NotoSansJP-Bold.ttf")}
}

func fetchedFont(name string) fyne.Resource {
	data, err := desktop.Fetched(name)
	if err != nil {
		return nil
	}
	return fyne.NewStaticResource(name, data)
}

// complete tells whether Japanese can be shown without a font of the system.
func (l *look) complete() bool { return l.regular != nil && l.bold != nil }

// Font implements fyne.Theme.
func (l *look) Font(style fyne.TextStyle) fyne.Resource {
	switch {
	case style.Symbol || !l.complete():
		return theme.DefaultTheme().Font(style)
	case style.Bold:
		return l.bold
	}
	return l.regular
}

// Icon implements fyne.Theme.
func (l *look) Icon(name fyne.ThemeIconName) fyne.Resource { return theme.DefaultTheme().Icon(name) }

// Size implements fyne.Theme.
func (l *look) Size(name fyne.ThemeSizeName) float32 {
	switch name {
	case theme.SizeNameText:
		return sizeText
	case theme.SizeNameCaptionText:
		return sizeCaption
	case theme.SizeNameSubHeadingText:
		return sizeLarge
	case theme.SizeNameHeadingText:
		return sizeTitle
	case theme.SizeNamePadding:
		return 4
	case theme.SizeNameInnerPadding:
		return 7
	case theme.SizeNameInputRadius, theme.SizeNameSelectionRadius, theme.SizeNameButtonRadius:
		return 6
	case theme.SizeNameScrollBar:
		return 8
	case theme.SizeNameScrollBarSmall:
		return 4
	}
	return theme.DefaultTheme().Size(name)
}

// Color implements fyne.Theme; the window is dark whatever the system prefers.
func (l *look) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	if s, ok := themeShade(name); ok {
		return s
	}
	return theme.DefaultTheme().Color(name, theme.VariantDark)
}

func themeShade(name fyne.ThemeColorName) (shade, bool) {
	s, ok := map[fyne.ThemeColorName]shade{
		theme.ColorNameBackground:          shadeBackground,
		theme.ColorNameButton:              shadeRaised,
		theme.ColorNameDisabledButton:      shadeCard,
		theme.ColorNameDisabled:            shadeFaint,
		theme.ColorNameError:               shadeBad,
		theme.ColorNameFocus:               shadeAccent.dim(0x60),
		theme.ColorNameForeground:          shadeText,
		theme.ColorNameForegroundOnPrimary: shadeOnAccent,
		theme.ColorNameHover:               shadeHover.dim(0x90),
		theme.ColorNameHyperlink:           shadeAccent,
		theme.ColorNameInputBackground:     shadeWell,
		theme.ColorNameInputBorder:         shadeOutline,
		theme.ColorNameMenuBackground:      shadeCard,
		theme.ColorNameOverlayBackground:   shadeCard,
		theme.ColorNamePlaceHolder:         shadeFaint,
		theme.ColorNamePressed:             shadeHover,
		theme.ColorNamePrimary:             shadeAccent,
		theme.ColorNameScrollBar:           shadeFaint.dim(0x90),
		theme.ColorNameScrollBarBackground: shadeClear,
		theme.ColorNameSelection:           shadeAccent.dim(0x48),
		theme.ColorNameSeparator:           shadeOutline,
		theme.ColorNameSuccess:             shadeGood,
		theme.ColorNameWarning:             shadeFair,
	}[name]
	return s, ok
}
