// Package mixer mixes a room: a live bus without delay for mix-minus, and a program bus one program
// delay behind for listeners, where late packets still find their place.
//
// Input.Push hands a packet to the lane of its publication: to a jitter.Player for the live bus and
// to a jitter.Timeline for the program bus. One goroutine for each bus reads them: liveFrame every
// 5 ms while somebody subscribes to a mix, programFrame every 10 ms while somebody takes or meters
// the program. Who is there they learn from the roster, a snapshot that is replaced as a whole.
package mixer

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gasso/audio/meter"
	"gasso/audio/mix"
)

const (
	sampleRate      = 48000
	liveSamples     = 240 // 5 ms
	programSamples  = 480 // 10 ms
	meteredFor      = 2 * time.Second
	rememberedStrip = 256 // strips of participants that have no input yet
	sweepInterval   = time.Second
)

// Config is what a Mixer needs. RoomSample is required.
type Config struct {
	RoomSample   func(time.Time) int64 // room time of a moment, in samples at 48 kHz
	ProgramDelay time.Duration         // how far the program is behind; 1 s when zero, at most 60 s
	Log          *slog.Logger
}

// Mixer mixes one room. Its methods may be called from any goroutine.
type Mixer struct {
	cfg     Config
	roster  atomic.Pointer[roster]
	metered atomic.Int64 // when Levels was last called, in Unix ns
	taken   atomic.Bool  // packets for the program are kept
	live    *liveBus
	program *programBus

	mu     sync.Mutex
	inputs map[string]*Input
	strips map[string]mix.Settings
	mixes  []*subscription
	sink   func(pcm []float32, firstSample int64)
	gone   []*lane // not yet closed by both buses
	closed bool
}

// roster is who is there: an immutable snapshot.
type roster struct {
	seats []seat
	mixes []mixTarget
	sink  func(pcm []float32, firstSample int64)
	gone  []*lane // for each bus to close its half
}

// seat is an input with its publications, oldest first.
type seat struct {
	input *Input
	lanes []*lane
}

type subscription struct {
	participantID string
	sink          func(pcm []float32, firstSample int64)
}

// mixTarget is a subscription and whom it leaves out, nil when that participant has no input.
type mixTarget struct {
	*subscription
	own *Input
}

// New returns a mixer; it does nothing before Run.
func New(cfg Config) *Mixer {
	if cfg.ProgramDelay <= 0 {
		cfg.ProgramDelay = time.Second
	}
	cfg.ProgramDelay = min(cfg.ProgramDelay, time.Minute)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mixer{
		cfg:     cfg,
		live:    newLiveBus(),
		program: newProgramBus(),
		inputs:  map[string]*Input{},
		strips:  map[string]mix.Settings{},
	}
	m.roster.Store(&roster{})
	return m
}

// Run mixes until ctx ends, and returns when its goroutines have. A mixer runs once.
func (m *Mixer) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { m.runLive(ctx) })
	running.Go(func() { m.runProgram(ctx) })
	running.Wait()
	m.close()
	return nil
}

// close frees the decoders. Nobody reads the buses any more.
func (m *Mixer) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, input := range m.inputs {
		m.gone = append(m.gone, input.lanes...)
		input.lanes = nil
	}
	for _, l := range m.gone {
		l.live.close()
		l.program.close()
	}
	m.gone, m.mixes, m.sink = nil, nil, nil
	m.roster.Store(&roster{})
}

// AddInput returns the participant's input, a new one when there was none.
func (m *Mixer) AddInput(participantID string) *Input {
	m.mu.Lock()
	defer m.mu.Unlock()
	input := m.inputs[participantID]
	if input == nil {
		input = newInput(m, participantID, m.strips[participantID])
		delete(m.strips, participantID)
		m.inputs[participantID] = input
		m.rebuildLocked()
	}
	return input
}

// RemoveInput takes the participant out of the mixes.
func (m *Mixer) RemoveInput(participantID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.strips, participantID)
	input := m.inputs[participantID]
	if input == nil {
		return
	}
	delete(m.inputs, participantID)
	m.retireLocked(input, func(*lane) bool { return true })
	input.removed = true
	m.rebuildLocked()
}

// SetStrip sets the participant's strip, also before its input is there.
func (m *Mixer) SetStrip(participantID string, settings mix.Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if input := m.inputs[participantID]; input != nil {
		input.live.strip.Set(settings)
		input.program.strip.Set(settings)
	} else if _, known := m.strips[participantID]; known || len(m.strips) < rememberedStrip {
		m.strips[participantID] = settings
	}
}

