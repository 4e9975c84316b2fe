package journal

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"gasso/net/packet"
)

// A file is a sequence of records, the first of which is the header. A record is
//
//	CRC-32C (4 bytes, of all that follows) | length of the body (2) | kind (1) | body
//
// with big-endian figures. The body of a header is JSON, that of a packet
//
//	number (5 bytes) | first sample (8) | samples (2) | payload
const (
	recordBytes = 7
	packetBytes = 15
	maxBody     = packetBytes + maxPayload
	maxPayload  = 4000

	kindHeader = 1
	kindPacket = 2

	formatVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header describes a publication: the first record of its file.
type Header struct {
	Version          int                  `json:"version"`
	Room             string               `json:"room"`
	ParticipantID    string               `json:"participantId"`
	Publication      packet.PublicationID `json:"publication"`
	Generation       uint8                `json:"generation"`
	Channels         int                  `json:"channels"`
	FrameSamples     int                  `json:"frameSamples"`
	LookAheadSamples int                  `json:"lookAheadSamples"`
	Music            bool                 `json:"music,omitempty"`
	RoomNS           int64                `json:"roomNs"` // room time at which the file was made
	Created          time.Time            `json:"created"`
}

var errNoHeader = errors.New("the file has no readable header")

// seal fills in length, kind and checksum of a record whose body stands behind recordBytes.
func seal(record []byte, kind byte) {
	binary.BigEndian.PutUint16(record[4:], uint16(len(record)-recordBytes)) // at most maxBody
	record[6] = kind
	binary.BigEndian.PutUint32(record, crc32.Checksum(record[4:], castagnoli))
}

func encodeHeader(h *Header) ([]byte, error) {
	body, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("encode header: %d bytes are too many", len(body))
	}
	record := append(make([]byte, recordBytes, recordBytes+len(body)), body...)
	seal(record, kindHeader)
	return record, nil
}

// storable tells whether a record can carry the packet.
func storable(p *packet.Packet) bool {
	return p.Number >= 0 && p.Number <= packet.MaxNumber && p.Samples > 0 && p.Samples <= math.MaxUint16 &&
		len(p.Payload) > 0 && len(p.Payload) <= maxPayload
}

// encodePacket writes the record of a storable packet, of packetRecord bytes.
func encodePacket(dst []byte, p *packet.Packet) {
	body := dst[recordBytes:]
	body[0] = byte(p.Number >> 32)
	binary.BigEndian.PutUint32(body[1:], uint32(p.Number)) // the low bits are meant
	binary.BigEndian.PutUint64(body[5:], uint64(p.FirstSample))
	binary.BigEndian.PutUint16(body[13:], uint16(p.Samples))
	copy(body[packetBytes:], p.Payload)
	seal(dst, kindPacket)
}

func packetRecord(p *packet.Packet) int { return recordBytes + packetBytes + len(p.Payload) }

func decodePacket(body []byte, p *packet.Packet) bool {
	if len(body) <= packetBytes {
		return false
	}
	p.Number = int64(body[0])<<32 | int64(binary.BigEndian.Uint32(body[1:]))
	p.FirstSample = int64(binary.BigEndian.Uint64(body[5:]))
	p.Samples = int(binary.BigEndian.Uint16(body[13:]))
	p.Payload = body[packetBytes:]
	return p.Samples > 0
}

// Scan is what reading a file found.
type Scan struct {
	Header  Header
	Packets int64 // records of packets, a number that stands there twice counted twice
	Intact  int64 // bytes up to the end of the last whole record
	Damaged int64 // bytes before that which are no record
	Torn    int64 // bytes after it: the last write did not end
}

// scan reads records one after the other and passes packets on, whose payload is borrowed. What is
// damaged is left out: it goes on at the next record that is whole.
func scan(r io.Reader, each func(*packet.Packet, int64) error) (s Scan, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	offset, p := int64(0), packet.Packet{}
	for {
		kind, record, err := nextRecord(b)
		if err != nil {
			return s, err
		}
		if record == nil { // not a record here
			n, err := b.Discard(1)
			offset += int64(n)
			if errors.Is(err, io.EOF) {
				s.Torn = offset - s.Intact
				if s.Header.Version == 0 {
					return s, errNoHeader
				}
				return s, nil
			}
			if err != nil {
				return s, fmt.Errorf("read journal: %w", err)
			}
			continue
		}
		body := record[recordBytes:]
		switch {
		case kind == kindHeader && s.Header.Version == 0:
			if json.Unmarshal(body, &s.Header) != nil || s.Header.Version != formatVersion {
				return s, errNoHeader
			}
			p.Publication, p.Generation = s.Header.Publication, s.Header.Generation
		case kind == kindPacket && s.Header.Version != 0 && decodePacket(body, &p):
			s.Packets++
			if err := each(&p, offset); err != nil {
				return s, err
			}
		}
		s.Damaged += offset - s.Intact
		offset += int64(len(record))
		s.Intact = offset
		if _, err := b.Discard(len(record)); err != nil {
			return s, fmt.Errorf("read journal: %w", err)
		}
	}
}

// nextRecord returns the record that starts here without taking it, nil when none does.
func nextRecord(b *bufio.Reader) (kind byte, record []byte, err error) {
	head, err := b.Peek(recordBytes)
	if err != nil {
		return 0, nil, notEOF(err)
	}
	kind = head[6]
	length := int(binary.BigEndian.Uint16(head[4:]))
	if kind != kindHeader && kind != kindPacket || length == 0 || length > maxBody {
		return 0, nil, nil
	}
	record, err = b.Peek(recordBytes + length)
	if err != nil {
		return 0, nil, notEOF(err)
	}
	if crc32.Checksum(record[4:], castagnoli) != binary.BigEndian.Uint32(record) {
		return 0, nil, nil
	}
	return kind, record, nil
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read journal: %w", err)
}
