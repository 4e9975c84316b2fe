package session

import (
	"slices"
	"sync/atomic"
	"time"

	"gasso/audio/device"
	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/net/signaling"
)

// The latency of a performer is measured, not added up from settings: from the room time at which the
// microphone's clock passed a sample to the moment at which the loudspeaker's clock plays it, both on
// the server's clock. It consists of what the sender says that passes until it sends (its device), the
// way of the fastest packets (network), the wait until they are mixed (buffer), and the way from there to
// the loudspeaker (this device). What hardware and driver hold beyond a period is in none of them.

const (
	latencySlot    = 100 * time.Millisecond
	latencySlots   = 50 // the last 5 s
	latencyStale   = 2 * time.Second
	latencyAtMost  = 10 * time.Second
	delayChange    = packet.SampleRate / 1000     // samples at which the own delay is announced again
	errorChange    = 5 * packet.SampleRate / 1000 // and the clock's error
	announceApart  = 3 * time.Second
	mostAnnounced  = packet.SampleRate // samples, that the server takes
	unknownLeaving = time.Duration(-1)
)

// Latency is how late a performer is heard, over the last 5 s. All zero while it is unknown, and for those
// who hear the server's mix.
type Latency struct {
	Total       time.Duration // median, from the microphone to the loudspeaker; the sum of the next three
	Device      time.Duration // of both sides: device, processing, packet length, and this side's device
	Network     time.Duration // of the fastest packets
	Buffer      time.Duration // waiting for slower ones
	Least, Most time.Duration // of the total
	Uncertainty time.Duration // bound of the error of both clocks, half a round trip to the server each
}

// spans are a figure's values over the last seconds, summed up per slot. One goroutine at a time notes,
// any may read.
type spans struct {
	least bool // of a slot its smallest counts, not its mean

	slots  [latencySlots]atomic.Int64 // ns
	filled atomic.Int64               // slots so far
	noted  atomic.Int64               // when last, in ns since born

	born   time.Time
	end    time.Time // of the slot
	sum, n int64
}

// note adds a value.
func (s *spans) note(v time.Duration, now time.Time) {
	if v < 0 || v > latencyAtMost {
		return
	}
	if s.end.IsZero() {
		s.end = now.Add(latencySlot)
	}
	if now.After(s.end) && s.n > 0 {
		value := s.sum
		if !s.least {
			value /= s.n
		}
		filled := s.filled.Load()
		s.slots[filled%latencySlots].Store(value)
		s.filled.Store(filled + 1)
		s.noted.Store(int64(now.Sub(s.born)))
		s.sum, s.n, s.end = 0, 0, now.Add(latencySlot)
	}
	switch {
	case !s.least:
		s.sum += int64(v)
	case s.n == 0 || int64(v) < s.sum:
		s.sum = int64(v)
	}
	s.n++
}

// read sums up what there is; false when that is nothing, or old.
func (s *spans) read(now time.Time) (median, least, most time.Duration, ok bool) {
	filled := s.filled.Load()
	if filled == 0 || now.Sub(s.born)-time.Duration(s.noted.Load()) > latencyStale {
		return 0, 0, 0, false
	}
	values := make([]int64, 0, latencySlots)
	for i := range min(filled, latencySlots) {
		values = append(values, s.slots[i].Load())
	}
	slices.Sort(values)
	return time.Duration(values[len(values)/2]), time.Duration(values[0]), time.Duration(values[len(values)-1]), true
}

// latencies are what is measured of one performer.
type latencies struct {
	room    func(time.Time) int64 // room time in ns, 0 while unknown; nil: nothing is measured
	transit spans                 // from first sample to arrival; noted under performer.delivering
	total   spans                 // of the playout goroutine
	render  spans                 // from being mixed to the loudspeaker; of the playout goroutine
}

// begin prepares, before anything is noted.
func (l *latencies) begin(now time.Time) {
	l.transit.least = true
	l.transit.born, l.total.born, l.render.born = now, now, now
}

// arrived notes how long after its first sample's moment a packet came.
func (l *latencies) arrived(pk *packet.Packet, arrival time.Time) {
	if l.room == nil {
		return
	}
	if room := l.room(arrival); room > 0 {
		l.transit.note(time.Duration(room-clocksync.NSAt(pk.FirstSample)), arrival)
	}
}

