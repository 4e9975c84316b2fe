package jitter

const (
	concealUnit  = 120  // samples: Opus conceals in multiples of 2.5 ms
	fadeFrom     = 960  // concealment keeps its level for 20 ms,
	fadeEnd      = 2880 // and is silent after 60 ms
	fadeIn       = 120  // samples
	bendSamples  = 96   // over which a step in the signal is bent to a slope
	history      = 1024 // played samples that stay in the fifo, for stretching
	pieceSamples = 480  // a frame is worked on in pieces of at most 10 ms
	fifoSamples  = history + 2*maxPacketSamples + 8*pieceSamples
	seenNumbers  = 1024
	loudest      = 2  // decoded samples beyond are nobody's signal
	contraryMax  = 50 // packets with impossible numbers in a row until their numbering is believed
)

// source turns stored packets into a continuous signal: in order, each at its room time, with what
// is missing concealed. It belongs to one goroutine.
type source struct {
	dec      Decoder
	counters *counters
	store    store
	seen     [seenNumbers]int64 // numbers that came, at number modulo length, plus one
	next     int64              // number of the next packet to decode; -1 before the first
	ended    int64              // room time behind the packet decoded last
	pos      int64              // room time of the sample behind the fifo's last one
	contrary int

	fifo      []float32
	read, end int // samples: what is ready is between the two
	run       int // samples concealed since the last packet
	pending   int64
	fresh     int64 // concealed samples that the statistics have not yet seen

	gain    float32
	ending  [2]float32 // the fifo's last sample
	bend    [2]float32
	bending int
	broken  bool // the decoder is ahead of the fifo: concealment was cut
	fec     bool // packets may carry a copy of the one before
	scratch []float32
	spare   [2 * concealUnit]float32 // concealment that was not yet needed, at its end
	spared  int                      // samples of it
}

func newSource(dec Decoder, samples int, c *counters) *source {
	s := &source{
		dec:      dec,
		counters: c,
		store:    newStore(samples),
		fifo:     make([]float32, 2*fifoSamples),
		scratch:  make([]float32, 2*maxPacketSamples),
		read:     history,
		end:      history,
	}
	s.restart(0)
	return s
}

// restart forgets all packets; the next sample is that of pos.
func (s *source) restart(pos int64) {
	s.store.clear()
	s.spared = 0
	s.seen = [seenNumbers]int64{}
	s.next, s.contrary = -1, 0
	s.seek(pos)
}

// seek goes on at pos, past what was ready.
func (s *source) seek(pos int64) {
	s.settle(false)
	if s.read != s.end { // the signal goes on from what was heard last
		s.end = s.read
		s.ending = [2]float32{s.fifo[2*s.end-2], s.fifo[2*s.end-1]}
	}
	s.pos, s.run, s.bending = pos, fadeEnd, 0
}

// ready is the number of samples that can be read.
func (s *source) ready() int { return s.end - s.read }

// position is the room time of the next sample to be read.
func (s *source) position() int64 { return s.pos - int64(s.ready()) }

// accept stores a packet that was not there before. fresh is false for a duplicate or when it is
// too late, current is false when its number contradicts its position.
func (s *source) accept(number, first int64, samples int, payload []byte) (fresh, current bool) {
	late := first+int64(samples) <= s.pos
	if number < s.next && !late && s.next-number >= seenNumbers {
		if s.contrary++; s.contrary < contraryMax {
			return false, false
		}
		s.restart(s.pos) // the sender counts anew
	}
	mark := &s.seen[number%seenNumbers]
	if *mark == number+1 {
		s.counters.duplicates.Add(1)
		return false, true
	}
	*mark = number + 1
	if number < s.next {
		s.counters.late.Add(1)
		return true, true
	}
	s.contrary = 0
	if !s.store.put(number, first, samples, payload) {
		s.counters.late.Add(1)
	}
	return true, true
}

// came tells whether a packet with that number came.
func (s *source) came(number int64) bool { return s.seen[number%seenNumbers] == number+1 }

