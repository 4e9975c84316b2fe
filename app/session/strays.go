package session

import (
	"slices"
	"time"

	"gasso/net/packet"
)

const (
	straysKept = 128             // packets
	strayKeeps = 2 * time.Second // until it is of no use
)

// strays are packets of a publication that is not announced yet: they take a shorter way than the
// announcement. Drop rule: the oldest.
type strays []stray

type stray struct {
	path    int
	packet  packet.Packet
	arrival time.Time
}

func (s *strays) add(path int, pk *packet.Packet, arrival time.Time) {
	for len(*s) > 0 && (len(*s) == straysKept || arrival.Sub((*s)[0].arrival) > strayKeeps) {
		*s = slices.Delete(*s, 0, 1)
	}
	kept := stray{path: path, packet: *pk, arrival: arrival}
	kept.packet.Payload = slices.Clone(pk.Payload) // borrowed
	*s = append(*s, kept)
}

// take empties it.
func (s *strays) take() []stray {
	all := *s
	*s = nil
	return all
}
