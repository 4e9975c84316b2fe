package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"gasso/server/room"
)

// pages are the listener's pages and what they load, kept in memory with their checksums.
type pages map[string]page

type page struct {
	content []byte
	etag    string
}

// assetKind is the content type of a file that may be served, by its ending; empty for any other.
func assetKind(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	case ".json":
		return "application/json"
	}
	return ""
}

// loadPages reads every file that a browser may see.
func loadPages(files fs.FS) (pages, error) {
	p := pages{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || assetKind(name) == "" {
			return err
		}
		content, err := fs.ReadFile(files, name)
		sum := sha256.Sum256(content)
		p[name] = page{content: content, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read listener page: %w", err)
	}
	return p, nil
}

// serve answers with a file, or 404.
func (p pages) serve(w http.ResponseWriter, r *http.Request, name string) {
	file, ok := p[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetKind(name))
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.Header().Set("Cache-Control", "no-cache") // ask each time, by checksum
	w.Header().Set("ETag", file.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
}

func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	if strings.HasSuffix(name, ".html") { // pages have routes of their own
		http.NotFound(w, r)
		return
	}
	s.pages.serve(w, r, name)
}

// serveLanding leads to the only room there is, or says what this is.
func (s *Server) serveLanding(w http.ResponseWriter, r *http.Request) {
	if rooms := s.registry.List(); s.cfg.Dev && len(rooms) == 1 {
		http.Redirect(w, r, "/room/"+rooms[0].ID(), http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, "This is a Gasso server. Open the link that you were sent to listen or to join.")
	_, _ = fmt.Fprintln(w, "合奏 (Gasso) サーバーです。届いたリンクを開いてください。")
}

// serveRoomPage serves the listener page; it finds its room in its address.
func (s *Server) serveRoomPage(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.registry.Get(r.PathValue("id")); !ok {
		http.Error(w, "There is no such room. Check the link, or ask who sent it.", http.StatusNotFound)
		return
	}
	s.pages.serve(w, r, "index.html")
}

// serveJoinPage serves the invitation. It tells nothing of the room, since the token stays in the
// browser.
func (s *Server) serveJoinPage(w http.ResponseWriter, r *http.Request) {
	if !room.ValidID(r.PathValue("id")) {
		http.NotFound(w, r)
		return
	}
	s.pages.serve(w, r, "join.html")
}
