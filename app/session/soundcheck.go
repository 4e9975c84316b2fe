package session

import (
	"fmt"
	"log/slog"
	"sync"

	"gasso/audio/device"
	"gasso/audio/meter"
)

// Device is a microphone or a loudspeaker that can be chosen.
type Device struct {
	ID, Name string
	Default  bool
	Channels int    // 0 when the sound system does not say
	Backend  string // the sound system that has it
}

// Devices names the microphones and loudspeakers of a sound system; empty is the first that has any.
func Devices(soundSystem string) (inputs, outputs []Device, err error) {
	in, out, err := device.List(soundSystem)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range in {
		inputs = append(inputs, Device(d))
	}
	for _, d := range out {
		outputs = append(outputs, Device(d))
	}
	return inputs, outputs, nil
}

// Soundcheck listens to an input and shows its level, before anybody else hears it.
type Soundcheck struct {
	source device.Capture
	meter  *meter.Meter
	stop   chan struct{}
	close  sync.Once
	ended  sync.WaitGroup
}

// NewSoundcheck opens an input of a sound system, or the default one while it is not there; Close ends it.
func NewSoundcheck(input, soundSystem string, log *slog.Logger) (*Soundcheck, error) {
	spec, err := device.ParseInput(input)
	if err != nil {
		return nil, err
	}
	source, err := device.OpenCapture(device.Config{Spec: spec, Backend: soundSystem, FallBack: true, Log: log})
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	c := &Soundcheck{source: source, meter: meter.New(device.Channels), stop: make(chan struct{})}
	c.ended.Go(c.run)
	return c, nil
}

func (c *Soundcheck) run() {
	pcm := make([]float32, 480*device.Channels)
	for {
		select {
		case <-c.stop:
			return
		case <-c.source.Wake():
		}
		for {
			n := c.source.Ring().Read(pcm)
			if n == 0 {
				break
			}
			c.meter.Process(pcm[:n*device.Channels])
		}
	}
}

// Level is what the input delivers now.
func (c *Soundcheck) Level() Level { return Level(c.meter.Level()) }

// Close ends the soundcheck and closes the input. More calls do no harm.
func (c *Soundcheck) Close() {
	c.close.Do(func() {
		close(c.stop)
		c.ended.Wait()
		_ = c.source.Close()
	})
}
