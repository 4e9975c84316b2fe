// Package mixer mixes a room: a live bus without delay for mix-minus, and a program bus one program
// delay behind for listeners, where late packets still find their place.
package mixer

import (
	"context"
	"log/slog"
	"time"

	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/net/packet"
)

// Config is what a Mixer needs. RoomSample is required.
type Config struct {
	RoomSample   func(time.Time) int64 // room time of a moment, in samples at 48 kHz
	ProgramDelay time.Duration         // how far the program is behind; 1 s when zero
	Log          *slog.Logger
}

// Mixer mixes one room. Its methods may be called from any goroutine.
type Mixer struct{}

// New returns a mixer; it does nothing before Run.
func New(cfg Config) *Mixer { return &Mixer{} }

// Run mixes until ctx ends, and returns when its goroutines have.
func (m *Mixer) Run(ctx context.Context) error { return nil }

// AddInput returns the participant's input, a new one when there was none.
func (m *Mixer) AddInput(participantID string) *Input { return &Input{} }

// RemoveInput takes the participant out of the mixes.
func (m *Mixer) RemoveInput(participantID string) {}

// SetStrip sets the participant's strip, also before its input is there.
func (m *Mixer) SetStrip(participantID string, settings mix.Settings) {}

// Strip returns the participant's strip settings.
func (m *Mixer) Strip(participantID string) mix.Settings { return mix.Settings{} }

// OnProgram sets who gets the program: 10 ms stereo frames with the room time of their first sample,
// from the program goroutine; pcm is borrowed. nil stops; one call may still be under way then.
func (m *Mixer) OnProgram(sink func(pcm []float32, firstSample int64)) {}

// SubscribeMix gives sink everything but the participant's own input, as 5 ms stereo frames of the
// live bus; pcm is borrowed. One call may still be under way when cancel returns.
func (m *Mixer) SubscribeMix(participantID string, sink func(pcm []float32, firstSample int64)) (cancel func()) {
	return func() {}
}

// Levels are the program's meters.
type Levels struct {
	Strips  []StripLevel // behind the strips
	Program meter.Level
}

// StripLevel is a participant's contribution to the program.
type StripLevel struct {
	ParticipantID string
	Level         meter.Level
}

// Levels returns the program's meters, and keeps the program running for the next 2 s.
func (m *Mixer) Levels() Levels { return Levels{} }

// Input takes one participant's packets.
type Input struct{}

// Push hands a packet to both buses. It never blocks; one goroutine at a time calls it.
func (in *Input) Push(p *packet.Packet, arrival time.Time) {}

// InputStats are an input's counters.
type InputStats struct {
	Misplaced        int64   // packets whose first sample is too far from now, dropped
	ConcealedRatio5s float64 // of the live bus
}

// Stats returns the counters.
func (in *Input) Stats() InputStats { return InputStats{} }
