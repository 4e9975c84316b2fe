package ui

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"gasso/assets/desktop"
)

// words are the texts of one language.
type words struct {
	language string
	texts    map[string]string
	said     []sentence
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
	w.said = sentences(w.texts)
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

// tell puts what the engine or the server said into words for a performer: every sentence that stands
// under "said." in the language's file, {n} being any number and {text} anything but a quotation mark.
// What does not is shown as it is.
func (w *words) tell(said string) string {
	said = strings.TrimSpace(said)
	if said == "" {
		return ""
	}
	for _, s := range w.said {
		said = s.pattern.ReplaceAllString(said, s.text)
	}
	return said
}

// hole is what a translation leaves for a part of what was said: its first hole for the first part, and
// so on.
var hole = regexp.MustCompile(`\{(n|text)\}`)

// sentence is an English sentence to look for and its translation.
type sentence struct {
	pattern *regexp.Regexp
	text    string
}

// sentences are those of a language's file, the longest first, so that none hides another.
func sentences(texts map[string]string) []sentence {
	var found []string
	for key := range texts {
		if said, ok := strings.CutPrefix(key, "said."); ok {
			found = append(found, said)
		}
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var all []sentence
	for _, said := range found {
		pattern := strings.NewReplacer(`\{n\}`, `(\d+)`, `\{text\}`, `([^"]*)`).Replace(regexp.QuoteMeta(said))
		n := 0
		text := hole.ReplaceAllStringFunc(strings.ReplaceAll(texts["said."+said], "$", "$$"), func(string) string {
			n++
			return "${" + strconv.Itoa(n) + "}"
		})
		all = append(all, sentence{regexp.MustCompile(pattern), text})
	}
	return all
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
