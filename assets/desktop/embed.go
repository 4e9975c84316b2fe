// Package desktop embeds what the app's window needs: icon, translations and, when `make setup`
// fetched it, a Japanese font.
package desktop

import (
	"embed"
	"io/fs"
)

//go:embed icon.png
var icon []byte

//go:embed translations/*.json
var translations embed.FS

//go:embed all:fetched
var fetched embed.FS

// Icon is the app's icon as a PNG of 512 by 512 pixels.
func Icon() []byte { return icon }

// Translations is the JSON of a language ("en" or "ja").
func Translations(language string) ([]byte, error) {
	return translations.ReadFile("translations/" + language + ".json")
}

// Fetched is a file that `make setup` brought, such as NotoSansJP-Regular.ttf; the error is
// fs.ErrNotExist when it was built without.
func Fetched(name string) ([]byte, error) {
	return fs.ReadFile(fetched, "fetched/"+name)
}
