package e2e

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/internal/soundrig"
)

// TestRunSoundsInEveryCase runs what make run runs, with and without display and sound device.
func TestRunSoundsInEveryCase(t *testing.T) {
	for _, c := range []struct {
		name, says     string
		display, sound bool
	}{
		{"no display", "two performers without a screen", false, false},
		{"display without sound device", "bundled material", true, false},
		{"display and sound device", "your microphone", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			env := []string{"HTTP=" + freeAddress(t), "DATA=" + t.TempDir(), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "GOFLAGS=", "GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE")}
			if c.display {
				env = append(env, "DISPLAY="+startScreen(t).display)
			}
			if c.sound {
				rig := soundrig.Start(t)
				cable := rig.Cable("app")
				rig.SetDefault(cable)
				env = append(env, rig.Env()...)
				rig.PlayPCM(audiotest.Interleave(audiotest.Speech(3, -12, 48000*60), 2), 2, cable.MicSink)
			}
			p := startGroup(t, env, filepath.Join(root, "internal/build/run.sh"))
			eventually(t, 70*time.Second, "the links are printed", func() bool { return strings.Contains(p.stdout.String(), "listener  ") })
			if !strings.Contains(p.stdout.String(), c.says) {
				t.Errorf("make run does not say which case it is: %s", p.stdout.String())
			}
			base := strings.TrimSuffix(lastField(strings.Split(p.stdout.String()[strings.Index(p.stdout.String(), "listener  "):], "\n")[0]), "/room/demo")
			s := &server{process: p, base: base}
			pcm := s.programSince(time.Now().Add(4 * time.Second))
			db := audiotest.RMSDB(pcm)
			t.Logf("the listener link sounds at %.1f dB RMS", db)
			if db < -50 || math.IsNaN(db) {
				t.Errorf("the listener link is silent: %.1f dB RMS", db)
			}
			p.stop()
			if left := strings.TrimSpace(ownProcesses(t, p.cmd.Process.Pid)); left != "" {
				t.Errorf("after the end there still run:\n%s", left)
			}
		})
	}
}

// startGroup is start in a process group of its own, so that what it leaves behind can be found.
func startGroup(t testing.TB, env []string, name string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(name), stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd = exec.Command(name)
	p.cmd.Env = append(cleanEnviron(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.run()
	return p
}

func ownProcesses(t testing.TB, group int) string {
	out, err := exec.Command("ps", "-eo", "pgid=,pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, line := range strings.Split(string(out), "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[0] == strconv.Itoa(group) {
			left = append(left, line)
		}
	}
	return strings.Join(left, "\n")
}

func goEnv(t testing.TB, name string) string {
	return strings.TrimSpace(string(run(t, nil, "go", "env", name)))
}

// TestIndependentReadersTakeThePlaylist lets ffprobe and GStreamer read the real server.
func TestIndependentReadersTakeThePlaylist(t *testing.T) {
	s := startServer(t, nil)
	startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	url := s.base + "/live/room-demo/playlist.m3u8"
	s.programSince(time.Now().Add(2 * time.Second))
	probe := string(run(t, nil, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,profile,sample_rate,channels", "-of", "default=nw=1", url))
	for _, want := range []string{"codec_name=aac", "profile=LC", "sample_rate=48000", "channels=2"} {
		if !strings.Contains(probe, want) {
			t.Errorf("ffprobe does not find %s:\n%s", want, probe)
		}
	}
	out := filepath.Join(t.TempDir(), "gst.raw")
	gst := start(t, nil, "gst-launch-1.0", "-e", "souphttpsrc", "location="+url, "!", "hlsdemux", "!", "decodebin", "!", "audioconvert", "!", "audioresample", "!",
		"audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2", "!", "filesink", "location="+out)
	eventually(t, 30*time.Second, "GStreamer decodes 7 s", func() bool {
		info, err := os.Stat(out)
		return err == nil && info.Size() > 7*48000*8
	})
	gst.stop()
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	pcm := floats(raw[:len(raw)/8*8])
	got := level(lastSeconds(pcm, 2), 440)
	t.Logf("GStreamer hears 440 Hz at %.1f dB", got)
	if math.Abs(got-toneDB) > 1 {
		t.Errorf("GStreamer hears 440 Hz at %.1f dB, want %d", got, toneDB)
	}
}
