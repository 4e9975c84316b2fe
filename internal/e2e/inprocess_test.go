package e2e

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/app/session"
	"gasso/audio/audiotest"
	companion "gasso/server"
)

// The tests of this file run server and performers inside the test, over real WebRTC, so that the race
// detector and the search for leaks see them: go test -race ./internal/e2e -run InProcess

// noLeaks ends the test with a look for goroutines that are left.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// inProcessServer runs a server at an address until stop, or the end of the test.
func inProcessServer(t *testing.T, data, address string) (base string, stop func()) {
	t.Helper()
	cfg := companion.Default()
	cfg.Data, cfg.HTTP, cfg.RTCUDP, cfg.Dev, cfg.FFmpeg = data, address, "0", true, "off"
	s, err := companion.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop = inBackground(t, "the server", s.Run)
	return "http://" + s.HTTPAddr().String(), stop
}

// inBackground runs something until stop is called or the test ends; then it must end well.
func inBackground(t *testing.T, what string, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
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
				t.Errorf("%s ended with %v", what, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s did not end within 30 s", what)
		}
	}
	t.Cleanup(stop)
	return stop
}

// shortDir is a folder whose name leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gasso")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// inProcessPerformer joins the room demo and plays a tone.
func inProcessPerformer(t *testing.T, cfg session.Config) (s *session.Session, stop func()) {
	t.Helper()
	cfg.Room, cfg.Output = "demo", "null"
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("performer", cfg.Name)
	}
	s, err := session.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, inBackground(t, cfg.Name, s.Run)
}

// hearsInProcess waits until a session hears its only other performer over both paths.
func hearsInProcess(t *testing.T, s *session.Session) session.Performer {
	t.Helper()
	var other session.Performer
	defer func() {
		if t.Failed() {
			t.Logf("the last snapshot: %+v", s.Snapshot())
		}
	}()
	eventually(t, 40*time.Second, "the other performer is heard", func() bool {
		snap := s.Snapshot()
		if snap.State != session.StateJoined || snap.Problem != "" || len(snap.Performers) != 1 {
			return false
		}
		other = snap.Performers[0]
		heard := other.Link.Quality != session.QualityConnecting && other.Link.Quality != session.QualitySilent
		return heard && other.Link.Direct && other.Link.Forwarded &&
			math.Abs(other.Level.PeakDB+12) < 3 && math.Abs(snap.Self.OutputLevel.PeakDB+12) < 3
	})
	return other
}

// recordInProcess plays a session's loudspeaker into a file while something happens after a second,
// and a second longer.
func recordInProcess(t *testing.T, s *session.Session, happens func()) []float32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "heard.wav")
	if err := s.SetOutput("file:" + path); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	happens()
	time.Sleep(1500 * time.Millisecond)
	if err := s.SetOutput("null"); err != nil {
		t.Fatal(err)
	}
	heard := readWAV(t, path)
	if len(heard) < 2*2*48000 {
		t.Fatalf("only %d samples were played", len(heard)/2)
	}
	return heard[2*48000*3/10:] // without the beginning
}

// gap is the longest time in which a tone of -12 dBFS, which gain control brings to -20, is as good as gone.
func gap(pcm []float32, freq float64) time.Duration {
	const window, hop = 240, 48 // samples
	longest, run := 0, 0
	for at := 0; at+window <= len(pcm)/2; at += hop {
		if audiotest.ToneLevelDB(pcm[2*at:2*(at+window)], 0, 2, freq) > -32 {
			run = 0
			continue
		}
		run += hop
		longest = max(longest, run)
	}
	return time.Duration(longest) * time.Second / 48000
}

// checkGap logs for how long the tone is gone for a session while something happens to the speaker, and
// fails if it does not come back. How long is a figure for a benchmark: it depends on the machine.
func checkGap(t *testing.T, what string, s *session.Session, happens func()) {
	t.Helper()
	heard := recordInProcess(t, s, happens)
	t.Logf("%s: gap of %v", what, gap(heard, 440))
	if end := heard[max(0, len(heard)-2*48000*4/10):]; gap(end, 440) > 100*time.Millisecond {
		t.Errorf("%s: the tone does not come back", what)
	}
}

