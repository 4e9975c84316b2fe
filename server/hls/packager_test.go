package hls

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"gasso/audio/audiotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broadcast sends 19 s of two tones, a whole playlist, and ends.
func broadcast(t *testing.T, cfg Config) (*Packager, string) {
	s, base := startPackager(t, cfg)
	p := &program{t: t, s: s}
	p.write(twoTones(440, 1000, -12, 19*sampleRate))
	s.End()
	return s, base
}

// checkTones expects what broadcast sent, lead samples late.
func checkTones(t *testing.T, got []float32, lead int) {
	t.Helper()
	if n := len(got)/channels - lead; n < 19*sampleRate || n > 19*sampleRate+4*aacFrameSamples {
		t.Fatalf("decoded %d samples, want 19 s", n)
	}
	got = got[lead*channels:]
	for second := range 18 {
		piece := got[second*sampleRate*channels : (second+1)*sampleRate*channels]
		checkLevel(t, piece, 0, 440, -12, 0.3)
		checkLevel(t, piece, 1, 1000, -12, 0.3)
		checkLevel(t, piece, 0, 1000, -120, 60)
	}
	want := twoTones(440, 1000, -12, 18*sampleRate)
	if db := audiotest.SignalToErrorDB(want[2*sampleRate:], got[2*sampleRate:len(want)]); db < 30 {
		t.Errorf("signal to error is %.1f dB: the tones are not where they were sent", db)
	}
}

func TestTonesComeBackThroughFFmpeg(t *testing.T) {
	var last atomic.Int64
	s, base := broadcast(t, Config{FFmpeg: ffmpeg, OnSegment: func(seq int64) { last.Store(seq) }})
	checkTones(t, decode(t, base+"playlist.m3u8"), aacPriming)
	st := s.Status()
	if st.Problem != "" || st.Restarts != 0 || st.DroppedSamples != 0 || st.Segments != 10 || !st.Ended || last.Load() != 8 {
		t.Errorf("status %+v, last segment reported %d", st, last.Load())
	}
	probe := string(output(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,profile,sample_rate,channels",
		"-of", "csv=p=0", base+"playlist.m3u8"))
	if want := "aac,LC,48000,2"; !strings.Contains(probe, want) {
		t.Errorf("ffprobe says %q, want %q", probe, want)
	}
}

