package mixer

import (
	"time"

	"gasso/net/packet"
)

// maxFilled is how many publications of one participant the program may have from backfill alone.
const maxFilled = 2

// Fill hands the program bus a packet that was sent later. It may be called beside Push, by one goroutine
// at a time, and never blocks on a bus. What the program is past already is left out.
func (i *Input) Fill(p *packet.Packet, arrival time.Time) {
	m := i.mixer
	now := m.cfg.RoomSample(arrival)
	if p.FirstSample > now+futureSamples || p.FirstSample+int64(p.Samples) <= now-m.delaySamples() || !m.taken.Load() {
		return
	}
	l := i.filled(p.Publication)
	if l == nil {
		i.refused.Add(1)
		return
	}
	l.pushed.Store(max(l.pushed.Load(), arrival.UnixNano()))
	l.timeline.Late().Push(p.Number, p.FirstSample, p.Samples, p.Payload, arrival)
}

// filled returns the lane of a publication; one of which no packet came in time gets it here, as an
// older one than those that are there.
func (i *Input) filled(id packet.PublicationID) *lane {
	m := i.mixer
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := i.laneLocked(id); l != nil {
		return l
	}
	own := 0
	for _, l := range i.lanes {
		if l.filled {
			own++
		}
	}
	if own >= maxFilled {
		return nil
	}
	l := i.newLaneLocked(id)
	if l == nil {
		return nil
	}
	l.filled = true
	i.lanes = append([]*lane{l}, i.lanes...)
	m.rebuildLocked()
	return l
}

// laneLocked returns the lane of a publication that is in the mixes, nil when there is none.
func (i *Input) laneLocked(id packet.PublicationID) *lane {
	for _, l := range i.lanes {
		if l.publication == id {
			return l
		}
	}
	return nil
}
