package backfill

import (
	"encoding/binary"
	"math"

	"gasso/net/packet"
)

// packing builds a message of packets of one publication.
type packing struct {
	message []byte
	number  int64 // of the first packet,
	sample  int64 // and its first sample
}

// sendable tells whether a message can carry the packet.
func sendable(p *packet.Packet) bool {
	return len(p.Payload) > 0 && len(p.Payload) <= MaxPayload && p.Samples > 0 && p.Samples <= math.MaxUint16 && p.FirstSample >= 0
}

// add puts a sendable packet into the message; false when it doesn't fit, by its size or its distance
// from the first.
func (k *packing) add(p *packet.Packet, limit int) bool {
	if len(k.message) == 0 {
		k.number, k.sample = p.Number, p.FirstSample
		k.message = append(append(k.message, kindPackets), p.Publication[:]...)
		k.message = appendNumber(k.message, p.Number)
		k.message = binary.BigEndian.AppendUint64(k.message, uint64(p.FirstSample))
	}
	number, sample := p.Number-k.number, p.FirstSample-k.sample
	if len(k.message) > packetsBytes && len(k.message)+packetBytes+len(p.Payload) > limit ||
		number < 0 || number > math.MaxUint16 || sample < math.MinInt32 || sample > math.MaxInt32 {
		return false
	}
	k.message = binary.BigEndian.AppendUint16(k.message, uint16(number))
	k.message = binary.BigEndian.AppendUint32(k.message, uint32(sample)) // two's complement is meant
	k.message = binary.BigEndian.AppendUint16(k.message, uint16(p.Samples))
	k.message = binary.BigEndian.AppendUint16(k.message, uint16(len(p.Payload)))
	k.message = append(k.message, p.Payload...)
	return true
}

// readPackets calls each with the packets of a message, one after the other, whose payload is borrowed
// from b. It stops at the first that is malformed.
func readPackets(b []byte, each func(*packet.Packet)) error {
	if len(b) < packetsBytes || b[0] != kindPackets {
		return ErrMalformed
	}
	number, sample := readNumber(b[9:]), int64(binary.BigEndian.Uint64(b[14:]))
	p := packet.Packet{Publication: packet.PublicationID(b[1:9])}
	for b = b[packetsBytes:]; len(b) > 0; {
		if len(b) < packetBytes {
			return ErrMalformed
		}
		length := int(binary.BigEndian.Uint16(b[8:]))
		p.Number = number + int64(binary.BigEndian.Uint16(b))
		p.FirstSample = sample + int64(int32(binary.BigEndian.Uint32(b[2:])))
		p.Samples = int(binary.BigEndian.Uint16(b[6:]))
		b = b[packetBytes:]
		if length == 0 || length > MaxPayload || length > len(b) || p.Samples == 0 || p.Number > packet.MaxNumber || p.FirstSample < 0 {
			return ErrMalformed
		}
		p.Payload = b[:length]
		b = b[length:]
		each(&p)
	}
	return nil
}
