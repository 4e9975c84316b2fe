package hls

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// bench is a segmenter with a clock of its own.
type bench struct {
	*segmenter
	clock  time.Time
	frames int64
}

func newBench(t *testing.T, first int64) *bench {
	t.Helper()
	b := &bench{clock: time.Unix(1_790_000_000, 0)}
	cfg := Config{Epoch: 7, FirstSequence: first, now: func() time.Time { return b.clock }}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	s, err := newSegmenter(cfg, renditionAAC)
	if err != nil {
		t.Fatal(err)
	}
	b.segmenter = s
	s.startRun()
	return b
}

// play appends frames for d of media and moves the clock with them.
func (b *bench) play(d time.Duration) {
	for end := b.frames + int64(d)*sampleRate/int64(time.Second)/aacFrameSamples; b.frames < end; b.frames++ {
		b.append(frame{payload: make([]byte, 340), samples: aacFrameSamples, roomSample: samplesOf(startNS) + b.frames*aacFrameSamples})
		b.clock = b.clock.Add(durationOf(aacFrameSamples))
	}
}

// ask sends a request past the network.
func (b *bench) ask(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	(&handler{segmenter: b.segmenter}).ServeHTTP(w, r)
	return w.Result()
}

func TestSegmentsAlternateBetween93And94Frames(t *testing.T) {
	b := newBench(t, 0)
	b.play(40 * time.Second)
	var total, at int64
	for _, seg := range b.current().segments {
		if n := seg.samples / aacFrameSamples; n != 93 && n != 94 {
			t.Errorf("segment %d has %d frames", seg.sequence, n)
		}
		if seg.roomSample != samplesOf(startNS)+at {
			t.Errorf("segment %d begins at %d, want %d", seg.sequence, seg.roomSample-samplesOf(startNS), at)
		}
		at += seg.samples
		total++
		if ahead := at - total*2*sampleRate; ahead < 0 || ahead >= aacFrameSamples {
			t.Errorf("after segment %d the media is %d samples from a multiple of 2 s", seg.sequence, ahead)
		}
	}
	if total != 19 {
		t.Errorf("%d segments of 40 s", total)
	}
}

func TestListHoldsTenAndOldSegmentsGoAfterTheirGrace(t *testing.T) {
	b := newBench(t, 1000)
	seen := time.Time{} // when segment 1000 left the list
	for range 200 {
		b.play(500 * time.Millisecond)
		snap := b.current()
		if snap == nil {
			continue
		}
		text := string(snap.media)
		if n := strings.Count(text, "#EXTINF"); n > 10 {
			t.Fatalf("%d segments in the list", n)
		}
		if n := strings.Count(text, "#EXT-X-PROGRAM-DATE-TIME"); n != strings.Count(text, "#EXTINF") {
			t.Fatalf("%d date-times in\n%s", n, text)
		}
		if seen.IsZero() && !strings.Contains(text, "_1000.m4s") {
			seen = b.clock
		}
		code := b.ask("GET", "/7/aac128_1000.m4s").StatusCode
		switch age := b.clock.Sub(seen); {
		case seen.IsZero() || age < 22*time.Second:
			if code != 200 {
				t.Fatalf("segment 1000 answers %d at %v after it left the list", code, age)
			}
		case age > 26*time.Second && code != 404:
			t.Fatalf("segment 1000 answers %d at %v after it left the list", code, age)
		}
		if len(snap.segments) > 10+13 {
			t.Fatalf("%d segments in memory", len(snap.segments))
		}
	}
	if seen.IsZero() {
		t.Error("segment 1000 never left the list")
	}
}

func TestMemoryIsBoundedWhenMediaComesFasterThanTime(t *testing.T) {
	b := newBench(t, 0)
	for range 100 {
		b.play(4 * time.Second)
		b.clock = time.Unix(1_790_000_000, 0)
	}
	if n := len(b.current().segments); n != 40 {
		t.Errorf("%d segments in memory, want 40", n)
	}
}

