package mix

import (
	"math"
	"sync/atomic"

	"gasso/audio/resample"
	"gasso/audio/ring"
)

const (
	sampleRate           = 48000
	monitorRingSamples   = 8192
	monitorPieceSamples  = 240
	monitorMarginSamples = 48             // what should be left at the worst moment of a window (1 ms)
	monitorMostSamples   = 960            // the margin after many underruns
	monitorJumpSamples   = 960            // off by more is put right at once, by less slowly
	monitorListenSamples = sampleRate / 4 // measured in silence before anything is heard
	monitorWindow        = sampleRate / 2
	monitorFadeSamples   = 240
	monitorRadians       = 0.4 // of the loop, a second
)

// Monitor lets performers hear themselves: from the capture goroutine (Write) to the playout goroutine
// (Add), off at first. The two devices tick differently; what waits between them is held small by
// resampling. The other methods may be called by any goroutine.
type Monitor struct {
	ring *ring.Ring
	on   atomic.Bool
	gain atomic.Uint64 // float64 bits, linear

	stereo []float32 // of Write

	// Of Add.
	resampler *resample.Resampler
	raw       []float32
	ready     []float32 // resampled and not yet heard
	state     monitorState
	elapsed   int // samples of the window, or of listening
	least     int // left at the worst moment of it
	hold      int // samples of silence until enough has come
	margin    int
	loop      resample.Follower
	level     float32
	mean      float64 // what waits before a frame

	latency atomic.Int64
}

// monitorState is how far Add has come.
type monitorState int

const (
	monitorOff       monitorState = iota
	monitorListening              // learning the rhythm of the two devices, in silence
	monitorPlaying
)

// NewMonitor returns a monitor that is off, at 0 dB.
func NewMonitor() *Monitor {
	m := &Monitor{
		ring:      ring.New(monitorRingSamples, 2),
		stereo:    make([]float32, 2*monitorPieceSamples),
		resampler: resample.New(2, 1),
		raw:       make([]float32, 2*monitorPieceSamples),
		ready:     make([]float32, 0, 8*monitorPieceSamples),
		margin:    monitorMarginSamples,
		loop:      resample.NewFollower(monitorRadians, float64(monitorWindow)/sampleRate, sampleRate),
	}
	m.SetGainDB(0)
	return m
}

// SetOn switches hearing oneself on or off, without a click.
func (m *Monitor) SetOn(on bool) { m.on.Store(on) }

// SetGainDB sets the level at which performers hear themselves; like a strip's it goes from MinGainDB,
// which is silent, to MaxGainDB.
func (m *Monitor) SetGainDB(db float64) {
	gain, _ := Settings{GainDB: db}.gains()
	m.gain.Store(math.Float64bits(float64(gain)))
}

// LatencySamples is by how much a frame of Add lies behind the newest sample of Write, on average, the
// frame's own length included; 0 while off. The latencies of the two devices come on top.
func (m *Monitor) LatencySamples() int { return int(m.latency.Load()) }

// Write takes a frame of one or two channels from the microphone. Only the capture goroutine calls it.
func (m *Monitor) Write(frame []float32, channels int) {
	if !m.on.Load() {
		return
	}
	if channels == 2 {
		m.ring.Write(frame)
		return
	}
	for len(frame) > 0 {
		n := min(len(frame), monitorPieceSamples)
		for i, v := range frame[:n] {
			m.stereo[2*i], m.stereo[2*i+1] = v, v
		}
		m.ring.Write(m.stereo[:2*n])
		frame = frame[n:]
	}
}

// Add sums what the performer played or said onto a stereo frame of the loudspeaker. Only the playout
// goroutine calls it.
func (m *Monitor) Add(bus []float32) {
	if !m.on.Load() && (m.state != monitorPlaying || m.level == 0) {
		m.stop()
		return
	}
	if m.state == monitorOff {
		m.ring.Skip(m.ring.Len())
		m.listen()
	}
	if m.state == monitorListening {
		m.listenFrame(len(bus) / 2)
		return
	}
	m.playFrame(bus)
}

// stop ends what was heard.
func (m *Monitor) stop() {
	if m.state == monitorOff {
		return
	}
	m.state, m.margin = monitorOff, monitorMarginSamples
	m.latency.Store(0)
}

