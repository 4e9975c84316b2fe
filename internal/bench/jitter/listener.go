package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

const (
	sampleRate = 48000
	// The played position is told by the left channel within this many samples: 0.68 s.
	positionRange = 1 << 15
	every         = 5 // of that many played samples one is looked at
	// The right channel tells what is invented, which is 0. Where sound returns, the player bends the step
	// that the mark is away: what is above this is sound already.
	realLevel = 0.1
	// Look-ahead of the codec and one period of the devices, which no buffer can change.
	aroundBuffer = 7500 * time.Microsecond
)

// listener gathers what is heard of one sender, from a moment on.
type listener struct {
	from      time.Duration
	around    time.Duration // what the buffer cannot change
	samples   int64
	concealed int64
	heard     int64   // samples whose delay is known
	delay     float64 // sum of their delays in samples
}

func newListener() *listener { return &listener{from: warmUp, around: aroundBuffer} }

// play counts samples that are heard so much later than they were captured.
func (l *listener) play(at time.Duration, samples int, delaySamples float64) {
	if at < l.from {
		return
	}
	l.samples += int64(samples)
	l.heard += int64(samples)
	l.delay += float64(samples) * delaySamples
}

// conceal counts samples that were invented.
func (l *listener) conceal(at time.Duration, samples int) {
	if at >= l.from {
		l.samples += int64(samples)
		l.concealed += int64(samples)
	}
}

// add joins what another listener heard.
func (l *listener) add(other *listener) {
	l.samples += other.samples
	l.concealed += other.concealed
	l.heard += other.heard
	l.delay += other.delay
	l.around = other.around
}

// probeMS is the mean delay from probe to probe in ms.
func (l *listener) probeMS() float64 {
	return l.delay/math.Max(1, float64(l.heard))*1e3/sampleRate + l.around.Seconds()*1e3
}

// percent is the concealed share.
func (l *listener) percent() float64 {
	return 100 * float64(l.concealed) / math.Max(1, float64(l.samples))
}

// decoder is a codec whose sound tells where it comes from: the left channel is a ramp of the
// position, the right one is 1 and only 0 where sound was invented.
type decoder struct{}

var errPayload = errors.New("not a payload of the simulation")

const payloadBytes = 80 // of a packet of 5 ms at 128 kbit/s

// encode writes the payload of a packet.
func encode(payload []byte, first int64, samples int) {
	binary.BigEndian.PutUint64(payload, uint64(first))
	binary.BigEndian.PutUint32(payload[8:], uint32(samples))
}

// Decode tells the positions of a packet.
func (decoder) Decode(pcm []float32, payload []byte) (int, error) {
	if len(payload) != payloadBytes {
		return 0, errPayload
	}
	first, n := int64(binary.BigEndian.Uint64(payload)), int(binary.BigEndian.Uint32(payload[8:]))
	if len(pcm) < 2*n {
		return 0, errPayload
	}
	for i := range n {
		pcm[2*i] = float32((first+int64(i))%positionRange)/positionRange - 0.5
		pcm[2*i+1] = 1
	}
	return n, nil
}

// Conceal marks sound as invented.
func (decoder) Conceal(pcm []float32) error {
	clear(pcm)
	return nil
}

// Recover is in-band FEC, which the simulation leaves out.
func (decoder) Recover(pcm []float32, _ []byte) error {
	clear(pcm)
	return nil
}

// position is the played position of a sample, false where it was invented or is being blended.
func position(pcm []float32, i int) (pos float64, ok bool) {
	level := pcm[2*i+1]
	return (float64(pcm[2*i]/level) + 0.5) * positionRange, level > 0.98 && level < 1.02
}

// hear looks at a frame that is heard from a moment on, by a device that plays drift seconds in one.
func (l *listener) hear(pcm []float32, at time.Duration, drift float64) {
	start := at.Seconds() * sampleRate
	for i := 0; i < len(pcm)/2; i += every {
		if pcm[2*i+1] < realLevel {
			l.conceal(at, every)
			continue
		}
		pos, ok := position(pcm, i)
		late := math.Mod(start+float64(i)/drift-pos, positionRange)
		if late < 0 {
			late += positionRange
		}
		if !ok || late > positionRange*0.9 { // within a blend
			if at >= l.from {
				l.samples += every
			}
			continue
		}
		l.play(at, every, late)
	}
}
