package capture

const (
	fadeSamples    = 480  // a stage fades in or out in 10 ms
	maxPushSamples = 8192 // more than the longest frame and all that stages let out at once
)

// stage is one step of the processing that can be switched while sound runs. However it is switched,
// every sample that goes in comes out exactly once and in order, only later while it is on: switching
// on waits for the process to catch up, switching off lets out what was waiting, unprocessed.
type stage struct {
	channels int
	block    int                 // samples per call of process
	delay    int                 // samples by which process delays
	process  func(pcm []float32) // in place

	wanted bool
	align  bool // the first block ends where the first samples end that come in
	active bool
	skip   int     // processed samples that stand for nothing that went in
	fade   float32 // 0 unprocessed, 1 processed
	dry    []float32
	wet    []float32
	work   []float32
}

func newStage(channels, block, delay int, process func(pcm []float32)) *stage {
	capacity := (block + delay + maxPushSamples) * channels
	return &stage{
		channels: channels,
		block:    block,
		delay:    delay,
		process:  process,
		dry:      make([]float32, 0, capacity),
		wet:      make([]float32, 0, capacity),
		work:     make([]float32, 0, block*channels),
	}
}

// delaySamples is by how much the stage delays now, waiting for a full block (of frames of so many
// samples) included.
func (s *stage) delaySamples(frame int) int {
	if !s.active {
		return 0
	}
	return s.delay + max(0, s.block-frame)
}

// push takes at most maxPushSamples and appends what comes out to ready, which has room.
func (s *stage) push(ready, pcm []float32) []float32 {
	if s.wanted && !s.active && len(pcm) > 0 {
		s.active, s.skip, s.fade = true, s.delay, 0
		if s.align {
			s.lead(len(pcm) / s.channels)
		}
	}
	if !s.active {
		return append(ready, pcm...)
	}
	s.dry = append(s.dry, pcm...)
	for len(pcm) > 0 {
		n := min(len(pcm), s.block*s.channels-len(s.work))
		s.work = append(s.work, pcm[:n]...)
		pcm = pcm[n:]
		if len(s.work) == s.block*s.channels {
			s.process(s.work)
			s.takeWet()
		}
	}
	ready = s.mixOut(ready)
	if !s.wanted && s.fade == 0 {
		ready = append(ready, s.dry...)
		s.active = false
		s.dry, s.wet, s.work = s.dry[:0], s.wet[:0], s.work[:0]
	}
	return ready
}

// lead puts silence before the first block, so that it is complete after so many samples.
func (s *stage) lead(samples int) {
	silence := (s.block - samples%s.block) % s.block
	s.work = s.work[:silence*s.channels]
	clear(s.work)
	s.skip += silence
}

// takeWet moves a processed block to wet, without what stands for nothing.
func (s *stage) takeWet() {
	skip := min(s.skip, s.block)
	s.skip -= skip
	s.wet = append(s.wet, s.work[skip*s.channels:]...)
	s.work = s.work[:0]
}

// mixOut lets out the samples that are ready on both sides.
func (s *stage) mixOut(ready []float32) []float32 {
	n := min(len(s.wet), len(s.dry))
	at := 0
	for ; at < n && (s.fade < 1 || !s.wanted); at += s.channels {
		if !s.wanted && s.fade == 0 {
			break // the rest goes out dry
		}
		s.stepFade()
		for i := at; i < at+s.channels; i++ {
			ready = append(ready, s.dry[i]+s.fade*(s.wet[i]-s.dry[i]))
		}
	}
	if s.wanted {
		ready = append(ready, s.wet[at:n]...)
		at = n
	}
	s.dry = s.dry[:copy(s.dry, s.dry[at:])]
	s.wet = s.wet[:copy(s.wet, s.wet[at:])]
	return ready
}

func (s *stage) stepFade() {
	const step = 1.0 / fadeSamples
	if s.wanted {
		s.fade = min(1, s.fade+step)
	} else {
		s.fade = max(0, s.fade-step)
	}
}
