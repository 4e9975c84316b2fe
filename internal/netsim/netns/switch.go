package netns

import (
	"net/netip"

	"gasso/internal/netsim"
)

const (
	packetBytes = 64 << 10
	headerBytes = 20
	protocolUDP = 17
)

// trip is the way of packets from one line to another one.
type trip struct {
	way  *netsim.Path // between the two lines
	from *Node
	to   *Node

	enter, leave, write func([]byte)
}

// trip returns the way between two lines, which is made when it is used first.
func (w *World) trip(p pair) *trip {
	w.mu.RLock()
	t := w.trips[p]
	w.mu.RUnlock()
	if t != nil {
		return t
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trips[p]; t != nil {
		return t
	}
	w.seed++
	t = &trip{way: netsim.NewPath(w.seed), from: p.from, to: p.to}
	t.write = func(packet []byte) { _, _ = t.to.device.Write(packet) }
	t.leave = func(packet []byte) {
		show(t.to.seeDown.Load(), packet)
		t.to.down.Send(packet, t.write)
	}
	t.enter = func(packet []byte) { t.way.Send(packet, t.leave) }
	w.trips[p] = t
	return t
}

// runSwitch passes on what comes out of a node's device until that closes.
func (w *World) runSwitch(n *Node) {
	buffer := make([]byte, packetBytes)
	for {
		size, err := n.device.Read(buffer)
		if err != nil {
			return
		}
		packet := buffer[:size]
		to, udp, ok := destination(packet)
		if !ok {
			continue // IPv6 neighbours and the like: this world speaks IPv4
		}
		w.mu.RLock()
		receiver := w.public[to]
		w.mu.RUnlock()
		if receiver == nil || receiver == n {
			w.strays.Add(1)
			continue
		}
		t := w.trip(pair{n, receiver})
		if udp && (n.up.Conditions().UDPBlocked || receiver.down.Conditions().UDPBlocked || t.way.Conditions().UDPBlocked) {
			continue
		}
		show(n.seeUp.Load(), packet)
		n.up.Send(packet, t.enter)
	}
}

// destination reads where an IPv4 packet goes (RFC 791, section 3.1).
func destination(packet []byte) (to netip.Addr, udp, ok bool) {
	if len(packet) < headerBytes || packet[0]>>4 != 4 {
		return netip.Addr{}, false, false
	}
	return netip.AddrFrom4([4]byte(packet[16:20])), packet[9] == protocolUDP, true
}