// upcoming returns the next packet that is not over yet, nil when none is there.
func (s *source) upcoming() *entry {
	for {
		e := s.store.lowest(s.next)
		if e == nil || e.end() > s.pos {
			return e
		}
		s.store.remove(e)
		s.counters.late.Add(1)
		s.settle(true)
	}
}

// fill makes at least so many samples ready.
func (s *source) fill(samples int) {
	for s.ready() < samples {
		want := samples - s.ready()
		e := s.upcoming()
		if e == nil {
			want = min(want, maxPacketSamples)
			s.bridge(want)
			continue
		}
		gap := e.first - s.pos
		if gap <= 0 {
			s.decode(e)
			continue
		}
		limit := int(min(gap, maxPacketSamples))
		missing := int64(0)
		if s.next >= 0 {
			missing = e.number - s.next
		}
		s.settle(missing > 0)
		if s.fec && missing > 0 {
			before := gap - int64(e.samples) // the packet that e has a copy of begins there
			if before == 0 && s.recovered(e) {
				continue
			}
			if before > 0 {
				limit = int(min(int64(limit), before))
			}
		}
		if int64(s.run) < missing*int64(e.samples) {
			s.conceal(min(want, limit))
			s.fresh += int64(min(want, limit))
		} else {
			s.silence(min(want, limit))
		}
	}
}

// ahead decodes packets that follow without a gap until so many samples are ready.
func (s *source) ahead(samples int) bool {
	for s.ready() < samples {
		e := s.upcoming()
		if e == nil || e.first > s.pos || e.number != s.next {
			return false
		}
		s.decode(e)
	}
	return true
}

// waiting tells whether nothing can be heard now but concealment or silence, and how many samples
// are left until the next packet (-1 when none is there).
func (s *source) waiting() (gap int64, yes bool) {
	if s.ready() > 0 && s.run == 0 {
		return 0, false
	}
	e := s.upcoming()
	if e == nil {
		return -1, true
	}
	return e.first - s.pos, e.first > s.pos
}

// settle decides what the concealed samples of unknown reason were: loss, or a pause of the sender.
func (s *source) settle(loss bool) {
	if loss {
		s.fresh += s.pending
	}
	s.pending = 0
}

// decode appends a packet that has begun.
func (s *source) decode(e *entry) {
	packet := *e
	payload := s.store.payload(e)
	s.store.remove(e)
	if payload == nil {
		return
	}
	lost := int64(0)
	if s.next >= 0 {
		lost = packet.number - s.next
	}
	s.counters.settled(lost)
	skip := int(s.pos - packet.first)
	s.settle(lost > 0 || skip > 0 || packet.first == s.ended)
	s.next, s.ended = packet.number+1, packet.end()

	n, err := s.dec.Decode(s.scratch, payload)
	if err != nil || n < 1 || n > maxPacketSamples {
		s.counters.corrupt.Add(1)
		if left := min(packet.samples-skip, maxPacketSamples); left > 0 {
			s.conceal(left)
			s.fresh += int64(left)
		}
		return
	}
	if skip >= n {
		return
	}
	s.push(s.scratch[2*skip:2*n], !s.follows() || skip > 0, false)
}

// recovered appends the packet before e when e has a copy of it.
func (s *source) recovered(e *entry) bool {
	payload, pcm := s.store.payload(e), s.scratch[:2*e.samples]
	if payload == nil || s.dec.Recover(pcm, payload) != nil {
		return false
	}
	s.push(pcm, !s.follows(), false)
	s.counters.recovered.Add(1)
	return true
}

// conceal appends invented samples.
func (s *source) conceal(samples int) {
	if s.run >= fadeEnd || s.next < 0 {
		s.silence(samples)
		return
	}
	for samples > 0 && s.run < fadeEnd {
		pcm := s.spare[2*(concealUnit-s.spared):]
		if s.spared == 0 {
			pcm = s.invent(samples)
		}
		n := min(samples, len(pcm)/2)
		s.spared = copy(s.spare[2*concealUnit-(len(pcm)-2*n):], pcm[2*n:]) / 2
		s.push(pcm[:2*n], false, true)
		s.run += n
		samples -= n
	}
	if samples > 0 {
		s.silence(samples)
	}
}

