package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/audio/device"
	"gasso/net/signaling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unreachable is a server address that nothing listens at.
const unreachable = "http://127.0.0.1:1"

func newTestSession(t *testing.T) *Session {
	t.Helper()
	s, err := New(Config{Server: unreachable, Room: "demo", Name: "Ai", Input: "silence", Output: "null"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := Config{Server: unreachable, Room: "demo", Input: "silence", Output: "null"}
	for name, change := range map[string]func(*Config){
		"server": func(c *Config) { c.Server = "ftp://x" },
		"room":   func(c *Config) { c.Room = "" },
		"mode":   func(c *Config) { c.Mode = "fast" },
		"input":  func(c *Config) { c.Input = "null" },
		"output": func(c *Config) { c.Output = "tone:440" },

		"sound system": func(c *Config) { c.SoundSystem = "gramophone" },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("a bad %s is accepted", name)
		}
	}
	good.SoundSystem = SoundSystems()[0]
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if m, p := s.microphone.soundSystem.name(), s.playout.soundSystem.name(); m != good.SoundSystem || p != good.SoundSystem {
		t.Errorf("sound system %q became %q and %q", good.SoundSystem, m, p)
	}
	if err := s.SetSoundSystem("gramophone"); err == nil || s.playout.soundSystem.name() != good.SoundSystem {
		t.Errorf("an unknown sound system gives %v and is %q", err, s.playout.soundSystem.name())
	}
}

func TestSoloSilencesTheOthers(t *testing.T) {
	s := newTestSession(t)
	for _, id := range []string{"a", "b", "c"} {
		s.addPerformer(signaling.Participant{ID: id, Role: signaling.RolePerformer, Topology: signaling.TopologySFU})
	}
	check := func(when, heard string) {
		t.Helper()
		got := ""
		for _, id := range s.order {
			if !s.performers[id].strip.Settings().Mute {
				got += id
			}
		}
		if got != heard {
			t.Errorf("%s: %q is heard, want %q", when, got, heard)
		}
	}
	check("at first", "abc")
	s.SetStrip("b", Strip{Solo: true})
	check("b solo", "b")
	s.SetStrip("c", Strip{Solo: true, Mute: true})
	check("c solo but muted", "b")
	s.addPerformer(signaling.Participant{ID: "d", Role: signaling.RolePerformer, Topology: signaling.TopologySFU})
	check("newcomer", "b")
	s.removePerformer("b")
	s.SetStrip("c", Strip{})
	check("nobody solo", "acd")
	s.SetStrip("nobody", Strip{Solo: true})
	check("solo of who is not there", "acd")

	s.SetStrip("a", Strip{GainDB: 99, Pan: -7})
	if got := s.performers["a"].strip.Settings(); got.GainDB != 12 || got.Pan != -1 {
		t.Errorf("strip out of range is set to %+v", got)
	}
	if got := s.Snapshot().Performers; len(got) != 3 || got[0].ID != "a" || got[0].Strip.GainDB != 12 {
		t.Errorf("snapshot has %+v", got)
	}
}

func TestListenersAreNoPerformers(t *testing.T) {
	s := newTestSession(t)
	s.addPerformer(signaling.Participant{ID: "a", Role: signaling.RoleListener})
	if got := s.Snapshot().Performers; len(got) != 0 {
		t.Errorf("snapshot has %+v", got)
	}
}

func TestMissingPerformersAreKeptForAWhile(t *testing.T) {
	s := newTestSession(t)
	info := signaling.Participant{ID: "a", Role: signaling.RolePerformer, Topology: signaling.TopologySFU}
	now := time.Now()
	s.addPerformer(info)
	s.performers["a"].missedSince = now
	s.renewLinks(nil, now.Add(returnWithin))
	if len(s.Snapshot().Performers) != 1 {
		t.Fatal("gone before the time is over")
	}
	s.addPerformer(info) // is back
	s.renewLinks(nil, now.Add(2*returnWithin))
	if len(s.Snapshot().Performers) != 1 {
		t.Fatal("gone although back")
	}
	s.performers["a"].missedSince = now
	s.renewLinks(nil, now.Add(returnWithin+1))
	if len(s.Snapshot().Performers) != 0 {
		t.Fatal("still there after the time is over")
	}
}

func TestASignalMakesNoDirectLinkThatTheTopologyRulesOut(t *testing.T) {
	s := newTestSession(t)
	s.addPerformer(signaling.Participant{ID: "a", Role: signaling.RolePerformer, Topology: signaling.TopologySFU})
	s.onSignal(&signaling.Signal{From: "a", Renegotiate: &signaling.Renegotiate{}})
	if s.linkTo("a") != nil {
		t.Error("there is a link")
	}
}

// running runs a session that reaches no server, until the test ends.
func running(t *testing.T, s *Session) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run ended with %v", err)
		}
		if got := s.Snapshot(); got.State != StateEnded || got.Problem != "" {
			t.Errorf("ended as %q, %q", got.State, got.Problem)
		}
	})
	until(t, "session runs", func() bool { return s.Snapshot().State == StateReconnecting })
}

