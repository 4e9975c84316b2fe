package device

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/gen2brain/malgo"
)

// jackSockets is where a running JACK server listens, alsaDevices what the kernel's sound cards are.
const (
	jackSockets = "/dev/shm/jack_*_[0-9]*_[0-9]"
	alsaDevices = "/dev/snd/pcm*"
)

// system is a sound system by the name that people choose it with.
type system struct {
	name    string
	backend malgo.Backend
	present string // a file pattern that shows that something is behind it; empty is unknown
}

// systems are those that this kind of computer may have, best first. ALSA and JACK fill the terminal
// with complaints when nothing is behind them.
func systems() []system {
	switch runtime.GOOS {
	case "windows":
		return []system{{"wasapi", malgo.BackendWasapi, ""}, {"dsound", malgo.BackendDsound, ""}, {"winmm", malgo.BackendWinmm, ""}}
	case "darwin", "ios":
		return []system{{"coreaudio", malgo.BackendCoreaudio, ""}}
	case "linux": // PipeWire is also PulseAudio
		return []system{{"pulse", malgo.BackendPulseaudio, ""}, {"alsa", malgo.BackendAlsa, alsaDevices}, {"jack", malgo.BackendJack, jackSockets}}
	case "android":
		return []system{{"aaudio", malgo.BackendAaudio, ""}, {"opensl", malgo.BackendOpensl, ""}}
	default:
		return []system{{"sndio", malgo.BackendSndio, ""}, {"audio4", malgo.BackendAudio4, ""}, {"oss", malgo.BackendOss, ""}, {"jack", malgo.BackendJack, ""}}
	}
}

// Backends names the sound systems that Config and List take on this kind of computer, best first.
func Backends() []string {
	var names []string
	for _, s := range systems() {
		names = append(names, s.name)
	}
	return names
}

// choose returns the sound systems to try for a name; empty is all that have something behind them.
func choose(name string) ([]system, error) {
	list := systems()
	if name == "" {
		return slices.DeleteFunc(list, func(s system) bool { return s.present != "" && !exists(s.present) }), nil
	}
	for _, s := range list {
		if s.name == name {
			return []system{s}, nil
		}
	}
	return nil, fmt.Errorf("sound system %q is not known here; there are %s", name, strings.Join(Backends(), ", "))
}

func exists(pattern string) bool {
	paths, err := filepath.Glob(pattern)
	return err == nil && len(paths) > 0
}

// link is a connection to a sound system. A device that died takes its link with it, so each has its own.
type link struct {
	system
	context *malgo.AllocatedContext
}

func (s system) connect() (*link, error) {
	name := append([]byte("Gasso"), 0)
	var pins runtime.Pinner
	pins.Pin(&name[0])
	defer pins.Unpin()
	config := malgo.ContextConfig{}
	config.Pulse.PApplicationName = &name[0]
	context, err := malgo.InitContext([]malgo.Backend{s.backend}, config, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.name, err)
	}
	return &link{system: s, context: context}, nil
}

func (l *link) free() {
	_ = l.context.Uninit() // nothing is left to do when it fails
	l.context.Free()
}

// found is a device as the sound system and as Gasso names it.
type found struct {
	Info
	raw malgo.DeviceID
}

// devices lists what is there, without ALSA's plug-ins, whose names have no card in them.
func (l *link) devices(way direction) ([]found, error) {
	infos, err := l.context.Devices(way.kind)
	if err != nil {
		return nil, fmt.Errorf("list sound devices: %w", err)
	}
	list := make([]found, 0, len(infos))
	times := map[string]int{}
	for i := range infos {
		f := found{raw: infos[i].ID, Info: Info{Name: infos[i].Name(), Default: infos[i].IsDefault != 0, Backend: l.name}}
		f.ID = l.idText(f.raw, f.Name)
		if l.backend == malgo.BackendAlsa && f.ID != "default" && !strings.Contains(f.ID, ":") {
			continue
		}
		if times[f.ID]++; times[f.ID] > 1 {
			f.ID = fmt.Sprintf("%s (%d)", f.ID, times[f.ID])
		}
		list = append(list, f)
	}
	return list, nil
}

