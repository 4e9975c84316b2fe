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
// A payload that is no packet is an error and leaves the decoder usable; one that was made up may
// decode to any finite samples, thousands included, so callers bound them.
func (d *Decoder) Decode(pcm []float32, payload []byte) (samples int, err error) {
	if d.engine == nil {
		return 0, ErrClosed
	}
	if len(payload) == 0 {
		return 0, errBadPayload
	}
	return d.decode(pcm, payload, false)
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
		n, err := d.decode(pcm[:samples*d.channels], nil, false)
		if err != nil {
			return err
		}
		pcm = pcm[n*d.channels:]
	}
	return nil
}

// Recover fills pcm, as long as the one packet that is missing, with the coarse copy of it that next,
// the packet behind it, carries. Without such a copy it is an error, and the decoder is as before.
func (d *Decoder) Recover(pcm []float32, next []byte) error {
	if d.engine == nil {
		return ErrClosed
	}
	if !carriesCopy(next) {
		return errNoCopy
	}
	n, err := d.decode(pcm, next, true)
	if err == nil && n*d.channels < len(pcm) {
		clear(pcm[n*d.channels:])
	}
	return err
}

// carriesCopy reads the LBRR flags of a packet of one or two frames of equal length (RFC 6716, 3.1 and
// 4.2.4): they follow the voice activity flags, a bit for each 20 ms of each channel.
func carriesCopy(payload []byte) bool {
	if len(payload) < 2 || payload[0]&3 > 1 {
		return false
	}
	config, stereo := payload[0]>>3, payload[0]&4 != 0
	if config > 15 { // no SILK in it
		return false
	}
	frames := 1 // of SILK, in 10, 20, 40 and 60 ms, or 10 and 20 in hybrid
	if config < 12 {
		frames = max(1, int(config%4))
	}
	flag := payload[1]>>(7-frames)&1 != 0
	if stereo && 6-2*frames >= 0 {
		flag = flag || payload[1]>>(6-2*frames)&1 != 0
	}
	return flag
}

func (d *Decoder) concealSpill(pcm []float32) error {
	if _, err := d.decode(d.spill[:minFrameSamples*d.channels], nil, false); err != nil {
		return err
	}
	copy(pcm, d.spill[:])
	return nil
}

func (d *Decoder) decode(pcm []float32, payload []byte, copied bool) (int, error) {
	if len(pcm) < d.channels {
		return 0, errShortBuffer
	}
	var first *C.uchar
	if len(payload) > 0 {
		first = (*C.uchar)(&payload[0])
	}
	fec := C.int(0)
	if copied {
		fec = 1
	}
	n := C.opus_decode_float(d.engine, first, C.int(len(payload)), (*C.float)(&pcm[0]), C.int(len(pcm)/d.channels), fec)
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
