package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gasso/audio/capture"
	"gasso/audio/device"
	"gasso/audio/meter"
	"gasso/audio/opus"
	"gasso/audio/ring"
	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/net/signaling"
)

const (
	voiceBitrate = 96_000 // mono at 5 ms
	musicBitrate = 192_000
	captureRetry = time.Second
)

// microphone turns the input into one publication after another: a new one for each change of mode,
// channels or device.
type microphone struct {
	session     *Session
	soundSystem soundSystem
	engines     *capture.Engines // of all publications; prepared outside of mu, since that takes long

	changing sync.Mutex // held while inputs open and close; before mu

	mu                         sync.Mutex     // before Session.mu
	source                     device.Capture // nil before open and after close
	spec                       device.Spec
	condition                  condition           // of source
	far                        *ring.Ring          // what the present loudspeaker plays
	mic                        *capture.Microphone // nil between publications
	before                     *capture.Microphone // the one before, of the same source; nil without
	micFar                     *ring.Ring          // what mic cancels
	processing                 Processing
	mode                       Mode
	lowered                    int  // the governor's step
	uplinkBitrate, uplinkFrame int  // what the uplink carries, in bit/s and samples; 0 until that is decided
	hidden                     bool // nobody looks
	muted                      bool
	published                  int // publications so far
}

func newMicrophone(s *Session) (*microphone, error) {
	spec, err := device.ParseInput(s.cfg.Input)
	if err != nil {
		return nil, err
	}
	mode := s.cfg.Mode
	if mode == "" {
		mode = ModeLive
	}
	engines := capture.NewEngines(s.cfg.NoiseModel)
	return &microphone{session: s, spec: spec, engines: engines, processing: s.cfg.Processing, mode: mode}, nil
}

// open opens the input; far is what the loudspeaker plays.
func (m *microphone) open(far *ring.Ring) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	source, err := m.openSource(m.spec)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.source, m.far = source, far
	return nil
}

func (m *microphone) isOpen() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.source != nil
}

func (m *microphone) openSource(spec device.Spec) (device.Capture, error) {
	source, err := device.OpenCapture(device.Config{
		Spec: spec, Backend: m.soundSystem.name(), FallBack: m.session.cfg.FallBack, PeriodSamples: periodSamples, Log: m.session.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	m.condition.begin(spec.Kind == device.Hardware)
	return source, nil
}

// close ends the publication; run's context has ended.
func (m *microphone) close() {
	m.changing.Lock()
	defer m.changing.Unlock()
	m.swap(nil, device.Spec{})
	m.engines.Close()
}

// swap puts another input into its place, nil for none, and closes the one before.
func (m *microphone) swap(source device.Capture, spec device.Spec) {
	m.mu.Lock()
	m.endPublicationLocked()
	old := m.source
	m.source, m.spec, m.before = source, spec, nil
	m.mu.Unlock()
	if old == nil {
		return
	}
	if err := old.Close(); err != nil {
		m.session.log.Warn("closing input failed", "error", err)
	}
}

// endPublicationLocked makes run start the next publication, with the state as it is then.
func (m *microphone) endPublicationLocked() {
	if m.mic != nil {
		_ = m.mic.Close()
		m.before, m.mic = m.mic, nil
	}
}

// run publishes until ctx ends.
func (m *microphone) run(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-m.session.clockwork.ready:
	}
	for ctx.Err() == nil {
		mic, publication, err := m.startPublication(ctx)
		if err == nil && mic != nil {
			err = m.publish(mic, publication)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		m.session.log.Error("microphone stopped; trying again", "error", err)
		m.session.setMicrophoneProblem(microphoneStopped)
		select {
		case <-ctx.Done():
		case <-time.After(captureRetry):
		}
	}
}

// prepare makes what the present processing runs on, while nobody has to wait for it. What cannot be made
// is said when it is switched on.
func (m *microphone) prepare() {
	m.mu.Lock()
	p := m.processing
	m.mu.Unlock()
	_ = m.engines.Prepare(capture.Processing(p))
}

// startPublication makes the encoder for the state as it is now and announces it.
func (m *microphone) startPublication(ctx context.Context) (*capture.Microphone, *signaling.Publication, error) {
	m.prepare()
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil { // close follows that, or has been
		return nil, nil, nil
	}
	samples, err := m.qualityLocked().samples()
	if err != nil {
		return nil, nil, err
	}
	encoder := m.encoderLocked(samples)
	mic, err := capture.Open(capture.Config{
		Source: m.source, Far: m.far, Encoder: encoder,
		Processing: m.processedLocked(), RoomSample: m.session.clock.RoomSample,
		Engines: m.engines, Muted: m.muted, Before: m.before, Monitor: m.session.playout.monitor, Log: m.session.log,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("start microphone: %w", err)
	}
	mic.SetLoudness(m.qualityLocked().loudness)
	m.mic, m.micFar, m.before = mic, m.far, nil
	publication := &signaling.Publication{
		ID: packet.NewPublicationID(), Generation: m.session.keeping.generation(m.published), Channels: encoder.Channels,
		FrameSamples: samples, LookAheadSamples: mic.LookAheadSamples(), Music: m.processing.Music,
		DelaySamples:      m.source.Info().PeriodSamples + mic.Stats().ProcessingSamples + samples + mic.LookAheadSamples(),
		ClockErrorSamples: min(inSamples(m.session.clock.RTT()/2), mostAnnounced),
	}
	m.published++
	m.session.setMicrophoneProblem("")
	m.session.announce(publication)
	return mic, publication, nil
}

func (m *microphone) encoderLocked(samples int) opus.EncoderConfig {
	e := opus.EncoderConfig{Channels: 1, FrameSamples: samples, Complexity: m.qualityLocked().complexity, Application: opus.LowDelay, Independent: true}
	if m.processing.Music || m.spec.Kind != device.Hardware {
		e.Channels = 2
	}
	if m.qualityLocked().mode == ModeSafe && !m.processing.Music {
		e.Application, e.Independent, e.FEC, e.LossPercent = opus.VoIP, false, true, 10 // at 10 % Opus begins to put copies into every packet
	}
	e.BitrateBPS = m.bitrateLocked()
	if m.uplinkBitrate > 0 {
		e.BitrateBPS = min(e.BitrateBPS, m.uplinkBitrate)
	}
	return e
}

// bitrateLocked is what is sent where the network carries it.
func (m *microphone) bitrateLocked() int {
	switch {
	case m.session.cfg.BitrateBPS > 0:
		return m.session.cfg.BitrateBPS
	case m.processing.Music || m.spec.Kind != device.Hardware:
		return musicBitrate
	}
	return voiceBitrate
}

// publish encodes and sends until mic is closed.
func (m *microphone) publish(mic *capture.Microphone, publication *signaling.Publication) error {
	pk := packet.Packet{Publication: publication.ID, Generation: publication.Generation}
	sent := &spans{born: time.Now()}
	m.session.sent.Store(sent)
	for {
		encoded, err := mic.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.mic == mic {
				m.endPublicationLocked()
			}
			return fmt.Errorf("read microphone: %w", err)
		}
		pk.FirstSample, pk.Samples, pk.Payload = encoded.FirstSample, encoded.Samples, encoded.Payload
		if publisher := m.session.publisher.Load(); publisher != nil {
			_ = publisher.Write(&pk) // counted per link
		}
		now := time.Now()
		sent.note(time.Duration(m.session.clock.RoomNS(now)-clocksync.NSAt(pk.FirstSample)), now)
		m.session.keeping.keep(&pk)
		pk.Number++
	}
}

func (m *microphone) setMuted(muted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted = muted
	if m.mic != nil {
		m.mic.SetMuted(muted)
	}
}

// setProcessing switches stages in the running microphone; music mode has an encoder of its own, and
// a canceller hears one loudspeaker for as long as a publication lasts, and so they start a new one.
func (m *microphone) setProcessing(p Processing) {
	_ = m.engines.Prepare(capture.Processing(p)) // said when it is switched on
	m.mu.Lock()
	defer m.mu.Unlock()
	musicSwitched := m.processing.Music != p.Music
	m.processing = p
	if m.mic == nil {
		return
	}
	if musicSwitched || m.cancelsLocked() && m.micFar != m.far {
		m.endPublicationLocked()
		return
	}
	if err := m.mic.SetProcessing(m.processedLocked()); err != nil {
		m.session.log.Error("processing could not be switched", "error", err)
	}
}

func (m *microphone) setMode(mode Mode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mode != mode {
		m.mode = mode
		m.endPublicationLocked()
	}
}

func (m *microphone) currentMode() Mode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mode
}

func (m *microphone) setInput(input string) error {
	spec, err := device.ParseInput(input)
	if err != nil {
		return err
	}
	m.changing.Lock()
	defer m.changing.Unlock()
	if !m.isOpen() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.spec = spec
		return nil
	}
	source, err := m.openSource(spec)
	if err != nil {
		return err
	}
	m.swap(source, spec)
	return nil
}