func TestDiscontinuitySequenceCountsWhatLeftTheList(t *testing.T) {
	b := newBench(t, 0)
	b.play(5 * time.Second)
	b.startRun()
	b.play(15 * time.Second)
	text := string(b.current().media)
	if !strings.Contains(text, "DISCONTINUITY-SEQUENCE:0\n") || strings.Count(text, "#EXT-X-DISCONTINUITY\n") != 1 {
		t.Errorf("after the break:\n%s", text)
	}
	b.play(30 * time.Second)
	text = string(b.current().media)
	if !strings.Contains(text, "DISCONTINUITY-SEQUENCE:1\n") || strings.Contains(text, "#EXT-X-DISCONTINUITY\n") {
		t.Errorf("after the break has left the list:\n%s", text)
	}
}

func TestAnswers(t *testing.T) {
	b := newBench(t, 5)
	if res := b.ask("GET", "/playlist.m3u8"); res.StatusCode != 404 || res.Header.Get("Retry-After") != "1" ||
		res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("before the first segment: %s %v", res.Status, res.Header)
	}
	b.play(5 * time.Second)
	for _, c := range []struct {
		method, path, wantType, wantCache string
		want                              int
	}{
		{"GET", "/playlist.m3u8", typePlaylist, cachePlaylist, 200},
		{"GET", "playlist.m3u8", typePlaylist, cachePlaylist, 200},
		{"HEAD", "/7/aac128.m3u8", typePlaylist, cachePlaylist, 200},
		{"GET", "/7/aac128_init.mp4", typeInit, cacheForever, 200},
		{"GET", "/7/aac128_5.m4s", typeSegment, cacheForever, 200},
		{"GET", "/7/aac128_6.m4s", typeSegment, cacheForever, 200},
		{"GET", "/7/aac128_7.m4s", "", cacheNever, 404},
		{"GET", "/7/aac128_4.m4s", "", cacheNever, 404},
		{"GET", "/7/aac128_05.m4s", "", cacheNever, 404},
		{"GET", "/7/aac128_+5.m4s", "", cacheNever, 404},
		{"GET", "/7/aac128_5.ts", "", cacheNever, 404},
		{"GET", "/7/aac128_99999999999999999999.m4s", "", cacheNever, 404},
		{"GET", "/6/aac128.m3u8", "", cacheNever, 404},
		{"GET", "/aac128.m3u8", "", cacheNever, 404},
		{"GET", "/7/opus.m3u8", "", cacheNever, 404},
		{"GET", "/", "", cacheNever, 404},
		{"GET", "/7/../playlist.m3u8", "", cacheNever, 404},
		{"POST", "/playlist.m3u8", "", "", 405},
		{"OPTIONS", "/playlist.m3u8", "", "", 204},
	} {
		res := b.ask(c.method, "http://server/"+strings.TrimPrefix(c.path, "/"))
		h := res.Header
		if res.StatusCode != c.want || c.wantType != "" && h.Get("Content-Type") != c.wantType ||
			h.Get("Cache-Control") != c.wantCache || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %s %v", c.method, c.path, res.Status, h)
		}
		if c.method == "HEAD" && (res.ContentLength <= 0 && h.Get("Content-Length") == "") {
			t.Errorf("%s %s says no length", c.method, c.path)
		}
	}
	tag := b.ask("GET", "/7/aac128.m3u8").Header.Get("ETag")
	if res := b.ask("GET", "/7/aac128.m3u8", "If-None-Match", tag); tag == "" || res.StatusCode != 304 {
		t.Errorf("unchanged playlist with tag %q answers %s", tag, res.Status)
	}
	if res := b.ask("GET", "/7/aac128_5.m4s", "Range", "bytes=0-99"); res.StatusCode != 206 || res.ContentLength != 100 {
		t.Errorf("range answers %s with %d bytes", res.Status, res.ContentLength)
	}
}

func TestMultivariantPlaylist(t *testing.T) {
	b := newBench(t, 0)
	b.play(3 * time.Second)
	want := "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=160000,AVERAGE-BANDWIDTH=132000,CODECS=\"mp4a.40.2\"\n7/aac128.m3u8\n"
	if got := string(b.current().multivariant); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
