// Package wav reads and writes WAV files (RIFF WAVE: 8 to 32 bit PCM and 32 and 64 bit float) as
// interleaved float32. Memory use is bounded whatever a file claims.
package wav

import (
	"errors"
	"fmt"
)

// ErrNotAudio says that a file is not a WAV file that can be played. Errors that wrap it say why.
var ErrNotAudio = errors.New("input that is not audio")

// Format tags of the fmt chunk.
const (
	tagPCM        = 1
	tagFloat      = 3
	tagExtensible = 0xfffe
)

// Bounds of what is accepted.
const (
	maxChannels = 64
	minRate     = 1000
	maxRate     = 768000
)

// encoding is how a sample lies in the file.
type encoding struct {
	tag      uint16
	bits     int
	rate     int
	channels int
}

func (e encoding) frameBytes() int { return e.bits / 8 * e.channels }

func (e encoding) check() error {
	pcm := e.tag == tagPCM && (e.bits == 8 || e.bits == 16 || e.bits == 24 || e.bits == 32)
	float := e.tag == tagFloat && (e.bits == 32 || e.bits == 64)
	switch {
	case !pcm && !float:
		return fmt.Errorf("its samples are compressed or of a kind that is not read (format %d, %d bit); convert it to 16 or 24 bit PCM WAV", e.tag, e.bits)
	case e.channels < 1 || e.channels > maxChannels:
		return fmt.Errorf("it has %d channels, 1 to %d are read", e.channels, maxChannels)
	case e.rate < minRate || e.rate > maxRate:
		return fmt.Errorf("its rate is %d Hz, %d to %d are read", e.rate, minRate, maxRate)
	}
	return nil
}