// bridge appends invented samples, of which it is not yet known whether they stand for a loss.
func (s *source) bridge(samples int) {
	s.conceal(samples)
	if s.next >= 0 {
		s.pending += int64(samples)
	}
}

// invent makes the decoder go on by at least so many samples, in whole units, as far as is room.
func (s *source) invent(samples int) []float32 {
	n := min((samples+concealUnit-1)/concealUnit*concealUnit, maxPacketSamples)
	pcm := s.scratch[:2*n]
	if s.dec.Conceal(pcm) != nil {
		clear(pcm)
		s.run = fadeEnd
	}
	return pcm
}

// follows tells whether what the decoder gives next follows from what was heard last.
func (s *source) follows() bool {
	yes := s.spared == 0 && !s.broken && s.run < fadeEnd
	s.run, s.spared, s.broken = 0, 0, false
	return yes
}

// silence appends zeros, reached without a step.
func (s *source) silence(samples int) {
	for samples > 0 {
		n := min(samples, maxPacketSamples)
		s.gain = 0
		clear(s.scratch[:2*n])
		s.push(s.scratch[:2*n], s.bending == 0 && s.ending != [2]float32{}, false)
		s.run = max(s.run, fadeEnd)
		s.gain = 0
		samples -= n
	}
}

// push appends pcm at the present gain. bend tells that it does not follow from what was there,
// fading that its level sinks with the run.
func (s *source) push(pcm []float32, bend, fading bool) {
	s.makeRoom(len(pcm) / 2)
	dst := s.fifo[2*s.end : 2*s.end+len(pcm)]
	if bend {
		s.bend = [2]float32{s.ending[0] - sane(pcm[0])*s.gain, s.ending[1] - sane(pcm[1])*s.gain}
		s.bending = bendSamples
	}
	for i := 0; i < len(pcm); i += 2 {
		switch {
		case fading && s.run+i/2 >= fadeFrom:
			s.gain = max(0, s.gain-1.0/(fadeEnd-fadeFrom))
		case !fading && s.gain < 1:
			s.gain = min(1, s.gain+1.0/fadeIn)
		}
		left, right := sane(pcm[i])*s.gain, sane(pcm[i+1])*s.gain
		if s.bending > 0 {
			w := float32(s.bending) / bendSamples
			left += s.bend[0] * w * w
			right += s.bend[1] * w * w
			s.bending--
		}
		dst[i], dst[i+1] = left, right
	}
	s.ending = [2]float32{dst[len(dst)-2], dst[len(dst)-1]}
	s.end += len(pcm) / 2
	s.pos += int64(len(pcm) / 2)
}

// sane is a sample as a sound codec may give it out: corrupt packets give more, or no number.
func sane(v float32) float32 {
	if v != v {
		return 0
	}
	return min(max(v, -loudest), loudest)
}

// makeRoom moves what is needed of the fifo to its front when samples more do not fit.
func (s *source) makeRoom(samples int) {
	if s.end+samples <= fifoSamples {
		return
	}
	from := s.read - history
	copy(s.fifo, s.fifo[2*from:2*s.end])
	s.read -= from
	s.end -= from
}

// take reads one frame; so many samples must be ready.
func (s *source) take(pcm []float32) {
	copy(pcm, s.fifo[2*s.read:2*s.read+len(pcm)])
	s.read += len(pcm) / 2
}

// account adds a played frame to the counters and returns the concealed samples that it settles.
func (s *source) account(samples int, r *recent) {
	s.counters.played.Add(int64(samples))
	s.counters.concealed.Add(s.fresh)
	s.counters.ratio.Store(r.add(int64(samples), s.fresh))
	s.fresh = 0
}