func TestTonesComeBackThroughGStreamer(t *testing.T) {
	if _, err := exec.LookPath("gst-launch-1.0"); err != nil {
		t.Fatal("gst-launch-1.0 is missing: run make setup")
	}
	_, base := broadcast(t, Config{FFmpeg: ffmpeg})
	file := filepath.Join(t.TempDir(), "pcm")
	output(t, "gst-launch-1.0", "-q", "souphttpsrc", "location="+base+"playlist.m3u8", "!", "hlsdemux", "!", "decodebin", "!",
		"audioconvert", "!", "audioresample", "!", "audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2", "!", "filesink", "location="+file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pcm := samples(raw)
	if n := len(pcm) / channels; n < 19*sampleRate || n > 20*sampleRate {
		t.Fatalf("decoded %d samples, want 19 s", n)
	}
	checkLevel(t, pcm[sampleRate*channels:18*sampleRate*channels], 0, 440, -12, 0.3)
	checkLevel(t, pcm[sampleRate*channels:18*sampleRate*channels], 1, 1000, -12, 0.3)
}

func TestOpusCarriesTheBroadcastWithoutFFmpeg(t *testing.T) {
	s, base := broadcast(t, Config{})
	checkTones(t, decode(t, base+"playlist.m3u8"), 0) // players cut the 312 samples of look-ahead
	if st := s.Status(); st.Codec != "opus" || !strings.Contains(st.Problem, "ffmpeg is missing") || st.EncoderPID != 0 {
		t.Errorf("status %+v", st)
	}
	if m := mediaPlaylist(t, base+"3/opus.m3u8"); !m.Endlist || m.Segments[0].Duration.Seconds() != 2 {
		t.Errorf("playlist %+v", m)
	}
}

// packetTimes asks ffprobe for the time stamps of all packets.
func packetTimes(t *testing.T, url string) (pts []int64) {
	t.Helper()
	for _, field := range strings.Fields(string(output(t, "ffprobe", "-v", "error", "-show_entries", "packet=pts", "-of", "csv=p=0", url))) {
		v, err := strconv.ParseInt(strings.Trim(field, ","), 10, 64)
		if err != nil {
			t.Fatalf("ffprobe says %q", field)
		}
		pts = append(pts, v)
	}
	return pts
}

// interrupt broadcasts 19 s and sends a signal to ffmpeg in the middle.
func interrupt(t *testing.T, sig syscall.Signal) (*Packager, string) {
	s, base := startPackager(t, Config{FFmpeg: ffmpeg})
	p := &program{t: t, s: s}
	pcm := twoTones(440, 1000, -12, 19*sampleRate)
	half := 9*sampleRate*channels + 2*333
	p.write(pcm[:half])
	until(t, "half of the frames", func() bool { return s.source.kept.Load() > 8*sampleRate })
	pid := s.Status().EncoderPID
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
	p.write(pcm[half:])
	until(t, "a new ffmpeg", func() bool {
		st := s.Status()
		return st.Restarts == 1 && st.EncoderPID != 0 && st.EncoderPID != pid && st.Problem == ""
	})
	s.End()
	return s, base
}

func TestTimeStampsContinueAfterFFmpegIsKilled(t *testing.T) {
	_, base := interrupt(t, syscall.SIGKILL)
	checkSeamless(t, base)
}

func TestHungFFmpegIsReplaced(t *testing.T) {
	_, base := interrupt(t, syscall.SIGSTOP)
	checkSeamless(t, base)
}

func checkSeamless(t *testing.T, base string) {
	t.Helper()
	for _, seg := range mediaPlaylist(t, base+"3/aac128.m3u8").Segments {
		if seg.Discontinuity {
			t.Errorf("%s has a discontinuity", seg.URI)
		}
	}
	pts := packetTimes(t, base+"playlist.m3u8")
	if len(pts) < 19*sampleRate/aacFrameSamples {
		t.Fatalf("%d packets", len(pts))
	}
	for i := range pts[1:] {
		if pts[i+1]-pts[i] != aacFrameSamples {
			t.Errorf("packet %d is %d samples after the one before", i+1, pts[i+1]-pts[i])
		}
	}
	got := decode(t, base+"playlist.m3u8")
	checkTones(t, got, aacPriming)
	checkEnvelope(t, got[aacPriming*channels:])
}

// checkEnvelope expects a steady level in each 5 ms.
func checkEnvelope(t *testing.T, pcm []float32) {
	t.Helper()
	const window = sampleRate / 200
	for at := sampleRate / 10; at < 18*sampleRate; at += window {
		piece := pcm[at*channels : (at+window)*channels]
		if rms := audiotest.RMSDB(piece); math.Abs(rms+15) > 2 {
			t.Errorf("level at %.3f s is %.1f dBFS, want -15", float64(at)/sampleRate, rms)
		}
	}
}

func TestHolesInTheProgram(t *testing.T) {
	s, base := startPackager(t, Config{FFmpeg: ffmpeg, FirstSequence: 40})
	p := &program{t: t, s: s}
	tone := twoTones(440, 1000, -12, 3*sampleRate)
	p.write(tone)
	p.skip(sampleRate / 2) // becomes silence
	p.write(tone)
	p.skip(7 * sampleRate) // becomes a discontinuity
	p.write(tone)
	s.End()

	m := mediaPlaylist(t, base+"3/aac128.m3u8")
	var breaks []int
	for i, seg := range m.Segments {
		if seg.Discontinuity {
			breaks = append(breaks, i)
		}
		if i == 0 {
			continue
		}
		from, to := *m.Segments[i-1].DateTime, *seg.DateTime
		step := to.Sub(from) - m.Segments[i-1].Duration
		if limit := 0.002; !seg.Discontinuity && math.Abs(step.Seconds()) > limit {
			t.Errorf("%s begins %v after the end of the segment before", seg.URI, step)
		} else if seg.Discontinuity && math.Abs(step.Seconds()-7) > 0.05 {
			t.Errorf("%s begins %v after the end of the segment before, want 7 s", seg.URI, step)
		}
	}
	if m.MediaSequence != 40 || len(breaks) != 2 || breaks[0] != 0 || breaks[1] != 4 {
		t.Errorf("sequence %d, discontinuities at %v, want 40 and [0 4]", m.MediaSequence, breaks)
	}
	first := timeOf(samplesOf(startNS) - aacPriming)
	if d := m.Segments[0].DateTime.Sub(first); math.Abs(d.Seconds()) > 0.0011 {
		t.Errorf("first segment begins %v after its room time", d)
	}
}

func TestPoisonedProgramDoesNotStopTheBroadcast(t *testing.T) {
	s, base := startPackager(t, Config{FFmpeg: ffmpeg})
	p := &program{t: t, s: s}
	pcm := twoTones(440, 1000, -12, 6*sampleRate)
	for i := range pcm[:100] {
		pcm[3*sampleRate+i] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e30}[i%4]
	}
	p.write(pcm)
	s.End()
	if st := s.Status(); st.Restarts != 0 || st.Problem != "" {
		t.Errorf("status %+v", st)
	}
	if got := decode(t, base+"playlist.m3u8"); len(got)/channels < 6*sampleRate {
		t.Errorf("decoded %d samples, want 6 s", len(got)/channels)
	}
}

