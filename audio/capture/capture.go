// Package capture is the processed microphone: a mediadevices driver whose frames are lined up with
// room time and cleaned, and an encoder builder that turns them into Opus packets.
package capture

import (
	"log/slog"
	"time"

	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/audio/opus"
	"gasso/audio/ring"
)

// Processing says what is done to the microphone. It is what the driver takes as its constraints;
// mediadevices has none for these.
type Processing struct {
	EchoCancellation bool // AEC3; makes the signal mono
	NoiseSuppression bool // RNNoise; makes the signal mono
	AutoGainControl  bool // speech to -20 LUFS, peaks to -1 dBTP
	HighPass         bool // 80 Hz, second order; delays nothing
	Music            bool // turns the four off whatever they say
}

// Source is where captured sound comes from: interleaved stereo at 48 kHz, as the devices of package
// device deliver it.
type Source interface {
	Ring() *ring.Ring      // what was captured; the microphone is its consumer
	Wake() <-chan struct{} // gets a value after frames were written
	Stamp() ring.Stamp     // any goroutine, no lock
}

// Config is what a microphone needs. Source, Encoder, RoomSample and Engines must be given.
type Config struct {
	Source     Source                      // stays the caller's; the microphone is the consumer of its ring
	Far        *ring.Ring                  // what the loudspeaker took at 48 kHz, mono or stereo; nil if nobody listens
	Encoder    opus.EncoderConfig          // Channels is what is published, whatever the processing
	Processing Processing                  // at the start
	RoomSample func(local time.Time) int64 // room time of a local moment; any goroutine, no lock
	Monitor    *mix.Monitor                // hears what is sent, before muting; nil if there is none
	Engines    *Engines                    // what echo cancellation and noise suppression run on; the caller's, for one microphone at a time
	Muted      bool                        // at the start
	Before     *Microphone                 // to be closed and gone on after, without a pause if the source is the same; or nil
	Log        *slog.Logger                // nil is silent
}

// Encoded is one packet.
type Encoded struct {
	Payload     []byte // borrowed until the next Read
	FirstSample int64  // room time at which the first decoded sample was captured
	Samples     int    // per channel
	Gap         bool   // FirstSample does not continue the packet before: silence left out, or a new anchor
}

// Stats is what a microphone has done so far.
type Stats struct {
	Processing        Processing    // in effect now
	Missing           string        // why processing that was asked for is not in effect; empty if it is
	ProcessingSamples int           // delay of the processing at 48 kHz, waiting for full blocks included
	FrameTime         time.Duration // spent on one frame of FrameDuration, encoding included, mean
	FrameDuration     time.Duration
	DriftPPM          float64 // by how much room time runs faster than the device
	ClockErrorSamples float64 // how far the frames are from room time
	Anchors           int64   // times the frames were set to room time anew, the first included
	Overruns          int64   // frames lost because nobody read
	FarDropped        int64   // far-end samples left out to stay aligned
	FarPadded         int64   // far-end samples put in as silence
	Packets           int64
	SilentPackets     int64      // left out by DTX
	GainDB            float64    // of the automatic gain control
	LimitedDB         float64    // by how much the limiter turns down
	Loudness          meter.LUFS // of what is sent, before muting
	TruePeakDB        float64    // the highest of it since the start, in dBTP
	EchoDB            float64    // by how much the canceller's filter reduces the echo; 0 until known
}
