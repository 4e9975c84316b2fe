package server

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/wav"
)

// testConfig is a server for tests: any port, a folder of its own.
func testConfig(t *testing.T) Config {
	t.Helper()
	cfg := Default()
	folder, err := os.MkdirTemp("", "gasso") // t.TempDir is too long for a socket under some names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	cfg.Data, cfg.HTTP, cfg.RTCUDP, cfg.Dev = folder, "127.0.0.1:0", "0", true
	return cfg
}

// start runs a server until the test ends or stop is called.
func start(t *testing.T, cfg Config) (s *Server, stop func()) {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the server did not end")
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// linkOf is the link of the room demo for somebody.
func linkOf(t *testing.T, s *Server, who string) string {
	t.Helper()
	links, err := s.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.For == who {
			return l.URL
		}
	}
	t.Fatalf("no link for %s in %v", who, links)
	return ""
}

// get fetches an address and returns status and body.
func get(t *testing.T, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTwoPerformersHearEachOtherAndListenersHearBoth(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: run make setup")
	}
	s, stop := start(t, testConfig(t))
	a := joinRoom(t, linkOf(t, s, "performer"), "Ai", 440)
	b := joinRoom(t, linkOf(t, s, "host"), "Ben", 660)
	if a.joined.Role != "performer" || b.joined.Role != "host" {
		t.Fatalf("roles %s and %s", a.joined.Role, b.joined.Role)
	}
	checkTone(t, "what Ai hears", a.hears(b), 660, 440)
	checkTone(t, "what Ben hears", b.hears(a), 440, 660)

	playlist := s.base + "/live/room-demo/playlist.m3u8"
	waitFor(t, 20*time.Second, "broadcast", func() bool {
		packager := s.broadcastOf(demoRoom).packager.Load() // the first segment begins before the sound
		return packager != nil && packager.Status().Segments >= 3
	})
	out := filepath.Join(t.TempDir(), "heard.wav")
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	log, err := exec.CommandContext(ctx, ffmpeg, "-v", "error", "-live_start_index", "-1", "-i", playlist,
		"-t", "3", "-ac", "2", "-ar", "48000", out).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, log)
	}
	heard := readWAV(t, out)
	for _, freq := range []float64{440, 660} {
		if level := audiotest.ToneLevelDB(heard, 0, 2, freq); level < -15 || level > -9 {
			t.Errorf("listeners hear %.0f Hz at %.1f dB, want -12", freq, level)
		}
	}
	checkMetrics(t, s)
	stop()
	if _, err := os.Stat(SocketPath(s.cfg.Data)); !os.IsNotExist(err) {
		t.Error("the control socket is still there")
	}
}

// checkTone finds one tone at its level and not the other.
func checkTone(t *testing.T, what string, pcm []float32, want, not float64) {
	t.Helper()
	if level := audiotest.ToneLevelDB(pcm, 0, 2, want); level < -13 || level > -11 {
		t.Errorf("%s: %.0f Hz at %.1f dB, want -12", what, want, level)
	}
	if level := audiotest.ToneLevelDB(pcm, 0, 2, not); level > -40 {
		t.Errorf("%s: %.0f Hz at %.1f dB, want none", what, not, level)
	}
}

func readWAV(t *testing.T, path string) []float32 {
	t.Helper()
	r, err := wav.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	pcm := make([]float32, 48000*2*2)
	n := 0
	for n < len(pcm) {
		m, err := r.Read(pcm[n:])
		if m == 0 || err != nil {
			break
		}
		n += m * r.Channels()
	}
	return pcm[:min(n, len(pcm))]
}

func checkMetrics(t *testing.T, s *Server) {
	t.Helper()
	_, text := get(t, "http://"+s.OpsAddr().String()+"/metrics")
	for _, want := range []string{
		`gasso_participants{room="demo"} 2`, "gasso_rooms 1", "gasso_rooms_on_air 1",
		`gasso_encoder_restarts_total{room="demo"} 0`, `gasso_sfu_packets_unannounced_total{room="demo"}`, "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	checkDocumented(t, text)
	for _, name := range []string{"gasso_sfu_packets_received_total", "gasso_sfu_packets_forwarded_total", "gasso_hls_segments_total"} {
		if !strings.Contains(text, name+`{room="demo"} `) || strings.Contains(text, name+`{room="demo"} 0`) {
			t.Errorf("metric %s does not count", name)
		}
	}
}

// checkDocumented compares what the operations manual lists with what there is.
func checkDocumented(t *testing.T, metrics string) {
	t.Helper()
	manual, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`gasso_[a-z_]+`)
	listed, there := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(manual)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `gasso_") && len(cells) > 2 {
			for _, n := range name.FindAllString(cells[1], -1) {
				listed[n] = true
			}
		}
	}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "gasso_") {
			there[name.FindString(line)] = true
		}
	}
	for n := range there {
		if !listed[n] {
			t.Errorf("the manual lacks %s", n)
		}
	}
	for n := range listed {
		if !there[n] {
			t.Errorf("the manual lists %s, which is nowhere", n)
		}
	}
}