// played notes that the sample of a room time, mixed now, leaves the loudspeaker after leaving.
func (l *latencies) played(sample int64, now time.Time, leaving time.Duration) {
	if l.room == nil || leaving < 0 {
		return
	}
	if room := l.room(now); room > 0 {
		l.total.note(time.Duration(room-clocksync.NSAt(sample))+leaving, now)
		l.render.note(leaving, now)
	}
}

// describe splits the total; before is what passes until the sender sends, uncertainty that of both clocks.
func (l *latencies) describe(now time.Time, before, uncertainty time.Duration) (out Latency) {
	total, least, most, known := l.total.read(now)
	render, _, _, rendered := l.render.read(now)
	transit, _, _, came := l.transit.read(now)
	if !known || !rendered || !came {
		return Latency{}
	}
	network := max(0, transit-before)
	out = Latency{Total: total, Network: network, Device: min(before+render, total), Least: least, Most: most, Uncertainty: uncertainty}
	out.Buffer = max(0, total-out.Device-network)
	out.Network = total - out.Device - out.Buffer // all three are the total, whatever their errors
	return out
}

// notePlayed measures after playFrame; called by the playout goroutine alone.
func (p *performer) notePlayed(samples int, now time.Time, leaving time.Duration) {
	voices := *p.voices.Load()
	if len(voices) == 0 {
		return
	}
	if next, ok := voices[0].player.Position(); ok && now.Sub(voices[0].player.LastArrival()) < silentAfter {
		p.latency.played(next-int64(samples), now, leaving)
	}
}

// describeLatencyLocked is how late a performer is heard.
func (s *Session) describeLatencyLocked(p *performer, now time.Time) Latency {
	voices := *p.voices.Load()
	if p.id == mixID || len(voices) == 0 {
		return Latency{}
	}
	v := voices[0]
	before := v.delay.Load()
	if before == 0 { // not announced: it cannot be less
		before = int64(v.publication.FrameSamples + v.publication.LookAheadSamples)
	}
	theirs := time.Duration(clocksync.NSAt(v.clockError.Load()))
	return p.latency.describe(now, time.Duration(clocksync.NSAt(before)), s.clock.RTT()/2+theirs)
}

// update takes what a publication's sender says of its delay now.
func (v *voice) update(m *signaling.Publication) {
	v.delay.Store(int64(m.DelaySamples))
	v.clockError.Store(int64(m.ClockErrorSamples))
}

// leaving is how long after now the next sample that is written leaves the loudspeaker: what a callback
// takes plays from that moment on. Unknown when a callback comes meanwhile, or before the first.
func leaving(render device.Render, now time.Time) time.Duration {
	stamp, waiting := render.Stamp(), render.Ring().Len()
	if again := render.Stamp(); again.Frames != stamp.Frames || stamp.Frames == 0 {
		return unknownLeaving
	}
	return max(0, stamp.At.Sub(now)+inTime(waiting+render.Info().PeriodSamples))
}

// announceDelay tells the others when the measured delay from the microphone to sending, or how exact the
// clock is, has changed.
func (s *Session) announceDelay(now time.Time) {
	sent := s.sent.Load()
	if sent == nil || now.Sub(s.announced) < announceApart {
		return
	}
	measured, _, _, ok := sent.read(now)
	if !ok {
		return
	}
	delay := min(inSamples(measured), mostAnnounced)
	clockError := min(inSamples(s.clock.RTT()/2), mostAnnounced)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication == nil || s.sent.Load() != sent {
		return
	}
	if differ(s.publication.DelaySamples, delay) < delayChange && differ(s.publication.ClockErrorSamples, clockError) < errorChange {
		return
	}
	next := *s.publication
	next.DelaySamples, next.ClockErrorSamples = delay, clockError
	s.publication, s.announced = &next, now
	if s.conn != nil {
		_ = s.conn.Send(&next)
	}
}

func differ(a, b int) int { return max(a-b, b-a) }

func inSamples(d time.Duration) int { return int(clocksync.SampleAt(int64(d))) }
