package browser

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gasso/assets/listener"
	"gasso/audio/audiotest"
	"gasso/server/hls"
)

// policy is the content policy under which the server sends the pages.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self' blob:; connect-src 'self'; " +
	"img-src 'self' data:; worker-src 'self' blob:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// room is a server with one room on air: 440 Hz left at -14 dBFS, 660 Hz right at -20 dBFS.
type room struct {
	*httptest.Server

	mu     sync.Mutex
	state  string
	stream *hls.Packager
}

func (r *room) current() *hls.Packager {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stream
}

// restart replaces the stream as a restarted server does: a new epoch, the sequence continued.
func (r *room) restart(t *testing.T) {
	old := r.current()
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	stream, err := hls.New(hls.Config{RoomID: "demo", Epoch: 2, FirstSequence: old.Status().NextSequence, FFmpeg: "ffmpeg"})
	if err != nil {
		t.Error(err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stream = stream
}

// gone tells whether the room was closed.
func (r *room) gone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == ""
}

// setState says how the room is; without a state there is none any more.
func (r *room) setState(state string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = state
}

func (r *room) answer(w http.ResponseWriter, req *http.Request) {
	if r.gone() {
		http.NotFound(w, req)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	title, names := "Winter Lights: an Evening for Three", `{"name":"Aoi Tanaka"},{"name":"Jonas Berg"},{"name":"小林 美咲"}`
	since := time.Now().Add(-23*time.Minute - 10*time.Second).UnixMilli()
	_, _ = w.Write([]byte(`{"id":"demo","title":"` + title + `","state":"` + r.state + `","performers":[` + names + `],"sinceUnixMs":` +
		strconv.FormatInt(since, 10) + `,"playlist":"/live/room-demo/playlist.m3u8"}`))
}

func openRoom(t *testing.T) *room {
	t.Helper()
	stream, err := hls.New(hls.Config{RoomID: "demo", Epoch: 1, FFmpeg: "ffmpeg"})
	if err != nil {
		t.Fatal(err)
	}
	r := &room{stream: stream, state: "live"}
	files := http.FileServerFS(listener.FS())
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Security-Policy", policy)
			http.ServeFileFS(w, req, listener.FS(), name)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /room/{id}", page("index.html"))
	mux.HandleFunc("GET /join/{id}", page("join.html"))
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", files))
	mux.HandleFunc("GET /api/v1/rooms/demo", r.answer)
	mux.Handle("/live/room-demo/", http.StripPrefix("/live/room-demo", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.gone() {
			http.NotFound(w, req)
			return
		}
		r.current().Handler().ServeHTTP(w, req)
	})))
	r.Server = httptest.NewServer(mux)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.runProgram(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		r.Close()
		if err := r.current().Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// runProgram plays the tones in real time, after the first 8 s at once.
func (r *room) runProgram(ctx context.Context) {
	const block = 480
	left, right := audiotest.Tone(440, -14, 48000, 1), audiotest.Tone(660, -20, 48000, 1)
	pcm := make([]float32, 2*block)
	start := time.Now().Add(-8 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for at := 0; ; at += block {
		for i := range block {
			pcm[2*i], pcm[2*i+1] = left[(at+i)%48000], right[(at+i)%48000]
		}
		r.current().Write(pcm, start.UnixNano()+int64(at)*int64(time.Second)/48000)
		for time.Since(start) < time.Duration(at)*time.Second/48000 {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// visit runs one visit, and skips the test where there is no browser.
func visit(t *testing.T, v Visit) *Report {
	t.Helper()
	if folder := os.Getenv("GASSO_SCREENSHOTS"); folder != "" && v.Screenshot != "" {
		v.Screenshot = filepath.Join(folder, v.Screenshot)
	} else {
		v.Screenshot = ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	r, err := Run(ctx, v)
	if err != nil {
		t.Fatal(err)
	}
	if r.Error != "" || len(r.Problems) > 0 || r.Wide {
		t.Errorf("error %q, problems %q, wide %v, text:\n%s", r.Error, r.Problems, r.Wide, r.Text)
	}
	return r
}

func TestListenerHearsTheProgram(t *testing.T) {
	r := openRoom(t)
	got := visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "playing", Frequencies: []float64{440, 660, 1000},
		ListenMS: 5000})
	if len(got.LevelsDB) != 2 {
		t.Fatalf("heard %v", got.LevelsDB)
	}
	for _, c := range []struct {
		channel, index int
		wantDB, offDB  float64
	}{{0, 0, -14, 1}, {1, 1, -20, 1}, {0, 1, -110, 55}, {1, 2, -110, 55}} {
		if db := got.LevelsDB[c.channel][c.index]; math.Abs(db-c.wantDB) > c.offDB {
			t.Errorf("frequency %d on channel %d at %.1f dBFS, want %.0f", c.index, c.channel, db, c.wantDB)
		}
	}
	t.Logf("levels %.1f dBFS", got.LevelsDB)
	if got.Tall > 0 {
		t.Errorf("the page is %d px too tall", got.Tall)
	}
	for _, want := range []string{"Live", "You are listening live.", "Winter Lights", "Jonas Berg", "behind the performers", "for 23 min"} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("%q is not on the page:\n%s", want, got.Text)
		}
	}
}

func TestPageOnAPhoneInJapanese(t *testing.T) {
	r := openRoom(t)
	got := visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "playing", Width: 390, Height: 844, Scale: 2, Locale: "ja-JP",
		SettleMS: 3000, Screenshot: "live-phone-ja.png"})
	visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "playing", SettleMS: 3000, Screenshot: "live-desktop-en.png"})
	if got.Language != "ja" || got.Tall > 0 || !strings.Contains(got.Text, "ライブを再生しています。") {
		t.Errorf("language %s, %d px too tall:\n%s", got.Language, got.Tall, got.Text)
	}
}

