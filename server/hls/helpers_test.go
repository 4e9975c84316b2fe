package hls

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"gasso/audio/audiotest"
)

const (
	startNS = int64(1_790_000_000_123_456_789) // room time at which the tests begin
	ffmpeg  = "ffmpeg"
	block   = sampleRate / 100
)

// startPackager starts a packager and a server for it; both end with the test.
func startPackager(t *testing.T, cfg Config) (s *Packager, base string) {
	t.Helper()
	if cfg.Epoch == 0 {
		cfg.Epoch = 3
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/live/room-demo", s.Handler()))
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, server.URL + "/live/room-demo/"
}

// program writes interleaved stereo in blocks of 10 ms, as fast as the encoder takes it.
type program struct {
	t       *testing.T
	s       *Packager
	written int64 // samples of room time since startNS
}

func (p *program) write(pcm []float32) {
	p.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for len(pcm) > 0 {
		n := min(len(pcm)/channels, block)
		for !p.s.source.fits(int64(n) + sampleRate) {
			if time.Now().After(deadline) {
				p.t.Fatalf("the encoder takes no more: %+v", p.s.Status())
			}
			time.Sleep(time.Millisecond)
		}
		p.s.Write(pcm[:n*channels], startNS+int64(durationOf(p.written)))
		pcm, p.written = pcm[n*channels:], p.written+int64(n)
	}
}

// skip lets room time go on without program.
func (p *program) skip(samples int64) { p.written += samples }

// until waits for a condition that another process or goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func mediaPlaylist(t *testing.T, url string) *playlist.Media {
	t.Helper()
	res, body := get(t, url)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %s", url, res.Status, body)
	}
	var m playlist.Media
	if err := m.Unmarshal(body); err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return &m
}

// output runs a command and returns what it wrote.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, complaint.Bytes())
	}
	return out
}

// decode lets ffmpeg play a playlist, which must have ended, into interleaved stereo at 48 kHz.
func decode(t *testing.T, url string) []float32 {
	t.Helper()
	return samples(output(t, ffmpeg, "-v", "error", "-i", url, "-f", "f32le", "-ac", "2", "-ar", "48000", "pipe:1"))
}

func samples(raw []byte) []float32 {
	pcm := make([]float32, len(raw)/4)
	for i := range pcm {
		pcm[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return pcm
}

// twoTones has freqLeft on the left and freqRight on the right, each at levelDB.
func twoTones(freqLeft, freqRight, levelDB float64, n int) []float32 {
	left, right := audiotest.Tone(freqLeft, levelDB, n, 1), audiotest.Tone(freqRight, levelDB, n, 1)
	pcm := make([]float32, 0, n*channels)
	for i := range left {
		pcm = append(pcm, left[i], right[i])
	}
	return pcm
}

func checkLevel(t *testing.T, pcm []float32, channel int, freq, wantDB, toleranceDB float64) {
	t.Helper()
	if got := audiotest.ToneLevelDB(pcm, channel, channels, freq); math.Abs(got-wantDB) > toleranceDB {
		t.Errorf("%g Hz on channel %d has %.1f dBFS, want %.1f", freq, channel, got, wantDB)
	}
}