// format asks for a device's own number of channels and rate in Hz; 0 when it does not say.
func (l *link) format(way direction, f found) (channels, rate int) {
	info, err := l.context.DeviceInfo(way.kind, f.raw, malgo.Shared)
	if err != nil {
		return 0, 0
	}
	for _, format := range info.Formats {
		channels = max(channels, int(format.Channels))
		if rate == 0 || format.SampleRate == Rate {
			rate = int(format.SampleRate)
		}
	}
	return channels, rate
}

// idText makes an ID that a person can type and that stays: the sound system's own name for the device
// where it has one that lasts.
func (l *link) idText(id malgo.DeviceID, name string) string {
	raw := id[:]
	switch l.backend {
	case malgo.BackendWasapi:
		return plainID(wideText(raw), raw)
	case malgo.BackendWinmm: // knows numbers only, which change with each plug
		return plainID(name, raw)
	case malgo.BackendAlsa:
		text, _, _ := bytes.Cut(raw, []byte{0})
		return plainID(cardText(string(text), "/proc/asound"), raw)
	default:
		text, rest, _ := bytes.Cut(raw, []byte{0})
		if len(bytes.Trim(rest, "\x00")) > 0 {
			return plainID("", raw)
		}
		return plainID(string(text), raw)
	}
}

// plainID is text where it can be typed, else the bytes in hexadecimal. A # would ask for a channel.
func plainID(text string, raw []byte) string {
	odd := func(r rune) bool { return r < ' ' || r == '#' || r == 0xFFFD }
	if len(text) > 1 && strings.IndexFunc(text, odd) < 0 {
		return text
	}
	return hex.EncodeToString(bytes.TrimRight(raw, "\x00"))
}

// wideText is UTF-16 up to its zero.
func wideText(raw []byte) string {
	units := make([]uint16, 0, len(raw)/2)
	for i := 0; i+1 < len(raw); i += 2 {
		unit := binary.LittleEndian.Uint16(raw[i:])
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}

// cardText names an ALSA card by its id instead of its number, which depends on what was plugged in
// first: :1,0 becomes hw:CARD=Scarlett,DEV=0.
func cardText(id, proc string) string {
	var card, number int
	if n, err := fmt.Sscanf(id, ":%d,%d", &card, &number); n != 2 || err != nil {
		return id
	}
	text, err := os.ReadFile(filepath.Join(proc, fmt.Sprintf("card%d", card), "id"))
	if err != nil {
		return id
	}
	return fmt.Sprintf("hw:CARD=%s,DEV=%d", strings.TrimSpace(string(text)), number)
}

// pick finds the device with an ID, else one with that name; without an ID the default one, if known.
func pick(list []found, id string) (found, bool) {
	for _, match := range []func(found) bool{
		func(f found) bool { return id == "" && f.Default || id != "" && f.ID == id },
		func(f found) bool { return id != "" && f.Name == id },
	} {
		if i := slices.IndexFunc(list, match); i >= 0 {
			return list[i], true
		}
	}
	return found{}, false
}

// names lists devices for an error.
func names(list []found) string {
	texts := make([]string, len(list))
	for i, f := range list {
		texts[i] = fmt.Sprintf("%s (%s)", f.ID, f.Name)
	}
	return strings.Join(texts, ", ")
}

// List names the devices of a sound system, one of Backends; empty is the first that has any.
// ErrNoSound when there is no sound server or hardware.
func List(backend string) (inputs, outputs []Info, err error) {
	both, err := within(openWithin, nil, func() ([2][]Info, error) { return listBoth(backend) }, func([2][]Info) {})
	if err != nil {
		return nil, nil, err
	}
	return both[0], both[1], nil
}

func listBoth(backend string) (both [2][]Info, err error) {
	list, err := choose(backend)
	if err != nil {
		return both, err
	}
	for _, s := range list {
		l, err := s.connect()
		if err != nil {
			continue
		}
		for i, way := range []direction{capturing, rendering} {
			devices, _ := l.devices(way) // none on an error
			for _, f := range devices {
				f.Channels, _ = l.format(way, f)
				both[i] = append(both[i], f.Info)
			}
		}
		l.free()
		if len(both[0])+len(both[1]) > 0 {
			return both, nil
		}
	}
	return both, ErrNoSound
}
