// Package listener holds the pages that a browser is given: the listener page of a room, the page
// behind an invitation, and what they load.
package listener

import (
	"embed"
	"io/fs"
)

//go:embed *.html *.css *.js *.svg all:fetched
var files embed.FS

// FS returns the pages. index.html is served at /room/{id}, join.html at /join/{id}, everything at
// /assets/. The player library is fetched/hls.light.min.js, which is there only after `make setup`;
// without it, index.html plays where the browser knows HLS itself, and says so elsewhere.
func FS() fs.FS { return files }