func TestPageStartsByItselfWhenTheShowBegins(t *testing.T) {
	r := openRoom(t)
	r.setState("waiting")
	begin := time.AfterFunc(8*time.Second, func() { r.setState("live") })
	defer begin.Stop()
	got := visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "playing", Frequencies: []float64{440}})
	if len(got.LevelsDB) == 0 || math.Abs(got.LevelsDB[0][0]+14) > 1 {
		t.Errorf("heard %v, want -14 dBFS", got.LevelsDB)
	}
}

func TestPageFindsTheBroadcastAgainAfterARestartOfTheServer(t *testing.T) {
	r := openRoom(t)
	restart := time.AfterFunc(6*time.Second, func() { r.restart(t) })
	defer restart.Stop()
	got := visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "reconnecting", Then: "playing", Frequencies: []float64{440},
		TimeoutMS: 60000, Tolerate: "404"})
	if len(got.LevelsDB) == 0 || math.Abs(got.LevelsDB[0][0]+14) > 1 {
		t.Errorf("heard %v, want -14 dBFS", got.LevelsDB)
	}
}

func TestPageGoesOnWhenTheShowBeginsAgain(t *testing.T) {
	r := openRoom(t)
	end := time.AfterFunc(5*time.Second, func() { r.setState("waiting"); r.current().End() })
	defer end.Stop()
	again := time.AfterFunc(16*time.Second, func() { r.restart(t); r.setState("live") })
	defer again.Stop()
	got := visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "playing", Then: "armed", Frequencies: []float64{440},
		TimeoutMS: 60000, Tolerate: "404"})
	if len(got.LevelsDB) == 0 || math.Abs(got.LevelsDB[0][0]+14) > 1 {
		t.Errorf("heard %v, want -14 dBFS", got.LevelsDB)
	}
}

func TestPageStopsTryingWhenTheRoomIsClosed(t *testing.T) {
	r := openRoom(t)
	closing := time.AfterFunc(4*time.Second, func() { r.setState("") })
	defer closing.Stop()
	got := visit(t, Visit{URL: r.URL + "/room/demo", Play: true, State: "playing", Then: "ended", TimeoutMS: 60000, Tolerate: "404"})
	if !strings.Contains(got.Text, "The performance has ended.") {
		t.Errorf("page says\n%s", got.Text)
	}
}

func TestPageSaysHowTheRoomIs(t *testing.T) {
	r := openRoom(t)
	for _, c := range []struct{ state, locale, want, picture string }{
		{"waiting", "en-GB", "The performance has not started yet.", "waiting-phone-en.png"},
		{"ended", "ja-JP", "演奏は終了しました。", "ended-phone-ja.png"},
		{"live", "en-GB", "Press play to listen.", "ready-phone-en.png"},
	} {
		r.setState(c.state)
		moment := map[string]string{"live": "ready"}[c.state]
		if moment == "" {
			moment = c.state
		}
		got := visit(t, Visit{URL: r.URL + "/room/demo", State: moment, Width: 390, Height: 844, Scale: 2, Locale: c.locale, SettleMS: 700, Screenshot: c.picture})
		if !strings.Contains(got.Text, c.want) || got.Tall > 0 {
			t.Errorf("%s: %q is not on the page, or it is %d px too tall:\n%s", c.state, c.want, got.Tall, got.Text)
		}
	}
}

func TestInvitationIsCopiedWhole(t *testing.T) {
	r := openRoom(t)
	link := r.URL + "/join/demo#eyJhbGciOiJFZERTQSJ9.secret"
	got := visit(t, Visit{URL: link, Press: []string{"#copy"}, Screenshot: "join-desktop-en.png"})
	if got.Clipboard != link {
		t.Errorf("copied %q, want %q", got.Clipboard, link)
	}
	got = visit(t, Visit{URL: link, Width: 390, Height: 844, Scale: 2, Locale: "ja-JP", Screenshot: "join-phone-ja.png"})
	if !strings.Contains(got.Text, "出演への招待") {
		t.Errorf("page says\n%s", got.Text)
	}
	got = visit(t, Visit{URL: r.URL + "/join/demo"})
	if !strings.Contains(got.Text, "The end of this link is missing") {
		t.Errorf("a link without a token: page says\n%s", got.Text)
	}
}