// Strip returns the participant's strip settings.
func (m *Mixer) Strip(participantID string) mix.Settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	if input := m.inputs[participantID]; input != nil {
		return input.program.strip.Settings()
	}
	return m.strips[participantID]
}

// OnProgram sets who gets the program: 10 ms stereo frames with the room time of their first sample,
// from the program goroutine; pcm is borrowed. nil stops; one call may still be under way then.
func (m *Mixer) OnProgram(sink func(pcm []float32, firstSample int64)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sink = sink
	if sink != nil {
		m.taken.Store(true)
	}
	m.rebuildLocked()
}

// SubscribeMix gives sink everything but the participant's own input, as 5 ms stereo frames of the
// live bus; pcm is borrowed. One call may still be under way when cancel returns.
func (m *Mixer) SubscribeMix(participantID string, sink func(pcm []float32, firstSample int64)) (cancel func()) {
	s := &subscription{participantID, sink}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mixes = append(m.mixes, s)
	m.rebuildLocked()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.mixes = slices.DeleteFunc(m.mixes, func(other *subscription) bool { return other == s })
		m.rebuildLocked()
	}
}

// Levels are the program's meters.
type Levels struct {
	Strips  []StripLevel // behind the strips, by participant id
	Program meter.Level
}

// StripLevel is a participant's contribution to the program.
type StripLevel struct {
	ParticipantID string
	Level         meter.Level
}

// Levels returns the program's meters, and keeps the program running for the next 2 s.
func (m *Mixer) Levels() Levels {
	m.metered.Store(time.Now().UnixNano())
	if !m.taken.Swap(true) {
		wake(m.program.wake)
	}
	return m.levels()
}

// Peek is Levels for those who only look in: it asks nothing of a program that rests, and returns
// false then.
func (m *Mixer) Peek() (Levels, bool) {
	if !m.taken.Load() {
		return Levels{}, false
	}
	return m.levels(), true
}

func (m *Mixer) levels() Levels {
	r := m.roster.Load()
	levels := Levels{Strips: make([]StripLevel, len(r.seats)), Program: m.program.meter.Level()}
	for i, s := range r.seats {
		levels.Strips[i] = StripLevel{s.input.id, s.input.meter.Level()}
	}
	return levels
}

// retireLocked takes an input's lanes that which names out of the mixes.
func (m *Mixer) retireLocked(input *Input, which func(*lane) bool) {
	kept := []*lane{}
	for _, l := range input.lanes {
		if which(l) {
			l.retired.Store(true)
			m.gone = append(m.gone, l)
		} else {
			kept = append(kept, l)
		}
	}
	input.lanes = kept
}

// sweep retires publications that ended, and forgets those whose decoders are closed.
func (m *Mixer) sweep(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.gone)
	for _, input := range m.inputs {
		newest := len(input.lanes) - 1
		if newest < 1 {
			continue
		}
		current := input.lanes[newest]
		m.retireLocked(input, func(l *lane) bool {
			return l != current && now.UnixNano()-l.pushed.Load() > int64(m.cfg.ProgramDelay+sweepInterval)
		})
	}
	added := len(m.gone) > before
	m.gone = slices.DeleteFunc(m.gone, func(l *lane) bool { return l.live.closed.Load() && l.program.closed.Load() })
	if added {
		m.rebuildLocked()
	}
}

// rebuildLocked replaces the roster and tells both buses.
func (m *Mixer) rebuildLocked() {
	if m.closed {
		return
	}
	r := &roster{sink: m.sink, gone: slices.Clone(m.gone)}
	for _, input := range m.inputs {
		r.seats = append(r.seats, seat{input, slices.Clone(input.lanes)})
	}
	slices.SortFunc(r.seats, func(a, b seat) int { return strings.Compare(a.input.id, b.input.id) })
	for _, s := range m.mixes {
		r.mixes = append(r.mixes, mixTarget{s, m.inputs[s.participantID]})
	}
	m.roster.Store(r)
	wake(m.live.wake)
	wake(m.program.wake)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake
	}
}

// delaySamples is the program delay in samples.
func (m *Mixer) delaySamples() int64 {
	return int64(m.cfg.ProgramDelay) * (sampleRate / 1000) / int64(time.Millisecond)
}
