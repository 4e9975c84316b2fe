package mixer

import (
	"slices"
	"sync/atomic"
	"time"

	"gasso/audio/jitter"
	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/audio/opus"
	"gasso/net/packet"
)

const (
	futureSamples = sampleRate / 2 // first samples beyond are lies,
	pastSamples   = sampleRate     // as are those that much older than the program
	maxLanes      = 4              // publications of one participant at a time
	maxRetired    = 16             // ended publications that are remembered
	storeMargin   = 2 * time.Second
)

// Input takes one participant's packets.
type Input struct {
	mixer   *Mixer
	id      string
	live    channel
	program channel
	meter   *meter.Meter // of the program's strip
	newest  atomic.Pointer[lane]

	lanes   []*lane // oldest first; guarded by Mixer.mu, as removed is
	removed bool

	known   []*lane // the producer's own list
	retired []packet.PublicationID

	misplaced, refused atomic.Int64
}

// channel is an input on one bus: its strip and what it contributes to the present frame.
type channel struct {
	strip *mix.Strip
	own   []float32
}

// lane is one publication of an input.
type lane struct {
	publication packet.PublicationID
	player      *jitter.Player
	timeline    *jitter.Timeline
	live        half
	program     half
	pushed      atomic.Int64 // when the last packet came, in Unix ns
	retired     atomic.Bool
	filled      bool // its first packet was sent later; guarded by Mixer.mu
}

// half is a lane's decoder for one bus; only that bus closes it.
type half struct {
	decoder *opus.Decoder
	closed  atomic.Bool
}

func (h *half) close() {
	if !h.closed.Swap(true) {
		h.decoder.Close()
	}
}

func newInput(m *Mixer, id string, settings mix.Settings) *Input {
	i := &Input{
		mixer:   m,
		id:      id,
		live:    channel{mix.NewStrip(), make([]float32, 2*liveSamples)},
		program: channel{mix.NewStrip(), make([]float32, 2*programSamples)},
		meter:   meter.New(2),
	}
	i.live.strip.Set(settings)
	i.program.strip.Set(settings)
	return i
}

// Push hands a packet to both buses. It never blocks on a bus; one goroutine at a time calls it.
// Packets whose first sample is more than half a second ahead of now, or a second older than the
// program, are dropped and counted.
func (i *Input) Push(p *packet.Packet, arrival time.Time) {
	m := i.mixer
	now := m.cfg.RoomSample(arrival)
	if p.FirstSample > now+futureSamples || p.FirstSample < now-m.delaySamples()-pastSamples {
		i.misplaced.Add(1)
		return
	}
	l := i.lane(p.Publication)
	if l == nil {
		i.refused.Add(1)
		return
	}
	l.pushed.Store(arrival.UnixNano())
	if len(m.roster.Load().mixes) > 0 {
		l.player.Inbox(jitter.PathForwarded).Push(p.Number, p.FirstSample, p.Samples, p.Payload, arrival)
	}
	if m.taken.Load() {
		l.timeline.Inbox().Push(p.Number, p.FirstSample, p.Samples, p.Payload, arrival)
	}
}

// lane returns the lane of a publication, a new one when it was never seen, nil when it may not have one.
func (i *Input) lane(id packet.PublicationID) *lane {
	for at, l := range i.known {
		if l.publication != id {
			continue
		}
		if !l.retired.Load() {
			return l
		}
		i.forget(at)
		return nil
	}
	if slices.Contains(i.retired, id) {
		return nil
	}
	for at := len(i.known) - 1; at >= 0; at-- {
		if i.known[at].retired.Load() {
			i.forget(at)
		}
	}
	if len(i.known) >= maxLanes {
		return nil
	}
	l := i.open(id)
	if l != nil {
		i.known = append(i.known, l)
	}
	return l
}

// forget takes a retired lane out of the producer's list; its publication is not opened again.
func (i *Input) forget(at int) {
	if len(i.retired) == maxRetired {
		i.retired = slices.Delete(i.retired, 0, 1)
	}
	i.retired = append(i.retired, i.known[at].publication)
	i.known = slices.Delete(i.known, at, at+1)
}

// open makes a lane with decoders of its own and adds it to the mixes.
func (i *Input) open(id packet.PublicationID) *lane {
	m := i.mixer
	m.mu.Lock()
	defer m.mu.Unlock()
	l := i.laneLocked(id) // backfill may have been here before
	if l != nil {
		l.filled = false
		i.lanes = slices.DeleteFunc(i.lanes, func(other *lane) bool { return other == l })
	} else if l = i.newLaneLocked(id); l == nil {
		return nil
	}
	i.lanes = append(i.lanes, l)
	i.newest.Store(l)
	m.rebuildLocked()
	return l
}

// newLaneLocked makes a lane with decoders of its own.
func (i *Input) newLaneLocked(id packet.PublicationID) *lane {
	m := i.mixer
	if m.closed || i.removed {
		return nil
	}
	live, err := opus.NewDecoder(2)
	if err != nil {
		m.cfg.Log.Error("cannot decode for the live bus", "participant", i.id, "error", err)
		return nil
	}
	program, err := opus.NewDecoder(2)
	if err != nil {
		live.Close()
		m.cfg.Log.Error("cannot decode for the program", "participant", i.id, "error", err)
		return nil
	}
	l := &lane{
		publication: id,
		player:      jitter.NewPlayer(jitter.Live(), live),
		timeline:    jitter.NewTimeline(m.cfg.ProgramDelay+storeMargin, program),
	}
	l.live.decoder, l.program.decoder = live, program
	return l
}

// InputStats are an input's counters.
type InputStats struct {
	Misplaced int64        // packets whose first sample is too far from now, dropped
	Refused   int64        // packets of ended or of too many publications, dropped
	Live      jitter.Stats // of the newest publication, on the live bus
	Program   jitter.Stats // the same on the program bus
}

// Stats returns the counters.
func (i *Input) Stats() InputStats {
	s := InputStats{Misplaced: i.misplaced.Load(), Refused: i.refused.Load()}
	if l := i.newest.Load(); l != nil {
		s.Live, s.Program = l.player.Stats(), l.timeline.Stats()
	}
	return s
}
