package opus

/*
#include "libopus.h"
*/
import "C"

import "fmt"

// Decoder turns packets into PCM and conceals those that are missing.
type Decoder struct {
	engine   *C.OpusDecoder
	channels int
	spill    [2 * minFrameSamples]float32 // end of a concealment that is no multiple of 2.5 ms
}

// NewDecoder makes a decoder that writes 1 or 2 channels whatever the packets hold; Close frees it.
func NewDecoder(channels int) (*Decoder, error) {
	if err := checkChannels(channels); err != nil {
		return nil, err
	}
	var code C.int
	engine := C.opus_decoder_create(SampleRate, C.int(channels), &code)
	if engine == nil || code != 0 {
		return nil, fmt.Errorf("make opus decoder: %w", codeError(code))
	}
	return &Decoder{engine: engine, channels: channels}, nil
}

// Decode writes the packet's samples to pcm, interleaved, and returns how many there are per channel.
// A payload that is no packet is an error and leaves the decoder usable.
func (d *Decoder) Decode(pcm []float32, payload []byte) (samples int, err error) {
	if d.engine == nil {
		return 0, ErrClosed
	}
	if len(payload) == 0 {
		return 0, errBadPayload
	}
	return d.decode(pcm, payload)
}

// Conceal fills pcm with what the signal may have been where a packet is missing. Multiples of 2.5 ms
// are exact; of other lengths the decoder continues at the next multiple.
func (d *Decoder) Conceal(pcm []float32) error {
	if d.engine == nil {
		return ErrClosed
	}
	for len(pcm) > 0 {
		samples := min(len(pcm)/d.channels, MaxPacketSamples)
		samples -= samples % minFrameSamples
		if samples == 0 {
			return d.concealSpill(pcm)
		}
		n, err := d.decode(pcm[:samples*d.channels], nil)
		if err != nil {
			return err
		}
		pcm = pcm[n*d.channels:]
	}
	return nil
}

func (d *Decoder) concealSpill(pcm []float32) error {
	if _, err := d.decode(d.spill[:minFrameSamples*d.channels], nil); err != nil {
		return err
	}
	copy(pcm, d.spill[:])
	return nil
}

func (d *Decoder) decode(pcm []float32, payload []byte) (int, error) {
	if len(pcm) < d.channels {
		return 0, errShortBuffer
	}
	var first *C.uchar
	if len(payload) > 0 {
		first = (*C.uchar)(&payload[0])
	}
	n := C.opus_decode_float(d.engine, first, C.int(len(payload)), (*C.float)(&pcm[0]), C.int(len(pcm)/d.channels), 0)
	if n < 0 {
		return 0, codeError(n)
	}
	return int(n), nil
}

// Close frees the decoder; further calls return ErrClosed.
func (d *Decoder) Close() {
	if d.engine != nil {
		C.opus_decoder_destroy(d.engine)
		d.engine = nil
	}
}
