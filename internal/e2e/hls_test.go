package e2e

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gasso/audio/wav"
)

// segment is one entry of a media playlist.
type segment struct {
	uri   string
	start time.Time // program date time
	span  time.Duration
}

// listen reads a room's media playlist; the error tells that there is none yet.
func (s *server) listen() (initURI string, segments []segment, err error) {
	multivariant := s.base + "/live/room-demo/playlist.m3u8"
	body, err := tryGet(multivariant)
	if err != nil {
		return "", nil, err
	}
	media := resolve(multivariant, firstURI(string(body)))
	if body, err = tryGet(media); err != nil {
		return "", nil, err
	}
	var next segment
	for _, line := range strings.Split(string(body), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-MAP:"):
			initURI = resolve(media, strings.Split(line, `"`)[1])
		case strings.HasPrefix(line, "#EXT-X-PROGRAM-DATE-TIME:"):
			if next.start, err = time.Parse("2006-01-02T15:04:05.999999999Z07:00", strings.TrimPrefix(line, "#EXT-X-PROGRAM-DATE-TIME:")); err != nil {
				return "", nil, err
			}
		case strings.HasPrefix(line, "#EXTINF:"):
			if next.span, err = time.ParseDuration(strings.TrimSuffix(strings.SplitN(strings.TrimPrefix(line, "#EXTINF:"), ",", 2)[0], ",") + "s"); err != nil {
				return "", nil, err
			}
		case line != "" && !strings.HasPrefix(line, "#"):
			next.uri = resolve(media, line)
			segments = append(segments, next)
		}
	}
	return initURI, segments, nil
}

func firstURI(playlist string) string {
	for _, line := range strings.Split(playlist, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

func resolve(base, ref string) string {
	if strings.HasPrefix(ref, "http") {
		return ref
	}
	return base[:strings.LastIndexByte(base, '/')+1] + ref
}

// programSince waits for a segment that lies wholly after a moment of room time, and decodes it:
// interleaved stereo at 48 kHz.
func (s *server) programSince(after time.Time) []float32 {
	s.t.Helper()
	var pcm []float32
	eventually(s.t, 20*time.Second, "the playlist has a segment after "+after.Format(time.TimeOnly), func() bool {
		initURI, segments, err := s.listen()
		if err != nil {
			return false
		}
		for _, g := range segments {
			if g.start.After(after) {
				pcm = decode(s.t, append(get(s.t, initURI), get(s.t, g.uri)...))
				return true
			}
		}
		return false
	})
	return pcm
}

// decode turns a file of any format into interleaved stereo PCM at 48 kHz by ffmpeg.
func decode(t testing.TB, data []byte) []float32 {
	t.Helper()
	return floats(run(t, bytes.NewReader(data), "ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "f32le", "-ac", "2", "-ar", "48000", "pipe:1"))
}

func floats(raw []byte) []float32 {
	pcm := make([]float32, len(raw)/4)
	for i := range pcm {
		pcm[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return pcm
}

// hlsRecorder is an ffmpeg that follows the playlist from its first segment, as a listener would.
type hlsRecorder struct {
	*process
	path string
}

func (s *server) record(seconds string) *hlsRecorder {
	path := filepath.Join(s.t.TempDir(), "listener.wav")
	eventually(s.t, 20*time.Second, "the playlist is there", func() bool { _, g, err := s.listen(); return err == nil && len(g) > 0 })
	p := start(s.t, nil, "ffmpeg", "-v", "error", "-live_start_index", "0", "-i", s.base+"/live/room-demo/playlist.m3u8",
		"-t", seconds, "-c:a", "pcm_f32le", "-ar", "48000", "-ac", "2", "-y", path)
	return &hlsRecorder{p, path}
}

func (r *hlsRecorder) pcm(within time.Duration) []float32 {
	r.t.Helper()
	if code := r.exitCode(within); code != 0 {
		r.t.Fatalf("ffmpeg ended with %d: %s", code, r.stderr.String())
	}
	return readWAV(r.t, r.path)
}

// readWAV reads a whole WAV file as interleaved stereo.
func readWAV(t testing.TB, path string) []float32 {
	t.Helper()
	r, err := wav.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []float32
	buf := make([]float32, 4096*r.Channels())
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil || n == 0 {
			break
		}
	}
	if r.Channels() == 1 {
		stereo := make([]float32, 0, 2*len(all))
		for _, v := range all {
			stereo = append(stereo, v, v)
		}
		return stereo
	}
	return all
}

// speak makes a WAV file of espeak-ng speech at 48 kHz.
func speak(t testing.TB, text string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "raw.wav"), filepath.Join(dir, "speech.wav")
	run(t, nil, "espeak-ng", append(args, "-w", raw, text)...)
	run(t, nil, "sox", raw, "-r", "48000", "-c", "1", "-b", "16", path, "norm", "-6", "pad", "0.5", "0.5")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// seconds cuts n seconds starting at from out of interleaved stereo.
func seconds(pcm []float32, from, n float64) []float32 {
	a, b := 2*int(48000*from), 2*int(48000*(from+n))
	return pcm[min(max(a, 0), len(pcm)):min(max(b, 0), len(pcm))]
}

// lastSeconds cuts the newest n seconds but the last half second out of interleaved stereo.
func lastSeconds(pcm []float32, n float64) []float32 {
	return seconds(pcm, float64(len(pcm))/96000-n-0.5, n)
}
