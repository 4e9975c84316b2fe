package device

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"

	"gasso/audio/resample"
	"gasso/audio/wav"
)

// silenceSource is a microphone in an empty room.
type silenceSource struct{}

func (silenceSource) fill(pcm []float32) { clear(pcm) }
func (silenceSource) close()             {}

// toneSource is a sine on both channels.
type toneSource struct {
	frequency float64 // Hz
	turns     float64 // 0 to 1
}

func (s *toneSource) fill(pcm []float32) {
	amplitude := math.Pow(10, ToneLevelDB/20.0)
	for i := 0; i+1 < len(pcm); i += 2 {
		v := float32(amplitude * math.Sin(2*math.Pi*s.turns))
		pcm[i], pcm[i+1] = v, v
		s.turns += s.frequency / Rate
		s.turns -= math.Floor(s.turns)
	}
}

func (s *toneSource) close() {}

// fileFrames is how many frames are read from a file at once.
const fileFrames = 1024

// fileSource plays a WAV file of any rate and number of channels, once or in a loop.
type fileSource struct {
	reader    *wav.Reader
	resampler *resample.Resampler // nil at 48 kHz
	in        *inlet
	loop      bool
	ended     bool
	raw       []float32 // as in the file
	stereo    []float32
	pending   []float32 // the part of stereo not yet played
	log       *slog.Logger
}

func openFileSource(cfg Config) (*fileSource, error) {
	reader, err := wav.Open(cfg.Spec.Path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w; check the path after \"file:\", it takes WAV", err)
	}
	s := &fileSource{
		reader: reader,
		in:     newInlet(reader.Channels(), Rate, nil),
		loop:   cfg.Spec.Loop,
		raw:    make([]float32, fileFrames*reader.Channels()),
		stereo: make([]float32, fileFrames*Channels),
		log:    cfg.Log,
	}
	if reader.Rate() != Rate {
		s.resampler = resample.New(Channels, Rate/float64(reader.Rate()))
	}
	return s, nil
}

func (s *fileSource) fill(pcm []float32) {
	for len(pcm) > 0 {
		if len(s.pending) == 0 {
			s.refill()
		}
		if s.resampler == nil {
			n := copy(pcm, s.pending)
			pcm, s.pending = pcm[n:], s.pending[n:]
			continue
		}
		written, consumed := s.resampler.Process(pcm, s.pending)
		pcm, s.pending = pcm[written*Channels:], s.pending[consumed*Channels:]
	}
}

// refill sets pending to the next frames of the file, silence after its end.
func (s *fileSource) refill() {
	n, err := 0, io.EOF
	if !s.ended {
		n, err = s.reader.Read(s.raw)
	}
	if errors.Is(err, io.EOF) && s.loop && !s.ended {
		if err = s.reader.Rewind(); err == nil {
			n, err = s.reader.Read(s.raw)
		}
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			s.log.Error("reading the input file failed; silence from here on", "error", err)
		}
		s.ended = true
		clear(s.stereo)
		s.pending = s.stereo
		return
	}
	s.pending = s.stereo[:n/s.reader.Channels()*Channels]
	s.in.toStereo(s.pending, s.raw[:n])
}

func (s *fileSource) close() {
	if err := s.reader.Close(); err != nil {
		s.log.Warn("closing the input file failed", "error", err)
	}
}
