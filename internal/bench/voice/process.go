package voice

import (
	"fmt"

	"gasso/audio/aec"
	"gasso/audio/capture"
	"gasso/audio/ns"
	"gasso/audio/ring"
)

// cancelAlone is what AEC3 alone makes of the microphone, aligned with what went in.
func cancelAlone(near, far []float32) ([]float32, error) {
	c, err := aec.New()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := append([]float32(nil), near...)
	for at := 0; at+block <= len(out); at += block {
		c.Process(out[at:at+block], far[at:at+block])
	}
	return out[aec.LatencySamples:], nil
}

// suppressAlone is what RNNoise alone makes of the microphone, aligned with what went in.
func suppressAlone(near []float32, model []byte) ([]float32, error) {
	s, err := ns.New(model)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out := append([]float32(nil), near...)
	for at := 0; at+block <= len(out); at += block {
		s.Process(out[at : at+block])
	}
	return out[ns.LatencySamples:], nil
}

// process is what our chain makes of the mono microphone, aligned with what went in. far may be nil.
func process(on capture.Processing, near, far []float32, model []byte) ([]float32, error) {
	var loudspeaker *ring.Ring
	if far != nil {
		loudspeaker = ring.New(rate/2, 1)
	}
	engines := capture.NewEngines(model)
	defer engines.Close()
	c := capture.NewChain(1, loudspeaker, engines)
	if err := c.SetProcessing(on); err != nil {
		return nil, fmt.Errorf("switch processing on: %w", err)
	}
	const piece = 240
	pcm, frame := make([]float32, piece), make([]float32, piece)
	var out []float32
	for at := 0; at+piece <= len(near); at += piece {
		if far != nil {
			loudspeaker.Write(far[at : at+piece])
		}
		copy(pcm, near[at:at+piece])
		c.Push(pcm)
		for c.Take(frame) {
			out = append(out, frame...)
		}
	}
	return out, nil
}
