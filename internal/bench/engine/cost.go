package engine

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"gasso/audio/jitter"
	"gasso/audio/limiter"
	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/audio/opus"
	"gasso/internal/bench/table"
	"gasso/internal/netsim"
	"gasso/internal/procstat"
)

const (
	costPerformers = 8
	costLength     = 30 * time.Second
	pieceLength    = 10 * time.Second // played again and again
	costWarmUp     = 5 * time.Second
	costGoal       = 20.0 // percent of one core
	fewAllocations = 0.01 // per frame: what the Go runtime itself does now and then
	playoutSamples = 60   // mixed at once, as for a device with periods of that length
)

// Cost prints the table "cost": what it takes to hear eight others play music in stereo. Packets come
// in simulated time; decoding, buffer, stretching, strips, guard and meters are those of the engine.
func Cost(w io.Writer) error {
	t := table.New(w, "cost (8 performers, stereo music, 5 ms)", "network", "frames", "concealed %", "stretched samples", "allocations per frame")
	pieces, err := encodedPieces()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		netsim.Conditions
	}{
		{"steady", netsim.Conditions{Delay: 10 * time.Millisecond}},
		{"10±3 ms", netsim.Conditions{Delay: 10 * time.Millisecond, Jitter: 3 * time.Millisecond}},
		{"10±3 ms, 5 % lost", netsim.Conditions{Delay: 10 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.05}},
		{"20±15 ms", netsim.Conditions{Delay: 20 * time.Millisecond, Jitter: 15 * time.Millisecond}},
	} {
		m, err := newCostMix(pieces, c.Conditions)
		if err != nil {
			return err
		}
		m.row(t, c.name)
		m.close()
	}
	return t.Err()
}

// encodedPieces are two short pieces in packets.
func encodedPieces() (pieces [][][]byte, err error) {
	for seed := range uint64(2) {
		packets, err := encodedMusic(seed, pieceLength)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, packets)
	}
	return pieces, nil
}

// arrival is a packet on its way.
type arrival struct {
	at     time.Duration
	number int64
}

// costPerformer is one of those who are heard.
type costPerformer struct {
	packets  [][]byte
	arrivals []arrival // in order of time
	player   *jitter.Player
	decoder  *opus.Decoder
	strip    *mix.Strip
	meter    *meter.Meter
}

// costMix is a loudspeaker's mix of them.
type costMix struct {
	performers []*costPerformer
	guard      *limiter.Guard
	meter      *meter.Meter
	bus, sum   []float32
	start      time.Time
}

func newCostMix(pieces [][][]byte, c netsim.Conditions) (*costMix, error) {
	m := &costMix{
		guard: limiter.NewGuard(channels, -1), meter: meter.New(channels), start: time.Unix(1_000_000_000, 0),
		bus: make([]float32, channels*playoutSamples), sum: make([]float32, channels*playoutSamples),
	}
	for i := range costPerformers {
		decoder, err := opus.NewDecoder(channels)
		if err != nil {
			return nil, fmt.Errorf("prepare decoder: %w", err)
		}
		p := &costPerformer{
			packets: pieces[i%len(pieces)], decoder: decoder, player: jitter.NewPlayer(jitter.Live(), decoder),
			strip: mix.NewStrip(), meter: meter.New(channels), arrivals: flights(uint64(i), c),
		}
		m.performers = append(m.performers, p)
	}
	return m, nil
}

// flights are the arrivals of costWarmUp and costLength.
func flights(seed uint64, c netsim.Conditions) (all []arrival) {
	link := netsim.NewLink(seed, netsim.Step{Conditions: c})
	for number := int64(0); ; number++ {
		sent := inTime(int(number+1) * musicFrame)
		if sent > costWarmUp+costLength {
			break
		}
		if at, arrives := link.Send(sent); arrives {
			all = append(all, arrival{at, number})
		}
	}
	slices.SortFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	return all
}

// row plays everything as fast as it goes and prints what that took.
func (m *costMix) row(t *table.Table, name string) {
	played := m.play(0, costWarmUp)
	runtime.GC()
	began := time.Now()
	sampler := procstat.NewSampler(began)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	frames := m.play(played, costWarmUp+costLength) - played
	runtime.ReadMemStats(&after)
	ended := time.Now()
	usage := sampler.Sample(ended)

	percent := usage.CPUPercent * float64(ended.Sub(began)) / float64(inTime(frames*playoutSamples))
	allocations := float64(after.Mallocs-before.Mallocs) / float64(frames)
	var concealed, all, stretched int64
	for _, p := range m.performers {
		s := p.player.Stats()
		concealed, all, stretched = concealed+s.ConcealedSamples, all+s.PlayedSamples, stretched+s.Stretched
	}
	cells := []string{name, fmt.Sprint(frames), fmt.Sprintf("%.2f", 100*float64(concealed)/float64(max(all, 1))), fmt.Sprint(stretched),
		fmt.Sprintf("%.3f", allocations)}
	t.Row(cells, fmt.Sprintf("<= %.0f %% of a core, 0 allocations", costGoal), fmt.Sprintf("%.1f %%", percent),
		percent <= costGoal && allocations < fewAllocations)
}

// play mixes frames from one number until a moment and returns the number of the next.
func (m *costMix) play(frame int, until time.Duration) int {
	for ; inTime(frame*playoutSamples) < until; frame++ {
		m.playoutFrame(inTime(frame * playoutSamples))
	}
	return frame
}

// playoutFrame does what the engine does for a frame of the loudspeaker.
func (m *costMix) playoutFrame(now time.Duration) {
	clear(m.bus)
	for _, p := range m.performers {
		p.receive(now, m.start)
		p.player.Frame(m.sum, m.start.Add(now))
		p.meter.Process(m.sum)
		p.strip.Add(m.bus, m.sum)
	}
	m.guard.Process(m.bus)
	m.meter.Process(m.bus)
}

// receive delivers what has arrived.
func (p *costPerformer) receive(now time.Duration, start time.Time) {
	for len(p.arrivals) > 0 && p.arrivals[0].at <= now {
		a := p.arrivals[0]
		p.arrivals = p.arrivals[1:]
		payload := p.packets[a.number%int64(len(p.packets))]
		p.player.Inbox(jitter.PathDirect).Push(a.number, a.number*musicFrame, musicFrame, payload, start.Add(a.at))
	}
}

func (m *costMix) close() {
	for _, p := range m.performers {
		p.decoder.Close()
	}
}