func TestInProcessPerformersHearEachOtherWhileEverythingIsSwitched(t *testing.T) {
	noLeaks(t)
	base, _ := inProcessServer(t, shortDir(t), "127.0.0.1:0")
	ai, stopAi := inProcessPerformer(t, session.Config{Server: base, Name: "Ai", Input: "tone:440"})
	ben, stopBen := inProcessPerformer(t, session.Config{Server: base, Name: "Ben", Input: "tone:660"})
	if got := hearsInProcess(t, ai); got.Name != "Ben" || got.ID != ben.Snapshot().Self.ID {
		t.Errorf("Ai hears %+v", got)
	}
	hearsInProcess(t, ben)

	heard := recordInProcess(t, ben, func() {})
	checkInProcessTone(t, "what Ben hears", heard, 440, 660)

	change := func(what string, do func() error) {
		t.Helper()
		checkGap(t, what, ben, func() {
			if err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	change("nothing", func() error { return nil })
	for _, mode := range []session.Mode{session.ModeStudio, session.ModeSafe, session.ModeLive} {
		change("mode "+string(mode), func() error { ai.SetMode(mode); return nil })
		if got := ai.Snapshot().Self; got.Mode != mode || got.CaptureLatency <= 0 {
			t.Errorf("Ai is %+v", got)
		}
	}
	change("own mode safe", func() error { ben.SetMode(session.ModeSafe); return nil })
	ben.SetMode(session.ModeLive)
	change("music", func() error { ai.SetProcessing(session.Processing{Music: true}); return nil })
	change("gain control", func() error { ai.SetProcessing(session.Processing{AutoGainControl: true}); return nil })
	change("no processing", func() error { ai.SetProcessing(session.Processing{}); return nil })
	change("input again", func() error { return ai.SetInput("tone:440") })
	change("Ai's output", func() error { return ai.SetOutput("file:" + filepath.Join(t.TempDir(), "ai.wav")) })

	ai.SetProcessing(session.Processing{NoiseSuppression: true})
	if got := ai.Snapshot().Self; got.Missing == "" {
		t.Error("noise suppression without a model is not said to be missing")
	}
	ai.SetProcessing(session.Processing{})
	hearsInProcess(t, ai)
	hearsInProcess(t, ben)

	ai.SetMuted(true)
	eventually(t, 5*time.Second, "Ai is muted at Ben's", func() bool { return ben.Snapshot().Performers[0].Level.PeakDB < -80 })
	ai.SetMuted(false)
	hearsInProcess(t, ben)

	// Ai leaves; Ben goes on alone.
	stopAi()
	if got := ai.Snapshot(); got.State != session.StateEnded || got.Problem != "" {
		t.Errorf("Ai ended as %q %q", got.State, got.Problem)
	}
	eventually(t, 5*time.Second, "Ai is gone at Ben's", func() bool { return len(ben.Snapshot().Performers) == 0 })
	stopBen()
}

// checkInProcessTone finds one tone and not the other. It looks at 50 ms at a time, since each change of
// the delay breaks the phase, and takes the median.
func checkInProcessTone(t *testing.T, what string, pcm []float32, want, not float64) {
	t.Helper()
	median := func(freq float64) float64 {
		const window = 2400 // samples
		var levels []float64
		for at := 0; at+window <= len(pcm)/2; at += window {
			levels = append(levels, audiotest.ToneLevelDB(pcm[2*at:2*(at+window)], 0, 2, freq))
		}
		slices.Sort(levels)
		return levels[len(levels)/2]
	}
	if got := median(want); math.Abs(got+12) > 1 {
		t.Errorf("%s: %.0f Hz at %.1f dB, want -12", what, want, got)
	}
	if got := median(not); got > -40 {
		t.Errorf("%s: %.0f Hz at %.1f dB, want none", what, not, got)
	}
}

func TestInProcessChatStripsAndOnAir(t *testing.T) {
	noLeaks(t)
	data := shortDir(t)
	cfg := companion.Default()
	cfg.Data, cfg.HTTP, cfg.RTCUDP, cfg.Dev, cfg.FFmpeg = data, "127.0.0.1:0", "0", true, "off"
	srv, err := companion.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, "the server", srv.Run)
	links, err := srv.Links()
	if err != nil {
		t.Fatal(err)
	}
	invite, err := session.ParseInvite(links[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := inProcessPerformer(t, session.Config{Server: invite.Server, Token: invite.Token, Name: "Hana", Input: "tone:440"})
	guest, _ := inProcessPerformer(t, session.Config{Server: invite.Server, Name: "Ben", Input: "tone:660"})
	hearsInProcess(t, host)
	hearsInProcess(t, guest)
	if !host.Snapshot().Self.Host || !guest.Snapshot().Performers[0].Host || guest.Snapshot().Self.Host {
		t.Error("roles are wrong")
	}

	if err := errors.Join(host.SendChat("one, two"), guest.SendChat("three, four")); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*session.Session{host, guest} {
		eventually(t, 5*time.Second, "both lines are there", func() bool {
			said := map[string]string{}
			for _, line := range s.Snapshot().Chat {
				said[line.Name] = line.Text
			}
			return said["Hana"] == "one, two" && said["Ben"] == "three, four"
		})
	}

	onAir := func(live bool) func() bool {
		return func() bool { return host.Snapshot().OnAir.Live == live && guest.Snapshot().OnAir.Live == live }
	}
	eventually(t, 5*time.Second, "the demo is on air", onAir(true))
	eventually(t, 5*time.Second, "the host sees the program's level", func() bool {
		return host.Snapshot().OnAir.ProgramLevel.PeakDB > -20
	})
	host.SetOnAir(false)
	eventually(t, 5*time.Second, "the demo is off air", onAir(false))
	host.SetOnAir(true)
	eventually(t, 5*time.Second, "the demo is on air again", onAir(true))
	guest.SetOnAir(false)
	eventually(t, 5*time.Second, "the guest is told that this is the host's", func() bool {
		return strings.Contains(guest.Snapshot().Problem, "host")
	})
	if !onAir(true)() {
		t.Error("the guest ended the broadcast")
	}

	guestID := guest.Snapshot().Self.ID
	host.SetProgramStrip(guestID, session.Strip{GainDB: -6, Pan: 0.5})
	eventually(t, 5*time.Second, "both see the program's strip", func() bool {
		want := session.Strip{GainDB: -6, Pan: 0.5}
		return host.Snapshot().Performers[0].ProgramStrip == want && guest.Snapshot().Self.ProgramStrip == want
	})
	host.SetStrip(guestID, session.Strip{Mute: true})
	eventually(t, 5*time.Second, "the host's own loudspeaker is silent", func() bool {
		snap := host.Snapshot()
		return snap.Self.OutputLevel.PeakDB < -80 && snap.Performers[0].Level.PeakDB > -14
	})
}

// TestInProcessServerRestart ends the server and starts it again at the same place: the performers
// keep their names and hear each other all the while.
func TestInProcessServerRestart(t *testing.T) {
	noLeaks(t)
	data := shortDir(t)
	base, stopServer := inProcessServer(t, data, "127.0.0.1:0")
	ai, _ := inProcessPerformer(t, session.Config{Server: base, Name: "Ai", Input: "tone:440"})
	ben, _ := inProcessPerformer(t, session.Config{Server: base, Name: "Ben", Input: "tone:660"})
	before := [2]session.Performer{hearsInProcess(t, ai), hearsInProcess(t, ben)}

	var problem string
	checkGap(t, "server restart", ben, func() {
		stopServer()
		eventually(t, 10*time.Second, "both notice that the server is gone", func() bool {
			problem = ben.Snapshot().Problem
			return ai.Snapshot().State == session.StateReconnecting && ben.Snapshot().State == session.StateReconnecting
		})
		inProcessServer(t, data, strings.TrimPrefix(base, "http://"))
		hearsInProcess(t, ai)
		hearsInProcess(t, ben)
	})
	if !strings.Contains(problem, "Trying again in") {
		t.Errorf("without the server the problem is %q", problem)
	}
	for i, s := range []*session.Session{ai, ben} {
		after := hearsInProcess(t, s)
		if after.ID != before[i].ID {
			t.Errorf("%s has become %s", before[i].ID, after.ID)
		}
		if after.Link.PacketsDirect < before[i].Link.PacketsDirect {
			t.Error("the direct connection was made anew")
		}
	}
}

// TestInProcessAnotherServerAtTheSamePlace knows nobody: everybody gets a new id and starts over.
func TestInProcessAnotherServerAtTheSamePlace(t *testing.T) {
	noLeaks(t)
	base, stopServer := inProcessServer(t, shortDir(t), "127.0.0.1:0")
	ai, _ := inProcessPerformer(t, session.Config{Server: base, Name: "Ai", Input: "tone:440"})
	ben, _ := inProcessPerformer(t, session.Config{Server: base, Name: "Ben", Input: "tone:660"})
	was := hearsInProcess(t, ai).ID
	hearsInProcess(t, ben)
	stopServer()
	inProcessServer(t, shortDir(t), strings.TrimPrefix(base, "http://"))
	eventually(t, 20*time.Second, "Ben is somebody new", func() bool {
		snap := ai.Snapshot()
		return len(snap.Performers) == 1 && snap.Performers[0].ID != was && snap.Performers[0].ID == ben.Snapshot().Self.ID
	})
	hearsInProcess(t, ai)
	hearsInProcess(t, ben)
	checkInProcessTone(t, "what Ben hears", recordInProcess(t, ben, func() {}), 440, 660)
}