// cancelsLocked tells whether the loudspeaker's echo is taken out.
func (m *microphone) cancelsLocked() bool {
	return m.processing.EchoCancellation && !m.processing.Music
}

// setFarEnd takes another loudspeaker. Without an echo canceller that is for later.
func (m *microphone) setFarEnd(far *ring.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.far = far
	if m.cancelsLocked() {
		m.endPublicationLocked()
	}
}

// describe writes what a screen shows of the microphone, and returns what is wrong with its device.
func (m *microphone) describe(self *Self) (problem string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	self.Muted, self.Processing, self.Mode = m.muted, m.processing, m.mode
	self.Level = Level{PeakDB: meter.FloorDB, RMSDB: meter.FloorDB}
	self.LoudnessLUFS, self.TruePeakDB = meter.FloorDB, meter.FloorDB
	if m.source != nil {
		stats := m.source.Stats()
		self.InputName, self.Overruns = m.source.Info().Name, stats.Overruns
		self.InvalidSamples, self.Reopens = self.InvalidSamples+stats.Invalid, self.Reopens+stats.Reopens
		self.CaptureLate = stats.WorstLateness
		problem, self.News = m.condition.microphone(stats, time.Now())
	}
	if m.mic != nil {
		self.Level = Level(m.mic.Level())
		samples, _ := m.qualityLocked().samples()
		self.EncoderBitrate = m.encoderLocked(samples).BitrateBPS
		stats := m.mic.Stats()
		waited := m.source.Info().PeriodSamples + stats.ProcessingSamples + samples + m.mic.LookAheadSamples()
		self.CaptureLatency = inTime(waited)
		self.Monitor.Latency = inTime(waited - m.mic.LookAheadSamples())
		self.Missing = stats.Missing
		self.TruePeakDB = stats.TruePeakDB
		if m.qualityLocked().loudness {
			self.LoudnessLUFS = stats.Loudness.ShortTerm
		}
	}
	return problem
}

// announce tells the room of a new publication, now or with the next join.
func (s *Session) announce(p *signaling.Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publication = p
	s.beginKeepingLocked(p)
	if s.conn != nil { // under the lock: a join must not send the one before after this one
		_ = s.conn.Send(p)
	}
}
