package signaling

import "testing"

func TestPathsFollowTopologyAndReceive(t *testing.T) {
	with := func(topology Topology, receive Receive) *Participant {
		return &Participant{Role: RolePerformer, Topology: topology, Receive: receive}
	}
	auto, p2p, sfu := with(TopologyAuto, ReceiveTracks), with(TopologyP2P, ReceiveTracks), with(TopologySFU, ReceiveTracks)
	mix := with(TopologyAuto, ReceiveMix)
	listener := &Participant{Role: RoleListener, Topology: TopologyAuto, Receive: ReceiveTracks}
	cases := map[string]struct {
		from, to          *Participant
		direct, forwarded bool
	}{
		"auto to auto":     {auto, auto, true, true},
		"auto to p2p":      {auto, p2p, true, false},
		"p2p to auto":      {p2p, auto, true, false},
		"p2p to p2p":       {p2p, p2p, true, false},
		"auto to sfu":      {auto, sfu, false, true},
		"sfu to auto":      {sfu, auto, false, true},
		"p2p to sfu":       {p2p, sfu, false, true},
		"auto to mix":      {auto, mix, false, false},
		"mix to auto":      {mix, auto, false, true},
		"auto to listener": {auto, listener, false, false},
	}
	for name, c := range cases {
		direct, forwarded := Paths(c.from, c.to)
		if direct != c.direct || forwarded != c.forwarded {
			t.Errorf("%s: direct %v, forwarded %v; want %v, %v", name, direct, forwarded, c.direct, c.forwarded)
		}
	}
}
