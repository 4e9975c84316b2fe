// Package settings keeps the performer's preferences: one struct, defaults, load, save, validate.
// It holds nothing secret: invite tokens are never stored.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"gasso/app/session"
	"gasso/net/signaling"
)

// Settings are the performer's preferences.
type Settings struct {
	Server     string             `json:"server"` // http or https URL of the last server
	Room       string             `json:"room"`
	Name       string             `json:"name"`
	Input      string             `json:"input"`  // device spec, "device" is the default microphone, "device#2" its second channel
	Output     string             `json:"output"` // device spec, "device" is the default loudspeaker
	Headphones bool               `json:"headphones"`
	Mode       session.Mode       `json:"mode"`
	Processing session.Processing `json:"processing"`
	Language   string             `json:"language"` // "ja", "en" or empty: by the system

	SoundSystem   string  `json:"soundSystem"`   // that has the devices, such as "alsa"; empty chooses
	MonitorOn     bool    `json:"monitorOn"`     // hear the own microphone
	MonitorGainDB float64 `json:"monitorGainDB"` // -80, which is silent, to +12

	CPULimitPercent int `json:"cpuLimitPercent"` // of one core, 10 to 400; 0 sets none

	Topology      signaling.Topology `json:"topology"`      // how sound travels: "auto" (both ways), "p2p" or "sfu"
	BitrateMinBPS int                `json:"bitrateMinBPS"` // however short the uplink is; 0 chooses
	BitrateMaxBPS int                `json:"bitrateMaxBPS"` // however much the uplink carries; 0 chooses

	CAFile string `json:"caFile"` // certificate authorities (PEM) to trust beside the system's; empty for none

	SpoolDir string `json:"spoolDir"` // where sound is kept that cannot be sent yet; "off" for memory alone, empty chooses
	SpoolMB  int    `json:"spoolMB"`  // that it may take; 0 chooses

	Window Window `json:"window"`
}

// SpoolOff in place of a folder keeps sound in memory alone.
const SpoolOff = "off"

// Window is the size of the window in Fyne's device-independent pixels.
type Window struct {
	Width  float32 `json:"width"`
	Height float32 `json:"height"`
}

const (
	maxTextRunes   = 200
	minMonitorDB   = -80
	maxMonitorDB   = 12
	startMonitorDB = -6
)

// soundSystemName is what any sound system's name looks like: settings may come from another kind of computer.
var soundSystemName = regexp.MustCompile(`^[a-z0-9]{0,16}$`)

// Defaults are the preferences of somebody new.
func Defaults() Settings {
	return Settings{
		Input: "device", Output: "device", Mode: session.ModeLive,
		Processing:    session.Processing{EchoCancellation: true, NoiseSuppression: true, AutoGainControl: true, HighPass: true},
		MonitorGainDB: startMonitorDB, Topology: signaling.TopologyAuto,
		Window: Window{Width: 1280, Height: 800},
	}
}

// Validate says what is wrong with the first field that is.
func (s Settings) Validate() error {
	for name, text := range map[string]string{"server": s.Server, "room": s.Room, "name": s.Name, "input": s.Input, "output": s.Output, "caFile": s.CAFile, "spoolDir": s.SpoolDir} {
		if utf8.RuneCountInString(text) > maxTextRunes || !utf8.ValidString(text) {
			return fmt.Errorf("%s is not a text of at most %d characters", name, maxTextRunes)
		}
	}
	if err := validateServer(s.Server); err != nil {
		return err
	}
	if s.Input == "" || s.Output == "" {
		return errors.New("input and output must name a device")
	}
	switch s.Mode {
	case session.ModeStudio, session.ModeLive, session.ModeSafe:
	default:
		return fmt.Errorf("mode %q is none of studio, live and safe", s.Mode)
	}
	switch s.Language {
	case "", "en", "ja":
	default:
		return fmt.Errorf("language %q is none of en and ja", s.Language)
	}
	if !soundSystemName.MatchString(s.SoundSystem) {
		return fmt.Errorf("sound system %q is no name of one", s.SoundSystem)
	}
	if !(s.MonitorGainDB >= minMonitorDB && s.MonitorGainDB <= maxMonitorDB) {
		return fmt.Errorf("a monitor of %g dB is not possible; it takes %d to %d dB", s.MonitorGainDB, minMonitorDB, maxMonitorDB)
	}
	if err := s.validateConnection(); err != nil {
		return err
	}
	if err := session.CheckCPULimit(s.CPULimitPercent); err != nil {
		return err
	}
	if w := s.Window; !(w.Width >= 400 && w.Width <= 16384 && w.Height >= 300 && w.Height <= 16384) {
		return fmt.Errorf("window size %gx%g is out of range", w.Width, w.Height)
	}
	return nil
}

