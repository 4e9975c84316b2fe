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
// It is one buffer alone: through a Jamulus server there are two of them in a row.
type jamulus struct {
	window
	trials  [jamulusTrials]window
	errors  [jamulusTrials]average
	level   float64 // filtered size in blocks
	size    int     // decided
	initial int     // updates for which the filter is still fast
	started bool
}

const (
	jamulusBlock      = 128 // samples
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

func runJamulus(n network, seed uint64, length time.Duration, heard *listener) {
	block := time.Duration(jamulusBlock) * time.Second / sampleRate
	all := n.arrivals(seed, block, length, false)
	j := &jamulus{level: jamulusFirstSize, size: jamulusFirstSize, initial: jamulusMemory / 4}
	for now := phase(seed, block); now <= length; now += block {
		for ; len(all) > 0 && all[0].at <= now; all = all[1:] {
			j.put(all[0].number)
		}
		if !j.started {
			continue
		}
		number := j.next
		if j.get() {
			heard.play(now, jamulusBlock, (now-time.Duration(number)*block).Seconds()*sampleRate)
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
