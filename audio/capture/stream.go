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

	"gasso/audio/aec"
	"gasso/audio/meter"
	"gasso/audio/ns"
)

// ErrClosed is returned by the controls of a closed stream.
var ErrClosed = errors.New("the microphone stream is closed")

var errIncomplete = errors.New("capture needs a source, a room clock and an encoder")

// Stream is a microphone being captured. Read belongs to one goroutine, the rest to any.
type Stream struct {
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

	mu         sync.Mutex // guards what follows
	closed     bool
	canceller  *aec.Canceller
	suppressor *ns.Suppressor
	missing    string

	packets   atomic.Int64
	silent    atomic.Int64
	frameTime atomic.Int64
}

// Open starts a stream. Processing that this build or machine cannot do is left out, logged and named
// in Stats.Missing.
func Open(cfg Config) (*Stream, error) {
	if cfg.Source == nil || cfg.RoomSample == nil {
		return nil, errIncomplete
	}
	encoder, err := newEncoder(cfg.Encoder)
	if err != nil {
		return nil, fmt.Errorf("open microphone: %w", err)
	}
	s := &Stream{cfg: cfg, log: cfg.Log, encoder: encoder, closing: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.capture = newCapturer(cfg)
	s.cfg.Before = nil // would hold on to all those before
	if s.track, err = openTrack(s); err != nil {
		_ = encoder.Close()
		return nil, err
	}
	if err := s.SetProcessing(cfg.Processing); err != nil {
		s.log.Warn("microphone processing is not complete", "error", err)
	}
	return s, nil
}

// Read blocks until there is a packet. It returns io.EOF after Close.
func (s *Stream) Read() (Encoded, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.isClosing() {
		return Encoded{}, io.EOF
	}
	if s.encoded == nil { // asks for a first frame, which may take a device seconds
		encoded, err := s.track.NewEncodedReader(opusName)
		if err != nil {
			return Encoded{}, s.readError(err)
		}
		s.encoded = encoded
	}
	for {
		s.waited = 0
		start := time.Now()
		buffer, _, err := s.encoded.Read()
		if err != nil {
			return Encoded{}, s.readError(err)
		}
		s.account(time.Since(start) - s.waited)
		first, gap := s.capture.label()
		s.gap = s.gap || gap
		if len(buffer.Data) <= 2 { // DTX (RFC 6716, section 2.1.9)
			s.gap = true
			s.silent.Add(1)
			continue
		}
		packet := Encoded{
			Payload:     buffer.Data,
			FirstSample: first - int64(s.encoder.engine.LookAheadSamples()),
			Samples:     s.cfg.Encoder.FrameSamples,
			Gap:         s.gap,
		}
		s.gap = false
		s.packets.Add(1)
		return packet, nil
	}
}

func (s *Stream) readError(err error) error {
	if s.isClosing() {
		return io.EOF
	}
	return fmt.Errorf("read microphone: %w", err)
}

func (s *Stream) account(spent time.Duration) {
	s.mean += (float64(spent) - s.mean) / 64
	s.frameTime.Store(int64(s.mean))
}

// waitFrame fills one frame; it returns false when the stream is closed.
func (s *Stream) waitFrame(pcm []float32) bool {
	for !s.isClosing() {
		if s.capture.captureFrame(pcm) {
			return true
		}
		start := time.Now()
		select {
		case <-s.cfg.Source.Wake():
		case <-s.closing:
		}
		s.waited += time.Since(start)
	}
	return false
}

func (s *Stream) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// SetProcessing switches processing while the stream runs. What cannot be done is an error; the rest
// is in effect all the same.
func (s *Stream) SetProcessing(p Processing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if p.Music {
		p = Processing{Music: true}
	}
	var problems []error
	if p.EchoCancellation && s.canceller == nil {
		canceller, err := aec.New()
		s.canceller, p.EchoCancellation = canceller, err == nil
		problems = append(problems, err)
	}
	if p.NoiseSuppression && s.suppressor == nil {
		suppressor, err := ns.New(s.cfg.NoiseModel)
		s.suppressor, p.NoiseSuppression = suppressor, err == nil
		problems = append(problems, err)
	}
	s.capture.chain.engines.Store(&engines{on: p, canceller: s.canceller, suppressor: s.suppressor})
	s.missing = ""
	err := errors.Join(problems...)
	if err != nil {
		s.missing = err.Error()
	}
	return err
}

// SetMuted replaces the signal by silence, within 5 ms and without a click. Level goes on.
func (s *Stream) SetMuted(muted bool) { s.capture.muted.Store(muted) }

// SetBitrate sets the encoder's bitrate in bits a second from the next packet on.
func (s *Stream) SetBitrate(bps int) error { return s.encoder.SetBitRate(bps) }

// SetComplexity sets the encoder's complexity, 0 to 10, from the next packet on.
func (s *Stream) SetComplexity(complexity int) error {
	if complexity < 0 || complexity > 10 {
		return fmt.Errorf("a complexity of %d is not possible, only 0 to 10", complexity)
	}
	s.encoder.complexity.Store(int64(complexity))
	return nil
}

// SetDTX switches whether silence is left out, from the next packet on.
func (s *Stream) SetDTX(on bool) error {
	value := int64(0)
	if on {
		value = 1
	}
	s.encoder.dtx.Store(value)
	return nil
}

// Level is what the microphone sends, before muting.
func (s *Stream) Level() meter.Level { return s.capture.meter.Level() }

// Stats is what the stream has done so far.
func (s *Stream) Stats() Stats {
	stats := s.capture.stats()
	stats.FrameDuration = frameDuration(s.cfg.Encoder.FrameSamples)
	stats.FrameTime = time.Duration(s.frameTime.Load())
	stats.Packets, stats.SilentPackets = s.packets.Load(), s.silent.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Missing = s.missing
	if s.canceller != nil && !s.closed {
		echo := s.canceller.Stats()
		stats.EchoDB = echo.EnhancementDB
		stats.EchoDelay = time.Duration(echo.DelayMilliseconds) * time.Millisecond
	}
	return stats
}

// LookAheadSamples is the encoder's look-ahead, already taken off FirstSample.
func (s *Stream) LookAheadSamples() int { return s.encoder.engine.LookAheadSamples() }

// Close stops the stream, lets a waiting Read return and waits for it. The source stays open.
func (s *Stream) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.reading.Lock()
		defer s.reading.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		_ = s.track.Close()
		_ = s.encoder.Close()
		if s.canceller != nil {
			s.canceller.Close()
		}
		if s.suppressor != nil {
			s.suppressor.Close()
		}
	})
	return nil
}
