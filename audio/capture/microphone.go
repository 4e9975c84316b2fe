package capture

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/mediadevices"

	"gasso/audio/meter"
)

// ErrClosed is returned by the controls of a closed microphone.
var ErrClosed = errors.New("the microphone is closed")

var errIncomplete = errors.New("capture needs a source, a room clock, engines and an encoder")

// Microphone captures from Open to Close. Read belongs to one goroutine, the rest to any.
type Microphone struct {
	cfg     Config
	log     *slog.Logger
	capture *capturer
	encoder *encoder
	track   mediadevices.Track

	closing   chan struct{}
	closeOnce sync.Once

	reading sync.Mutex // held by Read; Close waits for it
	encoded mediadevices.EncodedReadCloser
	waited  time.Duration // for the device, during this Read
	gap     bool          // packets were left out since the last one
	mean    float64       // of the time spent on a frame, in nanoseconds

	packets   atomic.Int64
	silent    atomic.Int64
	frameTime atomic.Int64
}

// Open starts a microphone. Processing that this build or machine cannot do is left out, logged and named
// in Stats.Missing.
func Open(cfg Config) (*Microphone, error) {
	if cfg.Source == nil || cfg.RoomSample == nil || cfg.Engines == nil {
		return nil, errIncomplete
	}
	if cfg.Before != nil {
		_ = cfg.Before.Close() // what it leaves has no other owner then
	}
	encoder, err := newEncoder(cfg.Encoder)
	if err != nil {
		return nil, fmt.Errorf("open microphone: %w", err)
	}
	m := &Microphone{cfg: cfg, log: cfg.Log, encoder: encoder, closing: make(chan struct{})}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.capture = newCapturer(cfg)
	m.cfg.Before = nil // would hold on to all those before
	if m.track, err = openTrack(m); err != nil {
		_ = encoder.Close()
		return nil, err
	}
	if err := m.SetProcessing(cfg.Processing); err != nil {
		m.log.Warn("microphone processing is not complete", "error", err)
	}
	return m, nil
}

// Read blocks until there is a packet. It returns io.EOF after Close.
func (m *Microphone) Read() (Encoded, error) {
	m.reading.Lock()
	defer m.reading.Unlock()
	if m.isClosing() {
		return Encoded{}, io.EOF
	}
	if m.encoded == nil { // asks for a first frame, which may take a device seconds
		encoded, err := m.track.NewEncodedReader(opusName)
		if err != nil {
			return Encoded{}, m.readError(err)
		}
		m.encoded = encoded
	}
	for {
		m.waited = 0
		start := time.Now()
		buffer, _, err := m.encoded.Read()
		if err != nil {
			return Encoded{}, m.readError(err)
		}
		m.account(time.Since(start) - m.waited)
		first, gap := m.capture.label()
		m.gap = m.gap || gap
		if len(buffer.Data) <= 2 { // DTX (RFC 6716, section 2.1.9)
			m.gap = true
			m.silent.Add(1)
			continue
		}
		packet := Encoded{
			Payload:     buffer.Data,
			FirstSample: first - int64(m.encoder.engine.LookAheadSamples()),
			Samples:     m.cfg.Encoder.FrameSamples,
			Gap:         m.gap,
		}
		m.gap = false
		m.packets.Add(1)
		return packet, nil
	}
}

func (m *Microphone) readError(err error) error {
	if m.isClosing() {
		return io.EOF
	}
	return fmt.Errorf("read microphone: %w", err)
}

func (m *Microphone) account(spent time.Duration) {
	m.mean += (float64(spent) - m.mean) / 64
	m.frameTime.Store(int64(m.mean))
}

// waitFrame fills one frame; it returns false when the microphone is closed.
func (m *Microphone) waitFrame(pcm []float32) bool {
	for !m.isClosing() {
		if m.capture.captureFrame(pcm) {
			return true
		}
		start := time.Now()
		select {
		case <-m.cfg.Source.Wake():
		case <-m.closing:
		}
		m.waited += time.Since(start)
	}
	return false
}

func (m *Microphone) isClosing() bool {
	select {
	case <-m.closing:
		return true
	default:
		return false
	}
}

// SetProcessing switches processing while the microphone runs. What cannot be done is an error; the rest
// is in effect all the same.
func (m *Microphone) SetProcessing(p Processing) error {
	if m.isClosing() {
		return ErrClosed
	}
	return m.capture.chain.SetProcessing(p)
}

// SetMuted replaces the signal by silence, within 5 ms and without a click. Level goes on.
func (m *Microphone) SetMuted(muted bool) { m.capture.muted.Store(muted) }

// SetLoudness switches whether loudness and true peak, which cost the most of all meters, are measured.
// Off, they stay as they are.
func (m *Microphone) SetLoudness(on bool) { m.capture.unmeasured.Store(!on) }

// SetBitrate sets the encoder's bitrate in bits a second from the next packet on.
func (m *Microphone) SetBitrate(bps int) error { return m.encoder.SetBitRate(bps) }

// SetComplexity sets the encoder's complexity, 0 to 10, from the next packet on.
func (m *Microphone) SetComplexity(complexity int) error {
	if complexity < 0 || complexity > 10 {
		return fmt.Errorf("a complexity of %d is not possible, only 0 to 10", complexity)
	}
	m.encoder.complexity.Store(int64(complexity))
	return nil
}

// SetDTX switches whether silence is left out, from the next packet on.
func (m *Microphone) SetDTX(on bool) error {
	value := int64(0)
	if on {
		value = 1
	}
	m.encoder.dtx.Store(value)
	return nil
}

// Level is what the microphone sends, before muting.
func (m *Microphone) Level() meter.Level { return m.capture.meter.Level() }

// Stats is what the microphone has done so far.
func (m *Microphone) Stats() Stats {
	stats := m.capture.stats()
	stats.FrameDuration = frameDuration(m.cfg.Encoder.FrameSamples)
	stats.FrameTime = time.Duration(m.frameTime.Load())
	stats.Packets, stats.SilentPackets = m.packets.Load(), m.silent.Load()
	return stats
}

// LookAheadSamples is the encoder's look-ahead, already taken off FirstSample.
func (m *Microphone) LookAheadSamples() int { return m.encoder.engine.LookAheadSamples() }

// Close stops the microphone, lets a waiting Read return and waits for it. The source and the engines stay.
func (m *Microphone) Close() error {
	m.closeOnce.Do(func() {
		close(m.closing)
		m.reading.Lock()
		defer m.reading.Unlock()
		_ = m.track.Close()
		_ = m.encoder.Close()
	})
	return nil
}