// until polls: devices and sockets have a time of their own.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestDevicesChangeBeforeWhileAndAfterRunning(t *testing.T) {
	s := newTestSession(t)
	path := filepath.Join(t.TempDir(), "heard.wav")
	change := func(input, output string) {
		t.Helper()
		if err := errors.Join(s.SetInput(input), s.SetOutput(output)); err != nil {
			t.Error(err)
		}
	}
	change("tone:440", "file:"+path)
	if _, err := os.Stat(path); err == nil {
		t.Error("the output is open before the session runs")
	}
	t.Run("running", func(t *testing.T) {
		running(t, s)
		if got := s.Snapshot().Self; got.InputName != "tone:440" || got.OutputName != "heard.wav" {
			t.Errorf("runs with %q and %q", got.InputName, got.OutputName)
		}
		change("silence", "null")
		if got := s.Snapshot().Self; got.InputName != "silence" || got.OutputName != "null" {
			t.Errorf("goes on with %q and %q", got.InputName, got.OutputName)
		}
		for _, bad := range []string{"file:/nowhere/x.wav", "tone:loud", "null"} {
			if s.SetInput(bad) == nil {
				t.Errorf("input %q is accepted", bad)
			}
		}
		if s.SetOutput("file:/nowhere/x.wav") == nil || s.SetOutput("silence") == nil {
			t.Error("a bad output is accepted")
		}
		if got := s.Snapshot().Self; got.InputName != "silence" || got.OutputName != "null" {
			t.Errorf("after errors it goes on with %q and %q", got.InputName, got.OutputName)
		}
		if got := s.Snapshot().Problem; !strings.HasPrefix(got, "The server cannot be reached. Trying again in ") {
			t.Errorf("problem is %q", got)
		}
	})
	change("tone:660", "null") // opens nothing: goleak sees it
}

func TestAnInputThatCannotBeOpenedEndsTheRun(t *testing.T) {
	s := newTestSession(t)
	s.microphone.spec = device.Spec{Kind: device.File, Path: "/nowhere/x.wav"}
	err := s.Run(context.Background())
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run ended with %v", err)
	}
	if got := s.Snapshot(); got.State != StateEnded || got.Problem != err.Error() {
		t.Errorf("ended as %q, %q", got.State, got.Problem)
	}
}

func TestSwitchesBeforeRunAreKept(t *testing.T) {
	s := newTestSession(t)
	s.SetMuted(true)
	s.SetMode(ModeSafe)
	s.SetMode("fast")
	s.SetMode("")
	s.SetProcessing(Processing{Music: true})
	self := s.Snapshot().Self
	if !self.Muted || self.Mode != ModeSafe || !self.Processing.Music {
		t.Errorf("kept %+v", self)
	}
	if err := s.SendChat("hello"); !errors.Is(err, errNotConnected) {
		t.Errorf("chat without a connection gives %v", err)
	}
}