func TestEncoderThatCannotWorkIsSaidInWords(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho no such encoder >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, base := startPackager(t, Config{FFmpeg: broken})
	s.Write(make([]float32, 2*block), startNS)
	until(t, "the problem", func() bool { return strings.Contains(s.Status().Problem, "no such encoder") })
	if res, _ := get(t, base+"playlist.m3u8"); res.StatusCode != 404 {
		t.Errorf("playlist answers %s", res.Status)
	}
	if _, err := New(Config{FFmpeg: filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Error("a missing ffmpeg is no error")
	}
}

func TestBroadcastGoesOnAfterAnEncoderThatDiesOften(t *testing.T) {
	real, err := exec.LookPath(ffmpeg)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	wrapper := filepath.Join(folder, "ffmpeg") // dies of what it reads in its first four lives
	script := "#!/bin/sh\ncd " + folder + "\necho >> lives\nif [ $(wc -l < lives) -le 4 ]; then head -c 4000 > /dev/null; exit 9; fi\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	s, base := startPackager(t, Config{FFmpeg: wrapper})
	p := &program{t: t, s: s}
	p.write(twoTones(440, 1000, -12, sampleRate))
	until(t, "four deaths", func() bool { return s.Status().Restarts >= 3 })
	for s.Status().Restarts < 4 {
		p.write(twoTones(440, 1000, -12, block))
	}
	p.write(twoTones(440, 1000, -12, 5*sampleRate))
	s.End()
	if st := s.Status(); st.Restarts != 4 || st.Problem != "" {
		t.Errorf("status %+v", st)
	}
	if got := decode(t, base+"playlist.m3u8"); len(got)/channels < 5*sampleRate {
		t.Errorf("decoded %d samples, want 5 s", len(got)/channels)
	}
}

func TestProgramIsDroppedWhenTheEncoderIsAway(t *testing.T) {
	s := newSource()
	pcm := make([]float32, sampleRate*channels)
	for second := range int64(15) {
		s.write(pcm, second*sampleRate)
	}
	if got, want := s.dropped.Load(), int64(5*sampleRate); got != want {
		t.Errorf("dropped %d samples, want %d", got, want)
	}
	if kept := s.written.Load(); kept != 10*sampleRate {
		t.Errorf("kept %d samples, want 10 s", kept)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	s := newSource()
	pcm := make([]float32, block*channels)
	at := int64(0)
	audiotest.CheckNoAllocs(t, func() {
		s.write(pcm, at)
		at += block
		s.keep(s.written.Load())
	})
}

func TestBitrateIsAbout128(t *testing.T) {
	for _, cfg := range []Config{{FFmpeg: ffmpeg}, {}} {
		s, _ := startPackager(t, cfg)
		p := &program{t: t, s: s}
		p.write(audiotest.Noise(1, -20, 19*sampleRate, channels))
		s.End()
		var bytes, played int64
		for _, seg := range s.segmenter.current().segments {
			bytes, played = bytes+int64(len(seg.payload)), played+seg.samples
			if rate := float64(len(seg.payload)*8) * sampleRate / float64(seg.samples); rate > float64(s.segmenter.what.peakBPS) {
				t.Errorf("segment %d has %.0f bit/s, the playlist promises %d", seg.sequence, rate, s.segmenter.what.peakBPS)
			}
		}
		rate := float64(bytes*8) * sampleRate / float64(played)
		t.Logf("%s: %.1f kbit/s", s.Status().Codec, rate/1000)
		if math.Abs(rate/128000-1) > 0.08 {
			t.Errorf("%s has %.0f bit/s, want 128000", s.Status().Codec, rate)
		}
	}
}
