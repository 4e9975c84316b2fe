package hls

import (
	"bytes"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	typePlaylist = "application/vnd.apple.mpegurl"
	typeInit     = "audio/mp4"
	typeSegment  = "video/iso.segment"

	cachePlaylist = "public, max-age=1"
	cacheForever  = "public, max-age=31536000, immutable" // epoch and sequence make names unique
	cacheNever    = "no-store"
)

// handler serves the newest snapshot. It takes no lock.
type handler struct{ segmenter *segmenter }

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date")
	header.Set("X-Content-Type-Options", "nosniff")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.serve(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	case http.MethodOptions:
		header.Set("Access-Control-Allow-Methods", "GET, HEAD")
		header.Set("Access-Control-Allow-Headers", "Range, If-None-Match")
		header.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	default:
		header.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, path string) {
	s := h.segmenter
	folder, name, nested := strings.Cut(path, "/")
	playlist := !nested && path == "playlist.m3u8"
	if !playlist && folder != strconv.FormatInt(s.epoch, 10) {
		refuse(w, "there is nothing here")
		return
	}
	snap := s.current()
	if snap == nil && (playlist || name == s.what.name+".m3u8") {
		w.Header().Set("Retry-After", "1")
		refuse(w, "the broadcast has not begun; try again in a second")
		return
	}
	switch {
	case snap == nil:
		refuse(w, "there is nothing here yet")
	case playlist:
		send(w, r, snap.multivariant, typePlaylist, cachePlaylist)
	case name == s.what.name+".m3u8":
		send(w, r, snap.media, typePlaylist, cachePlaylist)
	case name == s.what.name+"_init.mp4":
		send(w, r, snap.init, typeInit, cacheForever)
	default:
		if seg := snap.find(s.what, name); seg != nil {
			send(w, r, seg.payload, typeSegment, cacheForever)
			return
		}
		refuse(w, "there is no such segment, or no longer")
	}
}

// find returns the segment with that file name, or nil.
func (snap *snapshot) find(what rendition, name string) *segment {
	digits, ok := strings.CutPrefix(strings.TrimSuffix(name, ".m4s"), what.name+"_")
	if !ok {
		return nil
	}
	sequence, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || name != segmentName(what, sequence) {
		return nil
	}
	i := sequence - snap.segments[0].sequence
	if i < 0 || i >= int64(len(snap.segments)) {
		return nil
	}
	return snap.segments[i]
}

// send answers with body, a part of it, or that it has not changed.
func send(w http.ResponseWriter, r *http.Request, body []byte, contentType, cache string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", cache)
	if cache == cachePlaylist {
		sum := fnv.New64a()
		_, _ = sum.Write(body) // never fails
		header.Set("ETag", `"`+strconv.FormatUint(sum.Sum64(), 36)+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// refuse answers 404 in a way that no cache keeps.
func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Cache-Control", cacheNever)
	http.Error(w, why, http.StatusNotFound)
}
