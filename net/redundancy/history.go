package redundancy

import "gasso/net/packet"

const (
	historyPackets  = 64
	maxPayloadBytes = 1400
	mostSaved       = 2  // copies that a packet carries besides its own turn's
	orderReach      = 16 // packets; more than maxSpread
)

// History keeps the newest 64 packets of one origin, for redundant copies and for sending them again.
// One goroutine at a time.
type History struct {
	packets  [historyPackets]packet.Packet // at number modulo length; without payload: none
	payloads [historyPackets][maxPayloadBytes]byte
	added    int64               // packets so far
	order    [orderReach]ordered // the newest of them as they were added, at their place modulo length
}

// ordered is a packet by the moment at which it was added.
type ordered struct {
	generation uint8
	number     int64
}

// Add copies a packet. One with more than 1400 bytes of payload is not kept.
func (h *History) Add(p *packet.Packet) {
	if p.Number < 0 || len(p.Payload) > maxPayloadBytes {
		return
	}
	slot := p.Number % historyPackets
	h.packets[slot] = *p
	h.packets[slot].Payload = h.payloads[slot][:copy(h.payloads[slot][:], p.Payload)]
	h.order[h.added%orderReach] = ordered{p.Generation, p.Number}
	h.added++
}

// Find returns a packet that is still there, else nil. It is valid until the next Add.
func (h *History) Find(generation uint8, number int64) *packet.Packet {
	if number < 0 {
		return nil
	}
	p := &h.packets[number%historyPackets]
	if p.Number != number || p.Generation != generation || len(p.Payload) == 0 {
		return nil
	}
	return p
}

// Copies is what the packets of one link have carried of a History.
type Copies struct {
	added   int64             // of the history, when a packet was packed last
	carried [orderReach]uint8 // copies sent of each of the newest packets
	saved   int               // copies that packets before could not carry
}

// advance forgets what is too old to be copied.
func (c *Copies) advance(added int64) {
	for c.added = max(c.added, added-orderReach); c.added < added; c.added++ {
		c.carried[c.added%orderReach] = 0
	}
}

// Pack appends to dst a RED payload (RFC 2198) of p, the packet added last, and copies of up to depth packets
// before it, the oldest of them spread packets back and the others right behind that one: what a burst took
// is repaired from beyond it, and a copy nearer to it would come no sooner than the receiver waits anyway.
// payloadType is that of the blocks. Where there is nothing to add, dst comes back as it was: send the packet
// as it is.
//
// Back is in the order in which packets were added, so that one which the network before overtook is copied
// like any other. A packet copies only lower numbers, since offsets have no sign; what that keeps it from, one
// that follows carries besides its own, as soon as one can. Left out is a copy that is too large, makes the
// whole larger than 1200 bytes, or lies where the receiver could not tell its number: the receiver divides the
// offset by the packet's length.
func (h *History) Pack(dst []byte, link *Copies, p *packet.Packet, payloadType uint8, depth, spread int) []byte {
	depth = min(depth, maxDepth)
	spread = min(max(spread, depth), maxSpread)
	var copies [maxDepth]*packet.Packet
	for _, c := range copies[:h.choose(&copies, link, p, depth, spread)] {
		offset, length := p.FirstSample-c.FirstSample, len(c.Payload)
		dst = append(dst, payloadType|0x80, byte(offset>>6), byte(offset<<2)|byte(length>>8), byte(length)) // low bits are meant
	}
	if copies[0] == nil {
		return dst
	}
	dst = append(dst, payloadType)
	for _, c := range copies {
		if c != nil {
			dst = append(dst, c.Payload...)
		}
	}
	return append(dst, p.Payload...)
}

// choose finds the copies that a packet carries: those whose turn it is, then those that missed theirs.
func (h *History) choose(copies *[maxDepth]*packet.Packet, link *Copies, p *packet.Packet, depth, spread int) (n int) {
	link.advance(h.added)
	link.saved = min(link.saved+depth, depth+mostSaved)
	size := 1 + len(p.Payload)
	for i := range maxSpread - spread + depth {
		back := int64(spread - i)
		if i >= depth {
			back = int64(spread + 1 + i - depth)
		}
		if n == min(link.saved, maxDepth) {
			break
		}
		place := h.added - 1 - back
		if place < 0 || int(link.carried[place%orderReach]) >= depth {
			continue
		}
		c := h.copyFor(p, h.order[place%orderReach])
		if c == nil || size+blockHeader+len(c.Payload) > maxPackedBytes {
			continue
		}
		size += blockHeader + len(c.Payload)
		link.carried[place%orderReach]++
		copies[n] = c
		n++
	}
	link.saved -= n
	return n
}

// copyFor finds a packet if its copy can be placed in p.
func (h *History) copyFor(p *packet.Packet, o ordered) *packet.Packet {
	c := h.Find(o.generation, o.number)
	if c == nil || c.Generation != p.Generation || c.Samples != p.Samples || len(c.Payload) > maxBlockBytes {
		return nil
	}
	offset := p.FirstSample - c.FirstSample
	if offset <= 0 || offset != (p.Number-c.Number)*int64(p.Samples) || offset > maxOffset {
		return nil
	}
	return c
}
