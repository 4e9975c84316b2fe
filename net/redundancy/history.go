package redundancy

import "gasso/net/packet"

const (
	historyPackets  = 64
	maxPayloadBytes = 1400
)

// History keeps the newest 64 packets of one origin, for redundant copies and for sending them again.
// One goroutine at a time.
type History struct {
	packets  [historyPackets]packet.Packet // at number modulo length; without payload: none
	payloads [historyPackets][maxPayloadBytes]byte
}

// Add copies a packet. One with more than 1400 bytes of payload is not kept.
func (h *History) Add(p *packet.Packet) {
	if p.Number < 0 || len(p.Payload) > maxPayloadBytes {
		return
	}
	slot := p.Number % historyPackets
	h.packets[slot] = *p
	h.packets[slot].Payload = h.payloads[slot][:copy(h.payloads[slot][:], p.Payload)]
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

// Pack appends to dst a RED payload (RFC 2198) of packet p and copies of up to depth packets before
// it, the oldest of them spread packets back and the others right behind that one: what a burst took is
// repaired from beyond it, and a copy nearer to it would come no sooner than the receiver waits
// anyway. payloadType is that of the blocks. Where there is
// nothing to add, dst comes back as it was: send the packet as it is. Left out is a copy that is
// too large, makes the whole larger than 1200 bytes, or lies where the receiver could not tell its
// number: the receiver divides the offset by the packet's length.
func (h *History) Pack(dst []byte, p *packet.Packet, payloadType uint8, depth, spread int) []byte {
	depth = min(depth, maxDepth)
	spread = min(max(spread, depth), maxSpread)
	var copies [maxDepth]*packet.Packet
	n, size := 0, 1+len(p.Payload)
	for i := depth; i > 0; i-- { // the oldest first
		c := h.copyOf(p, int64(spread-depth+i))
		if c == nil || size+blockHeader+len(c.Payload) > maxPackedBytes {
			continue
		}
		size += blockHeader + len(c.Payload)
		copies[n] = c
		n++
	}
	if n == 0 {
		return dst
	}
	for _, c := range copies[:n] {
		offset, length := p.FirstSample-c.FirstSample, len(c.Payload)
		dst = append(dst, payloadType|0x80, byte(offset>>6), byte(offset<<2)|byte(length>>8), byte(length)) // low bits are meant
	}
	dst = append(dst, payloadType)
	for _, c := range copies[:n] {
		dst = append(dst, c.Payload...)
	}
	return append(dst, p.Payload...)
}

// copyOf finds the packet at a distance if its copy can be placed.
func (h *History) copyOf(p *packet.Packet, distance int64) *packet.Packet {
	c := h.Find(p.Generation, p.Number-distance)
	if c == nil || c.Samples != p.Samples || len(c.Payload) > maxBlockBytes {
		return nil
	}
	offset := p.FirstSample - c.FirstSample
	if offset != distance*int64(p.Samples) || offset > maxOffset {
		return nil
	}
	return c
}
