package device

import (
	"math"

	"gasso/audio/resample"
)

// blockFrames is how many frames are converted at once.
const blockFrames = 1024

// absurd is the level (+80 dBFS) from which a sample is no sound, as not-a-number and infinity.
const absurd = 1e4

// inlet brings what a microphone delivers, at its own rate and with its own channels, to stereo at
// 48 kHz. It belongs to one callback; no call allocates.
type inlet struct {
	channels    int
	left, right int                 // channels that are heard, from 0; -1 is the sum of all
	resampler   *resample.Resampler // nil at 48 kHz
	native      []float32           // stereo at the microphone's rate
	stereo      []float32
	zeros       int // frames of nothing since the last sound
	silentAfter int // frames
}

// newInlet takes channels as in Spec, and a rate in Hz.
func newInlet(channels, rate int, selected []int) *inlet {
	in := &inlet{channels: channels, left: -1, right: -1, native: make([]float32, blockFrames*Channels),
		silentAfter: rate * silentSeconds2 / 2}
	switch {
	case len(selected) > 0:
		in.left, in.right = selected[0]-1, selected[len(selected)-1]-1
	case channels <= Channels:
		in.left, in.right = 0, channels-1
	}
	if rate != Rate {
		in.resampler = resample.New(Channels, Rate/float64(rate))
		in.stereo = make([]float32, blockFrames*Channels)
	}
	return in
}

// silentSeconds2 is in half seconds how long a microphone gives zeros before it counts as silent.
const silentSeconds2 = 5

// toStereo maps frames to dst and returns how many samples were no numbers. One channel or a pair is
// taken as it is; all of more than two are summed to the centre by 1/sqrt(channels), so that one voice
// among many inputs is neither lost to one side nor turned down by the full number.
func (in *inlet) toStereo(dst, src []float32) (invalid int64) {
	scale := float32(1 / math.Sqrt(float64(in.channels)))
	for i := range len(src) / in.channels {
		frame := src[i*in.channels : (i+1)*in.channels]
		left, right := float32(0), float32(0)
		if in.left >= 0 {
			left, right = frame[in.left], frame[in.right]
		} else {
			for _, v := range frame {
				if !isSound(v) {
					invalid++
					continue
				}
				left += v * scale
			}
			right = left
		}
		if !isSound(left) {
			left = 0
			invalid++
		}
		if !isSound(right) {
			right = 0
			invalid++
		}
		dst[2*i], dst[2*i+1] = left, right
		if left == 0 && right == 0 {
			in.zeros++
		} else {
			in.zeros = 0
		}
	}
	return invalid
}

// isSound is false for not-a-number, too.
func isSound(v float32) bool { return v > -absurd && v < absurd }

// accept is a microphone's callback.
func (c *captureSide) accept(in *inlet, pcm []float32) {
	moved := 0
	for len(pcm) >= in.channels {
		n := min(len(pcm)/in.channels, blockFrames)
		native := in.native[:n*Channels]
		if invalid := in.toStereo(native, pcm[:n*in.channels]); invalid > 0 {
			c.invalid.Add(invalid)
		}
		moved += c.resampled(in, native)
		pcm = pcm[n*in.channels:]
	}
	in.zeros = min(in.zeros, in.silentAfter)
	c.silent.Store(in.zeros == in.silentAfter)
	c.tick(moved)
}

// resampled writes stereo at the microphone's rate to the ring and returns the frames that became of it.
func (c *captureSide) resampled(in *inlet, native []float32) (frames int) {
	if in.resampler == nil {
		c.pcm.Write(native)
		return len(native) / Channels
	}
	for len(native) > 0 {
		written, consumed := in.resampler.Process(in.stereo, native)
		c.pcm.Write(in.stereo[:written*Channels])
		native = native[consumed*Channels:]
		frames += written
	}
	return frames
}

// outlet brings stereo at 48 kHz to a loudspeaker's rate and channels. It belongs to one callback; no
// call allocates.
type outlet struct {
	channels    int
	left, right int                 // channels that play, from 0; the same one plays the half of both
	resampler   *resample.Resampler // nil at 48 kHz
	perFrame    float64             // frames at 48 kHz for one of the loudspeaker's
	taken       []float32           // from the ring
	pending     []float32           // the part of taken that the resampler has not had
	native      []float32           // stereo at the loudspeaker's rate
}

// newOutlet takes channels as in Spec, and a rate in Hz.
func newOutlet(channels, rate int, selected []int) *outlet {
	out := &outlet{channels: channels, left: 0, right: min(1, channels-1), perFrame: Rate / float64(rate),
		native: make([]float32, blockFrames*Channels)}
	if len(selected) > 0 {
		out.left, out.right = selected[0]-1, selected[len(selected)-1]-1
	}
	if rate != Rate {
		out.resampler = resample.New(Channels, float64(rate)/Rate)
		out.taken = make([]float32, blockFrames*Channels)
	}
	return out
}

// fromStereo maps stereo frames to the loudspeaker's channels, silence on those that don't play.
func (out *outlet) fromStereo(dst, stereo []float32) {
	clear(dst)
	for i := range len(stereo) / Channels {
		frame := dst[i*out.channels : (i+1)*out.channels]
		if out.left == out.right {
			frame[out.left] = (stereo[2*i] + stereo[2*i+1]) / 2
			continue
		}
		frame[out.left], frame[out.right] = stereo[2*i], stereo[2*i+1]
	}
}

// deliver is a loudspeaker's callback: it fills pcm.
func (r *renderSide) deliver(out *outlet, pcm []float32) {
	moved, short := 0, false
	for len(pcm) >= out.channels {
		n := min(len(pcm)/out.channels, blockFrames)
		native := out.native[:n*Channels]
		frames, missing := r.fill(out, native)
		moved += frames
		short = short || missing
		out.fromStereo(pcm[:n*out.channels], native)
		pcm = pcm[n*out.channels:]
	}
	r.played(moved, short)
}

// fill takes from the ring what becomes the frames of native, and tells how many that were and whether
// some were missing.
func (r *renderSide) fill(out *outlet, native []float32) (frames int, missing bool) {
	if out.resampler == nil {
		return len(native) / Channels, r.take(native)
	}
	for {
		written, consumed := out.resampler.Process(native, out.pending)
		native, out.pending = native[written*Channels:], out.pending[consumed*Channels:]
		if len(native) == 0 {
			return frames, missing
		}
		wanted := int(math.Ceil(float64(len(native)/Channels) * out.perFrame))
		out.pending = out.taken[:Channels*min(max(1, wanted), blockFrames)]
		missing = r.take(out.pending) || missing
		frames += len(out.pending) / Channels
	}
}
