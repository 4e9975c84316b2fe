package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"gasso/net/backfill"
	"gasso/net/packet"
)

// A file is a sequence of records: the marker, the length of the body (16 bits), CRC-32C of length and
// body, the body. All figures are big-endian. What is no whole record is passed over up to the next
// marker, so that damage costs no more than what it hit. The first byte of a body is its kind.
const (
	marker      = "GSPL"
	headerBytes = len(marker) + 2 + 4

	kindPublication = 1
	kindPacket      = 2

	publicationBytes = 1 + 8 + 1 + 1 + 1 + 2 + 2
	packetBytes      = 1 + 8 + 1 + 8 + 8 + 2
	maxBody          = packetBytes + MaxPayload
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginRecord appends a header that endRecord fills.
func beginRecord(dst []byte) []byte {
	dst = append(dst, marker...)
	return append(dst, 0, 0, 0, 0, 0, 0)
}

// endRecord completes the record that begins at from and ends with dst.
func endRecord(dst []byte, from int) []byte {
	head, body := dst[from:], dst[from+headerBytes:]
	binary.BigEndian.PutUint16(head[len(marker):], uint16(len(body)))
	binary.BigEndian.PutUint32(head[len(marker)+2:], checksum(head, body))
	return dst
}

func checksum(head, body []byte) uint32 {
	sum := crc32.Update(0, castagnoli, head[len(marker):len(marker)+2])
	return crc32.Update(sum, castagnoli, body)
}

func appendPublication(dst []byte, h *backfill.Have) []byte {
	from := len(dst)
	dst = append(append(beginRecord(dst), kindPublication), h.Publication[:]...)
	music := byte(0)
	if h.Music {
		music = 1
	}
	dst = append(dst, h.Generation, h.Channels, music)
	dst = binary.BigEndian.AppendUint16(dst, h.FrameSamples)
	return endRecord(binary.BigEndian.AppendUint16(dst, h.LookAheadSamples), from)
}

func readPublication(body []byte) (h backfill.Have, ok bool) {
	if len(body) != publicationBytes || body[0] != kindPublication {
		return h, false
	}
	h = backfill.Have{
		Publication: packet.PublicationID(body[1:9]), Generation: body[9], Channels: body[10], Music: body[11] != 0,
		FrameSamples: binary.BigEndian.Uint16(body[12:]), LookAheadSamples: binary.BigEndian.Uint16(body[14:]),
	}
	return h, h.FrameSamples > 0 && h.Channels >= 1 && h.Channels <= 2
}

func appendPacket(dst []byte, p *packet.Packet) []byte {
	from := len(dst)
	dst = append(append(beginRecord(dst), kindPacket), p.Publication[:]...)
	dst = append(dst, p.Generation)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Number))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.FirstSample)) // two's complement is meant
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.Samples))
	return endRecord(append(dst, p.Payload...), from)
}

// readPacket reads a packet whose payload lies in body.
func readPacket(body []byte, p *packet.Packet) bool {
	if len(body) <= packetBytes || body[0] != kindPacket {
		return false
	}
	*p = packet.Packet{
		Publication: packet.PublicationID(body[1:9]), Generation: body[9],
		Number: int64(binary.BigEndian.Uint64(body[10:])), FirstSample: int64(binary.BigEndian.Uint64(body[18:])),
		Samples: int(binary.BigEndian.Uint16(body[26:])), Payload: body[packetBytes:],
	}
	return p.Number >= 0 && p.Number <= packet.MaxNumber && p.Samples > 0
}

// nextRecord finds the first whole record of b: its body, where it begins and where it ends. Without
// one the body is nil.
func nextRecord(b []byte) (body []byte, from, end int) {
	for {
		at := bytes.Index(b[from:], []byte(marker))
		if at < 0 || from+at+headerBytes > len(b) {
			return nil, len(b), len(b)
		}
		from += at
		head := b[from:]
		length := int(binary.BigEndian.Uint16(head[len(marker):]))
		if length > 0 && length <= maxBody && headerBytes+length <= len(head) {
			body = head[headerBytes:][:length]
			if checksum(head, body) == binary.BigEndian.Uint32(head[len(marker)+2:]) {
				return body, from, from + headerBytes + length
			}
		}
		from++
	}
}
