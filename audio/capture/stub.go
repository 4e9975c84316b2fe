package capture

import (
	"errors"
	"io"

	"gasso/audio/meter"
)

func open(Config) (*Stream, error)               { return nil, errors.ErrUnsupported }
func (s *Stream) read() (Encoded, error)         { return Encoded{}, io.EOF }
func (s *Stream) setProcessing(Processing) error { return errors.ErrUnsupported }
func (s *Stream) setMuted(bool)                  {}
func (s *Stream) setBitrate(int) error           { return errors.ErrUnsupported }
func (s *Stream) setComplexity(int) error        { return errors.ErrUnsupported }
func (s *Stream) setDTX(bool) error              { return errors.ErrUnsupported }
func (s *Stream) level() meter.Level             { return meter.Level{} }
func (s *Stream) stats() Stats                   { return Stats{} }
func (s *Stream) lookAhead() int                 { return 0 }
func (s *Stream) close() error                   { return nil }
