package jitter

import (
	"math"
	"time"
)

// jamulus is a model of the receiving buffer of Jamulus with its size on "auto", as described by
// V. Fischer, "Case Study: Performing Band Rehearsals on the Internet With Jamulus" (2015) and by the
// constants of its program: a window over packet numbers that moves when a packet falls outside;
// ten windows of 2 to 11 blocks run beside it and count what they would have missed; the smallest
// one with few enough errors is filtered, slower up than down, and becomes the size.
// A Jamulus server has such a buffer too, mixes and encodes anew: here it stands beside the sender,
// so that the network under test is crossed once.
type jamulus struct {
	window
	trials  [jamulusTrials]window
	errors  [jamulusTrials]average
	level   float64 // filtered size in blocks
	size    int     // decided
	initial int     // updates for which the filter is still fast
	started bool
	holds   [jamulusHeld]mixed // at number modulo length
}

// mixed is a block that the server mixed of one of the sender's.
type mixed struct {
	number, from int64
	there        bool // the server had it
}

const (
	jamulusHeld       = 64
	jamulusLookAhead  = 2500 * time.Microsecond // of the server's encoder
	jamulusBlock      = 128                     // samples
	jamulusTrials     = 10
	jamulusSmallest   = 2
	jamulusFirstSize  = 6
	jamulusMemory     = 11000 // puts and gets that the error rates are of: 15 s
	jamulusErrors     = 0.0005
	jamulusMostErrors = 0.01
	jamulusUp         = 0.999995
	jamulusDown       = 0.9999
	jamulusFastUp     = 0.9995
	jamulusFastDown   = 0.999
	jamulusHysteresis = 0.1
)

// window holds which of a few blocks in a row are there.
type window struct {
	blocks []bool // at number modulo length
	next   int64  // to be played
}

func (w *window) slot(number int64) *bool { return &w.blocks[number%int64(len(w.blocks))] }

func (w *window) put(number int64) {
	for ; number < w.next; w.next-- {
		*w.slot(w.next - 1) = false
	}
	for ; number >= w.next+int64(len(w.blocks)); w.next++ {
		*w.slot(w.next) = false
	}
	*w.slot(number) = true
}

func (w *window) get() bool {
	there := *w.slot(w.next)
	*w.slot(w.next) = false
	w.next++
	return there
}

// resize keeps what the new length has room for.
func (w *window) resize(length int) {
	old := *w
	w.blocks = make([]bool, length)
	for i := range min(length, len(old.blocks)) {
		*w.slot(w.next + int64(i)) = *old.slot(w.next + int64(i))
	}
}

// average is the share of errors among the latest events.
type average struct {
	events [jamulusMemory]bool
	at     int
	errors int
	count  int
}

func (a *average) add(failed bool) {
	if a.count == len(a.events) && a.events[a.at] {
		a.errors--
	}
	a.count = min(a.count+1, len(a.events))
	a.events[a.at] = failed
	if failed {
		a.errors++
	}
	a.at = (a.at + 1) % len(a.events)
}

func (a *average) rate() float64 { return float64(a.errors) / math.Max(1, float64(a.count)) }

func newJamulus() *jamulus {
	return &jamulus{level: jamulusFirstSize, size: jamulusFirstSize, initial: jamulusMemory / 4}
}

func runJamulus(n network, seed uint64, length time.Duration, heard *listener) {
	heard.around += jamulusLookAhead
	block := time.Duration(jamulusBlock) * time.Second / sampleRate
	server, client, link := newJamulus(), newJamulus(), n.forward(seed)
	var coming queue[mixed]
	number := int64(0)
	for tick := int64(1); ; tick++ {
		now := time.Duration(tick)*block + phase(seed, block)
		if now > length {
			return
		}
		for sent := time.Duration(number+1) * block; sent <= now; sent += block {
			server.put(number)
			number++
		}
		if server.started {
			from := server.next
			there := server.get()
			if at, arrives := link.Send(now); arrives {
				coming.push(at, mixed{tick, from, there})
			}
		}
		now += phase(seed+2, block)
		for m, _, ok := coming.pop(now); ok; m, _, ok = coming.pop(now) {
			client.put(m.number)
			client.holds[m.number%jamulusHeld] = m
		}
		if !client.started {
			continue
		}
		m := client.holds[client.next%jamulusHeld]
		if client.get() && m.there {
			heard.play(now, jamulusBlock, (now-time.Duration(m.from)*block).Seconds()*sampleRate)
		} else {
			heard.conceal(now, jamulusBlock)
		}
	}
}

func (j *jamulus) put(number int64) {
	if !j.started {
		j.started = true
		j.window = window{make([]bool, jamulusFirstSize), number}
		for i := range j.trials {
			j.trials[i] = window{make([]bool, jamulusSmallest+i), number}
		}
	}
	j.window.put(number)
	for i := range j.trials {
		j.trials[i].put(number)
		j.errors[i].add(false)
	}
}

func (j *jamulus) get() bool {
	for i := range j.trials {
		j.errors[i].add(!j.trials[i].get())
	}
	there := j.window.get()
	j.decide()
	return there
}

// decide filters the smallest size with few errors and follows it with hysteresis.
func (j *jamulus) decide() {
	up, down := jamulusUp, jamulusDown
	least := j.smallest(jamulusMostErrors)
	if least == jamulusSmallest+jamulusTrials-1 {
		j.initial = jamulusMemory / 4
	}
	if j.initial > 0 || j.size < least {
		up, down = jamulusFastUp, jamulusFastDown
	}
	j.initial = max(0, j.initial-1)
	wanted := float64(j.smallest(jamulusErrors))
	weight := up
	if wanted < j.level {
		weight = down
	}
	j.level = j.level*weight + wanted*(1-weight)
	hysteresis := jamulusHysteresis
	if j.level > float64(j.size) {
		hysteresis = -hysteresis
	}
	if size := int(math.Round(j.level + hysteresis)); size != j.size {
		j.size = size
		j.window.resize(size)
	}
}

func (j *jamulus) smallest(errors float64) int {
	for i := range jamulusTrials - 1 {
		if j.errors[i].rate() <= errors {
			return jamulusSmallest + i
		}
	}
	return jamulusSmallest + jamulusTrials - 1
}
