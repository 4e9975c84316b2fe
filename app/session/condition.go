package session

import (
	"sync"
	"time"

	"gasso/audio/device"
)

const backShown = 8 * time.Second

// What is said of a device; the window translates each sentence.
const (
	microphoneStopped = "The microphone stopped; trying again."
	microphoneSilent  = "The microphone delivers silence: is it muted or switched off?"
	microphoneStandIn = "Your microphone is gone; the default one stands in until it returns."
	microphoneBack    = "Your microphone is back."
	outputStopped     = "The loudspeaker stopped; trying again."
	outputStandIn     = "Your loudspeaker is gone; the default one stands in until it returns."
	outputBack        = "Your loudspeaker is back."
)

// condition watches how a device does, from one snapshot to the next. It is safe for concurrent use.
type condition struct {
	mu       sync.Mutex
	hardware bool // files, tones and silence can only be dead
	stoodIn  bool
	back     time.Time // when the device that was asked for took over again
}

// begin takes another device, whose return would be no news.
func (c *condition) begin(hardware bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hardware, c.stoodIn, c.back = hardware, false, time.Time{}
}

// ofHardware is a lateness if it is that of a sound device, else 0.
func (c *condition) ofHardware(late time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hardware {
		return 0
	}
	return late
}

// microphone says what is wrong with a microphone, and the news that it is back; each is empty when there
// is nothing to say.
func (c *condition) microphone(s device.Stats, now time.Time) (problem, news string) {
	if c.watch(s, now) {
		news = microphoneBack
	}
	return c.words(s, microphoneStopped, microphoneStandIn, microphoneSilent), news
}

// output says the same of a loudspeaker.
func (c *condition) output(s device.Stats, now time.Time) (problem, news string) {
	s.Silent = false
	if c.watch(s, now) {
		news = outputBack
	}
	return c.words(s, outputStopped, outputStandIn, ""), news
}

// watch notices when the device that was asked for takes over again, and tells whether that is news now.
func (c *condition) watch(s device.Stats, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stoodIn && !s.Fallback && !s.Dead {
		c.back = now
	}
	if !s.Dead {
		c.stoodIn = s.Fallback
	}
	return c.hardware && !s.Dead && !s.Fallback && !c.back.IsZero() && now.Sub(c.back) < backShown
}

func (c *condition) words(s device.Stats, stopped, standIn, silent string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.Dead:
		return stopped
	case !c.hardware:
		return ""
	case s.Fallback && s.Silent:
		return standIn + " " + silent
	case s.Fallback:
		return standIn
	case s.Silent:
		return silent
	}
	return ""
}
