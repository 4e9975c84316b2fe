package settings

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gasso/app/session"
	"gasso/net/signaling"
)

func TestUpdateIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "settings.json")
	s := Open(path, nil)
	if s.Get() != Defaults() {
		t.Fatalf("a missing file gives %+v", s.Get())
	}
	want := Defaults()
	want.CPULimitPercent, want.SoundSystem, want.MonitorOn, want.MonitorGainDB = 60, "jack", true, -12
	want.Topology, want.BitrateMinBPS, want.BitrateMaxBPS = signaling.TopologySFU, 32_000, 128_000
	want.CAFile, want.SpoolDir, want.SpoolMB = filepath.Join(t.TempDir(), "ca.pem"), SpoolOff, 64
	want.Server, want.Room, want.Name, want.Mode, want.Language = "https://example.org", "quartet", "田中", session.ModeSafe, "ja"
	if err := s.Update(func(s *Settings) { *s = want }); err != nil {
		t.Fatal(err)
	}
	if got := Open(path, nil).Get(); got != want {
		t.Errorf("reopened: %+v, want %+v", got, want)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left beside the file: %v, %v", left, err)
	}
}

func TestBrokenFileGivesDefaultsAndIsKept(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON": "{", "unknown key": `{"servr": "x"}`, "bad mode": `{"mode": "turbo"}`, "two values": `{} {}`,
		"a number for a window": `{"window": {"width": 1, "height": 1}}`, "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "settings.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := Open(path, slog.New(slog.NewTextHandler(&log, nil)))
			if s.Get() != Defaults() {
				t.Errorf("got %+v", s.Get())
			}
			kept, err := os.ReadFile(path + ".broken")
			if err != nil || string(kept) != content {
				t.Errorf("kept %q, %v", kept, err)
			}
			if !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("log says %q", log.String())
			}
		})
	}
}

func TestFileOfAnEarlierVersionStillLoads(t *testing.T) {
	got, err := decode([]byte(`{
  "server": "https://example.org", "room": "quartet", "name": "Aki", "input": "device:m", "output": "device", "headphones": true, "mode": "safe",
  "processing": {"EchoCancellation": false, "NoiseSuppression": true, "AutoGainControl": true, "Music": false},
  "language": "ja", "window": {"width": 1100, "height": 700}
}`))
	want := Defaults()
	want.Server, want.Room, want.Name, want.Input, want.Headphones = "https://example.org", "quartet", "Aki", "device:m", true
	want.Mode, want.Language, want.Window, want.Processing.EchoCancellation = session.ModeSafe, "ja", Window{Width: 1100, Height: 700}, false
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestInvalidUpdateChangesNothing(t *testing.T) {
	s := Open("", nil)
	for name, change := range map[string]func(*Settings){
		"server with token": func(s *Settings) { s.Server = "https://example.org/#token" },
		"server with a password": func(s *Settings) {
			s.Server = "https://me:secret@example.org"
		},
		"server without scheme": func(s *Settings) { s.Server = "example.org" },
		"long name":             func(s *Settings) { s.Name = strings.Repeat("a", 201) },
		"no input":              func(s *Settings) { s.Input = "" },
		"an unknown way":        func(s *Settings) { s.Topology = "both" },
		"no way":                func(s *Settings) { s.Topology = "" },
		"the least above the most": func(s *Settings) {
			s.BitrateMinBPS, s.BitrateMaxBPS = 128_000, 64_000
		},
		"a bitrate too low":     func(s *Settings) { s.BitrateMinBPS = 5000 },
		"a file without path":   func(s *Settings) { s.CAFile = "ca.pem" },
		"a folder without path": func(s *Settings) { s.SpoolDir = "kept" },
		"too much kept sound":   func(s *Settings) { s.SpoolMB = 100_001 },
		"a CPU limit too low":   func(s *Settings) { s.CPULimitPercent = 9 },
		"a CPU limit too high":  func(s *Settings) { s.CPULimitPercent = 401 },
		"no sound system":       func(s *Settings) { s.SoundSystem = "../alsa" },
		"a monitor too loud":    func(s *Settings) { s.MonitorGainDB = 12.5 },
		"a monitor of no level": func(s *Settings) { s.MonitorGainDB = math.NaN() },
		"language":              func(s *Settings) { s.Language = "fr" },
	} {
		if err := s.Update(change); err == nil || s.Get() != Defaults() {
			t.Errorf("%s: error %v, settings %+v", name, err, s.Get())
		}
	}
}

func TestSaveFailureIsTold(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := Open(filepath.Join(blocked, "settings.json"), nil)
	if err := s.Update(func(s *Settings) { s.Name = "Aki" }); err == nil {
		t.Error("no error though nothing can be saved")
	}
	if s.Get().Name != "Aki" {
		t.Error("the change does not hold in memory")
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"{}", `{"name":"Aki","mode":"live"}`, `{"window":{"width":1e9}}`, `{"server":"http://[::1"}`, "null"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err == nil && s.Validate() != nil {
			t.Errorf("decode took settings that do not validate: %+v", s)
		}
	})
}
