// Package opus is the door to libopus (RFC 6716): an encoder and a decoder on plain slices at 48 kHz.
//
// The code is linked from the static archives that come with mediadevices, so that nothing has to be
// installed. Neither an Encoder nor a Decoder may be used by two goroutines at once, and no call but
// the constructors allocates.
package opus

/*
#cgo noescape opus_encode_float
#cgo nocallback opus_encode_float
#cgo noescape opus_decode_float
#cgo nocallback opus_decode_float
#cgo nocallback gasso_opus_set
#cgo noescape gasso_opus_get
#cgo nocallback gasso_opus_get
#include "libopus.h"
*/
import "C"

import (
	"errors"
	"fmt"

	_ "github.com/pion/mediadevices/pkg/codec/opus" // links libopus
)

// SampleRate is the rate of all PCM here in samples a second.
const SampleRate = 48000

// MaxPacketSamples is the longest duration that one packet may hold, in samples per channel (120 ms).
const MaxPacketSamples = 5760

// minFrameSamples is the shortest frame of Opus (2.5 ms); concealment works in multiples of it.
const minFrameSamples = 120

// Application says what an encoder optimizes for; it is fixed for the encoder's life.
type Application int

// The applications of RFC 6716, section 2.1.
const (
	LowDelay Application = iota // music and speech with the smallest look-ahead; CELT only
	VoIP                        // speech at low rates, with SILK
	Audio                       // fidelity to the input, at a longer look-ahead
)

// ErrClosed is returned by an encoder or decoder after Close.
var ErrClosed = errors.New("opus: closed")

var (
	errBadArgument = errors.New("opus: bad argument")
	errBadPayload  = errors.New("opus: the payload is not a valid packet")
	errShortBuffer = errors.New("opus: the buffer is too small")
	errNoCopy      = errors.New("opus: the packet carries no copy of the one before")
	errInternal    = errors.New("opus: internal error")
)

// codeError turns a negative result of libopus into one of a few preallocated errors.
func codeError(code C.int) error {
	switch code {
	case 0:
		return nil
	case -1:
		return errBadArgument
	case -2:
		return errShortBuffer
	case -4:
		return errBadPayload
	default:
		return errInternal
	}
}

// Version names the linked libopus, for example "libopus 1.5.2".
func Version() string { return C.GoString(C.opus_get_version_string()) }

func checkChannels(channels int) error {
	if channels != 1 && channels != 2 {
		return fmt.Errorf("opus: %d channels asked for, 1 or 2 are possible", channels)
	}
	return nil
}
