//go:build aec3

package aec

import (
	"fmt"

	"github.com/livekit/livekit-cli/v2/pkg/apm"
)

// Canceller is an AEC3 for one microphone and one mono loudspeaker signal. It belongs to one goroutine.
type Canceller struct {
	engine *apm.APM
	near   [FrameSamples]int16
	far    [FrameSamples]int16
}

// New makes a canceller; Close frees it.
func New() (*Canceller, error) {
	engine, err := apm.NewAPM(apm.APMConfig{EchoCanceller: true, HighPassFilter: true, CaptureChannels: 1, RenderChannels: 1})
	if err != nil {
		return nil, fmt.Errorf("make echo canceller: %w", err)
	}
	return &Canceller{engine: engine}, nil
}

// Process removes the echo of far from near, in place. Both hold FrameSamples; far is what the
// loudspeaker took during the last 10 ms. The delay between the two is found by the canceller.
func (c *Canceller) Process(near, far []float32) {
	if len(near) != FrameSamples || len(far) != FrameSamples {
		return
	}
	toInt16(c.far[:], far)
	toInt16(c.near[:], near)
	if c.engine.ProcessRender(c.far[:]) != nil {
		return
	}
	if c.engine.ProcessCapture(c.near[:]) != nil {
		return
	}
	for i, v := range c.near {
		near[i] = float32(v) / 32768
	}
}

// EnhancementDB is by how much the linear filter reduced the echo shortly after EnhancementDB was
// called last, so ask regularly; 0 until known. Any goroutine may, until Close.
func (c *Canceller) EnhancementDB() float64 {
	if s := c.engine.GetStats(); s.HasERLE {
		return s.EchoReturnLossEnhancement
	}
	return 0
}

// Close frees the canceller.
func (c *Canceller) Close() { c.engine.Close() }

func toInt16(dst []int16, src []float32) {
	for i, x := range src {
		dst[i] = int16(min(max(x*32768, -32768), 32767))
	}
}