// validateConnection checks how the server and the others are reached.
func (s Settings) validateConnection() error {
	switch s.Topology {
	case signaling.TopologyAuto, signaling.TopologyP2P, signaling.TopologySFU:
	default:
		return fmt.Errorf("topology %q is none of auto, p2p and sfu", s.Topology)
	}
	if err := session.CheckBitrate(s.BitrateMinBPS, s.BitrateMaxBPS); err != nil {
		return err
	}
	if s.CAFile != "" && !filepath.IsAbs(s.CAFile) {
		return errors.New("the file of certificate authorities needs its whole path")
	}
	if s.SpoolDir != "" && s.SpoolDir != SpoolOff && !filepath.IsAbs(s.SpoolDir) {
		return errors.New("the folder for kept sound needs its whole path")
	}
	return session.CheckSpoolMB(s.SpoolMB)
}

func validateServer(server string) error {
	if server == "" {
		return nil
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("server %q is no http or https address", server)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the server's address must not carry a password or token")
	}
	return nil
}

// Path is where preferences are kept on this system: gasso/settings.json among the configuration files.
func Path() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for settings: %w", err)
	}
	return filepath.Join(dir, "gasso", "settings.json"), nil
}

// Store is preferences with their file. It is safe for concurrent use.
type Store struct {
	path string // empty keeps nothing on disk

	mu      sync.Mutex
	current Settings
}

// Open reads the preferences at path. A missing file gives defaults; a broken one too, and is kept
// beside as path + ".broken" with a warning in the log. An empty path keeps nothing on disk.
func Open(path string, log *slog.Logger) *Store {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: path, current: Defaults()}
	if path == "" {
		return s
	}
	loaded, err := load(path)
	switch {
	case err == nil:
		s.current = loaded
	case errors.Is(err, os.ErrNotExist):
	default:
		broken := path + ".broken"
		keepErr := os.Rename(path, broken)
		log.Warn("settings cannot be read; using defaults", "path", path, "error", err, "kept", broken, "keep_error", keepErr)
	}
	return s
}

func load(path string) (Settings, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, err
	}
	return decode(data)
}

// decode reads settings over the defaults, so that a file of an older version gets the new fields.
func decode(data []byte) (Settings, error) {
	s := Defaults()
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("decode settings: %w", err)
	}
	if dec.More() {
		return Settings{}, errors.New("decode settings: more than one value in the file")
	}
	if err := s.Validate(); err != nil {
		return Settings{}, fmt.Errorf("check settings: %w", err)
	}
	return s, nil
}

// Get is the current preferences.
func (s *Store) Get() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Update changes the preferences with change and saves them. What does not validate is refused and
// changes nothing; when saving fails the change still holds until the program ends.
func (s *Store) Update(change func(*Settings)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.current
	change(&next)
	if err := next.Validate(); err != nil {
		return fmt.Errorf("check settings: %w", err)
	}
	if next == s.current {
		return nil
	}
	s.current = next
	if s.path == "" {
		return nil
	}
	return save(s.path, next)
}

// save writes a new file beside the old one and renames it over, so that a crash leaves one of them whole.
func save(path string, s Settings) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for settings: %w", err)
	}
	f, err := os.CreateTemp(dir, ".settings-*")
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	return nil
}
