// Package device is the door to sound hardware, and to what stands in for it: files, tones, silence.
//
// Everything here delivers and takes interleaved stereo float32 at 48 kHz, whatever the hardware
// does: a mono microphone comes on both channels, a stereo one as it is, and one of more channels is
// mixed to the centre. A Capture or Render survives its hardware: when callbacks cease it is opened
// again, on the default device if the one asked for is gone, and the rings stay the same.
package device

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"gasso/audio/ring"
	"gasso/audio/wav"
)

// Rate is the sample rate of every device in Hz, Channels the number of its channels.
const (
	Rate     = 48000
	Channels = 2
)

// ToneLevelDB is the amplitude of tone inputs in dBFS.
const ToneLevelDB = -12

// defaultPeriodSamples is the period of a device whose Config asks for none: 5 ms.
const defaultPeriodSamples = 240

// Errors that callers branch on. The errors that wrap them say more.
var (
	ErrNoSound  = errors.New("no sound hardware or sound server was found; plug a device in, or use file:PATH, tone:HZ or silence as input and null as output")
	ErrNoDevice = errors.New("no such sound device")
)

// Info describes one device that can be opened by ID.
type Info struct {
	ID       string // stable over re-plugging and restarts; what device:ID takes
	Name     string // for people
	Default  bool
	Channels int    // 0 when the sound system does not say
	Backend  string // the sound system, as Config takes it
}

// Config says what to open.
type Config struct {
	Spec          Spec
	Backend       string       // sound system for Hardware, one of Backends; empty chooses
	PeriodSamples int          // between callbacks at 48 kHz; 0 is 240. A wish: Stats tells what came of it
	FallBack      bool         // begin with the default device when the one asked for is not there
	Log           *slog.Logger // nil is silent
}

// Format tells what was opened. Rate and Channels never change; the name changes when another device
// takes over.
type Format struct {
	Rate          int // Hz
	Channels      int
	PeriodSamples int
	Name          string
}

// Stats counts what happened since the device was opened. Samples and frames are those at 48 kHz.
type Stats struct {
	Callbacks     int64
	Underruns     int64         // callbacks of a render device that found too few frames
	Starved       int64         // of these, those that came in time: neither late nor making up for a late one
	Overruns      int64         // frames of a capture device that found the ring full
	Invalid       int64         // samples that were no numbers, or infinite; silence stands in for them
	LateCallbacks int64         // callbacks later by more than a period than the earliest of the last second
	WorstLateness time.Duration // the worst of the last five to ten seconds
	PeriodSamples int           // what the device moves at once: the most within the last second
	Rate          int           // of the hardware, in Hz
	Reopens       int64         // times the device had to be opened again
	Fallback      bool          // the default device stands in for the one asked for
	Dead          bool          // there is no device now; opening is tried again and again
	Silent        bool          // a microphone that gave nothing but zeros for the last two and a half seconds
	LastCallback  time.Time     // zero before the first
}

// Capture is an open microphone or a stand-in.
type Capture interface {
	// Ring is where captured frames come out: stereo, one consumer.
	Ring() *ring.Ring
	// Wake gets a value as frames are written, at most four times a period; it holds one.
	Wake() <-chan struct{}
	// Stamp is the newest stamp; any goroutine, no lock. Frames include those the ring dropped.
	Stamp() ring.Stamp
	// Stats is for any goroutine.
	Stats() Stats
	// Info is for any goroutine.
	Info() Format
	// Close stops the device. It returns within seconds even when the hardware hangs.
	Close() error
}

// Render is an open loudspeaker or a stand-in.
type Render interface {
	// Ring takes frames to play: stereo, one producer.
	Ring() *ring.Ring
	// Far is what the device took, zeros for underruns included: stereo, one consumer. When nobody
	// reads it, it fills up and drops the newest; who starts to read skips what is there.
	Far() *ring.Ring
	// Wake gets a value as frames are taken, at most four times a period; it holds one.
	Wake() <-chan struct{}
	// Stamp is the newest stamp; any goroutine, no lock. Frames are those written to Far, dropped ones included.
	Stamp() ring.Stamp
	// Stats is for any goroutine.
	Stats() Stats
	// Info is for any goroutine.
	Info() Format
	// Close stops the device. It returns within seconds even when the hardware hangs.
	Close() error
}

// OpenCapture opens an input. A missing device is ErrNoDevice, no sound at all ErrNoSound, a file
// that is not audio wav.ErrNotAudio, each in words that say what to do.
func OpenCapture(cfg Config) (Capture, error) {
	cfg = cfg.withDefaults()
	switch cfg.Spec.Kind {
	case Hardware:
		return openHardwareCapture(cfg)
	case File:
		source, err := openFileSource(cfg)
		if err != nil {
			return nil, err
		}
		return startPacedCapture(cfg, filepath.Base(cfg.Spec.Path), source), nil
	case Tone:
		return startPacedCapture(cfg, cfg.Spec.String(), &toneSource{frequency: cfg.Spec.Frequency}), nil
	case Silence:
		return startPacedCapture(cfg, string(Silence), silenceSource{}), nil
	default:
		return nil, fmt.Errorf("%q cannot be an input; choose device, file, tone or silence", cfg.Spec.Kind)
	}
}

// OpenRender opens an output, with errors as OpenCapture.
func OpenRender(cfg Config) (Render, error) {
	cfg = cfg.withDefaults()
	switch cfg.Spec.Kind {
	case Hardware:
		return openHardwareRender(cfg)
	case File:
		writer, err := wav.Create(cfg.Spec.Path, Rate, Channels)
		if err != nil {
			return nil, fmt.Errorf("open output: %w", err)
		}
		return startPacedRender(cfg, filepath.Base(cfg.Spec.Path), writer), nil
	case Null:
		return startPacedRender(cfg, string(Null), nil), nil
	default:
		return nil, fmt.Errorf("%q cannot be an output; choose device, file or null", cfg.Spec.Kind)
	}
}

func (c Config) withDefaults() Config {
	if c.PeriodSamples <= 0 {
		c.PeriodSamples = defaultPeriodSamples
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
