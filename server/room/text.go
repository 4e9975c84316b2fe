package room

import (
	"strings"
	"unicode"
)

// Longest texts in runes.
const (
	maxChatRunes  = 500
	maxNameRunes  = 40
	maxTitleRunes = 120
)

// plainText takes out what could disturb a screen: control characters and those that turn the
// direction of what follows. Line breaks and tabs become spaces.
func plainText(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s))
}

// cleanText is plainText cut to a number of runes.
func cleanText(s string, runes int) string {
	r := []rune(plainText(s))
	return string(r[:min(len(r), runes)])
}