// listen starts to learn how the two devices' frames follow each other.
func (m *Monitor) listen() {
	m.state, m.elapsed, m.least = monitorListening, 0, math.MaxInt
	m.ready, m.level = m.ready[:0], 0
}

// listenFrame takes one frame in silence: first until what waits has found its level, then to see how
// far it falls. At the end it leaves out what has proved to be too much, or waits for what was too little.
func (m *Monitor) listenFrame(samples int) {
	waiting := m.ring.Len()
	m.ring.Skip(samples)
	if m.elapsed += samples; m.elapsed > monitorListenSamples/2 {
		m.least = min(m.least, max(0, waiting-samples))
	}
	if m.elapsed < monitorListenSamples {
		return
	}
	if waiting < samples { // there is no microphone now
		m.elapsed = 0
		return
	}
	excess := m.least - m.margin
	m.ring.Skip(max(0, excess))
	m.hold = max(0, -excess)
	m.mean = float64(m.ring.Len() + samples + m.hold)
	m.state, m.elapsed, m.least = monitorPlaying, 0, math.MaxInt
}

// playFrame sums one frame onto bus, in pieces.
func (m *Monitor) playFrame(bus []float32) {
	samples := len(bus) / 2
	m.follow(samples)
	for len(bus) > 0 && m.state == monitorPlaying {
		piece := bus[:min(len(bus), 2*monitorPieceSamples)]
		bus = bus[len(piece):]
		if hold := min(2*m.hold, len(piece)); hold > 0 {
			m.hold -= hold / 2
			piece = piece[hold:]
		}
		for len(m.ready) < len(piece) && m.refill() {
		}
		n := min(len(m.ready), len(piece))
		if n < len(piece) { // less came than ever before: begin again, with more in reserve
			fadeOut(m.ready[:n])
		}
		m.sum(piece[:n], m.ready[:n])
		m.ready = m.ready[:copy(m.ready, m.ready[n:])]
		if n < len(piece) {
			m.margin = min(m.margin+(len(piece)-n+len(bus))/2, monitorMostSamples)
			m.listen()
		}
	}
}

// follow watches what will be left after this frame and, every half a second, steers it to the margin.
func (m *Monitor) follow(samples int) {
	waiting := m.ring.Len() + len(m.ready)/2 + m.hold
	m.least = min(m.least, waiting-samples)
	m.mean += (float64(waiting) - m.mean) * min(1, float64(samples)/sampleRate)
	m.latency.Store(int64(m.mean + m.resampler.LatencySamples()))
	if m.elapsed += samples; m.elapsed < monitorWindow {
		return
	}
	excess := m.least - m.margin
	m.elapsed, m.least = 0, math.MaxInt
	if excess > monitorJumpSamples {
		m.listen()
		return
	}
	m.resampler.SetRatio(1 + m.loop.Update(float64(-excess)))
}

// refill resamples some more; it returns false when there is nothing.
func (m *Monitor) refill() bool {
	n := m.ring.Read(m.raw)
	if n == 0 {
		return false
	}
	written, _ := m.resampler.Process(m.ready[len(m.ready):cap(m.ready)], m.raw[:2*n])
	m.ready = m.ready[:len(m.ready)+2*written]
	return true
}

// sum adds own to bus at the wanted level, which is approached without a click.
func (m *Monitor) sum(bus, own []float32) {
	wanted := float32(0)
	if m.on.Load() {
		wanted = float32(math.Float64frombits(m.gain.Load()))
	}
	const step = 1.0 / monitorFadeSamples
	for i := 0; i+1 < len(own); i += 2 {
		m.level += min(max(wanted-m.level, -step), step)
		bus[i] += m.level * own[i]
		bus[i+1] += m.level * own[i+1]
	}
}

// fadeOut ramps stereo pcm down to nothing.
func fadeOut(pcm []float32) {
	samples := len(pcm) / 2
	fade := min(samples, monitorFadeSamples)
	for i := range fade {
		gain := float32(fade-1-i) / float32(fade)
		at := 2 * (samples - fade + i)
		pcm[at] *= gain
		pcm[at+1] *= gain
	}
}
