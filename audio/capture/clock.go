package capture

import (
	"math"
	"time"

	"gasso/audio/resample"
	"gasso/audio/ring"
)

const (
	sampleRate = 48000

	slotDuration = 100 * time.Millisecond
	clockSlots   = 10 // the smallest offset of one second counts: callbacks are late, never early
	recentSlots  = 3  // a jump of the clock is believed when it has lasted so long
	jumpSamples  = sampleRate / 20

	loopRadians = 0.3 // a second: settled in 20 s, deaf to what callbacks jitter
)

// roomClock lines a device up with room time: from the device's stamps it works out the room time of
// each device frame, and the ratio at which to resample so that output samples fall on room samples.
type roomClock struct {
	room func(time.Time) int64

	last     int64 // frames of the newest stamp seen
	origin   int64 // room time of the first device frame, as first seen; keeps the offsets below small
	slots    [clockSlots]float64
	filled   int
	slotEnd  time.Time
	anchored bool
	next     int64   // room time of the next output sample
	errorNow float64 // room time minus next at the last update, in samples
	loop     resample.Follower
	ratio    float64
}

func newRoomClock(room func(time.Time) int64) *roomClock {
	c := &roomClock{room: room, ratio: 1, loop: resample.NewFollower(loopRadians, slotDuration.Seconds(), sampleRate)}
	c.forget()
	return c
}

// forget drops all observations.
func (c *roomClock) forget() {
	c.filled = 0
	for i := range c.slots {
		c.slots[i] = math.Inf(1)
	}
}

// restart drops all observations and the anchor: the device's frames do not continue.
func (c *roomClock) restart() {
	c.forget()
	c.anchored = false
}

// observe takes the newest stamp. position is the device frame (from the start, with a fraction) that
// the next output sample stands for. jump is by how many samples next was set anew, if jumped.
func (c *roomClock) observe(stamp ring.Stamp, position float64) (jump int64, jumped bool) {
	if stamp.Frames == c.last {
		return 0, false
	}
	c.last = stamp.Frames
	offset := c.room(stamp.At) - stamp.Frames
	if c.filled == 0 {
		c.origin = offset
		c.filled = 1
		c.slotEnd = stamp.At.Add(slotDuration)
	}
	c.slots[0] = min(c.slots[0], float64(offset-c.origin))
	switch {
	case stamp.At.Before(c.slotEnd):
		return 0, false
	case !c.anchored:
		jump, jumped = c.anchor(position), true
	default:
		if jump, jumped = c.follow(position); !jumped {
			c.ratio = 1 + c.loop.Update(c.errorNow)
		}
	}
	c.nextSlot(stamp.At)
	return jump, jumped
}

// follow compares next with room time, and anchors anew when they are too far apart.
func (c *roomClock) follow(position float64) (jump int64, jumped bool) {
	label := float64(c.next-c.origin) - position // the offset that next implies
	recent := c.smallest(recentSlots)
	late := recent-label > jumpSamples && c.filled >= recentSlots
	if late || recent-label < -jumpSamples {
		return c.anchor(position), true
	}
	c.errorNow = c.smallest(clockSlots) - label
	return 0, false
}

func (c *roomClock) smallest(slots int) float64 {
	least := math.Inf(1)
	for _, v := range c.slots[:slots] {
		least = min(least, v)
	}
	return least
}

// anchor sets next to what the newest slots say.
func (c *roomClock) anchor(position float64) (jump int64) {
	was := c.next
	c.next = c.origin + int64(math.Round(c.smallest(recentSlots)+position))
	c.anchored = true
	c.errorNow = 0
	keep := c.slots[0]
	c.forget()
	c.slots[0], c.filled = keep, 1
	return c.next - was
}

func (c *roomClock) nextSlot(now time.Time) {
	copy(c.slots[1:], c.slots[:clockSlots-1])
	c.slots[0] = math.Inf(1)
	c.filled = min(c.filled+1, clockSlots)
	if c.slotEnd = c.slotEnd.Add(slotDuration); c.slotEnd.Before(now) {
		c.slotEnd = now.Add(slotDuration)
	}
}
