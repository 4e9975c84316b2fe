package ui

import (
	"encoding/json"
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"gasso/assets/desktop"
)

// words are the texts of one language.
type words struct {
	language string
	texts    map[string]string
}

// loadWords reads a language's texts; an unknown one gives English.
func loadWords(language string) (*words, error) {
	if language != "ja" {
		language = "en"
	}
	data, err := desktop.Translations(language)
	if err != nil {
		return nil, fmt.Errorf("read translations: %w", err)
	}
	w := &words{language: language}
	if err := json.Unmarshal(data, &w.texts); err != nil {
		return nil, fmt.Errorf("decode translations of %s: %w", language, err)
	}
	return w, nil
}

// pickLanguage takes the first of the wishes that is set, else the system's language.
func pickLanguage(wishes ...string) string {
	for _, wish := range append(wishes, string(lang.SystemLocale())) {
		switch {
		case strings.HasPrefix(wish, "ja"):
			return "ja"
		case strings.HasPrefix(wish, "en"):
			return "en"
		}
	}
	return "en"
}

// say is the text of a key, with {name} replaced by the value after "name" in pairs.
func (w *words) say(key string, pairs ...string) string {
	text, ok := w.texts[key]
	if !ok {
		return key
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

// tell translates what the engine or the server said in English. The texts stand under "said." in the
// language's file; one that is not there is shown as it is.
func (w *words) tell(said string) string {
	said = strings.TrimSpace(said)
	if text, ok := w.texts["said."+said]; ok {
		return text
	}
	return said
}

// toFyne teaches Fyne's own menus this language, even when the system speaks another one.
func (w *words) toFyne() error {
	base := map[string]string{}
	for key, text := range w.texts {
		if name, ok := strings.CutPrefix(key, "fyne."); ok {
			base[name] = text
		}
	}
	data, err := json.Marshal(base)
	if err != nil {
		return fmt.Errorf("encode menu texts: %w", err)
	}
	for _, locale := range []fyne.Locale{lang.SystemLocale(), "en", "ja"} {
		if err := lang.AddTranslationsForLocale(data, locale); err != nil {
			return fmt.Errorf("add menu texts: %w", err)
		}
	}
	return nil
}
