// Package packet is the identity of an encoded audio packet and its mapping to RTP.
//
// A packet is known by its publication (the packets of one encoder's life), its number and the room
// time of its first sample. The RTP time stamp carries the low bits of the latter, a header extension
// the rest; sequence number, SSRC, payload type and extension ids belong to a link and are never
// identity. The sequence number cannot be: it must go on rising when a new publication starts again
// from 0 on the same SSRC (RFC 3711, section 3.3.1).
package packet

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// SampleRate is the rate of every publication in samples a second.
const SampleRate = 48000

// ExtensionURI names the RTP header extension (RFC 8285) that carries what the RTP header has no room for.
const ExtensionURI = "urn:gasso:rtp-hdrext:packet-identity"

// ExtensionSize is the length of the extension's payload in bytes.
const ExtensionSize = 6

// MaxNumber is the highest packet number that the wire can carry (40 bits).
const MaxNumber = int64(1)<<40 - 1

var errExtension = fmt.Errorf("packet identity extension must have %d bytes", ExtensionSize)

// PublicationID names one encoder's life. It is random and never reused.
type PublicationID [8]byte

// NewPublicationID draws a publication id.
func NewPublicationID() (id PublicationID) {
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	return id
}

// ParsePublicationID reads the 16 hexadecimal digits that String writes.
func ParsePublicationID(s string) (id PublicationID, err error) {
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("publication id must have %d hexadecimal digits", 2*len(id))
	}
	if _, err = hex.Decode(id[:], []byte(s)); err != nil {
		return PublicationID{}, fmt.Errorf("read publication id: %w", err)
	}
	return id, nil
}

// String returns the id as 16 hexadecimal digits.
func (id PublicationID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText is String for JSON.
func (id PublicationID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParsePublicationID for JSON.
func (id *PublicationID) UnmarshalText(b []byte) (err error) {
	*id, err = ParsePublicationID(string(b))
	return err
}

// Packet is one encoded packet. Payload is borrowed until the call that takes it returns.
type Packet struct {
	Publication PublicationID
	Generation  uint8 // low byte of the publisher's count of publications; the publication's name on the wire
	Number      int64 // 0, 1, 2, ... within the publication, without holes
	FirstSample int64 // room time of the first decoded sample, in samples at 48 kHz; DTX leaves holes here
	Samples     int   // per channel
	Payload     []byte
}

// Timestamp is the packet's RTP time stamp at 48 kHz.
func (p *Packet) Timestamp() uint32 { return uint32(p.FirstSample) } // the low bits are meant

// PutExtension writes the payload of the packet identity extension: the generation, then the 40 bits
// of the number, big-endian.
func (p *Packet) PutExtension(dst *[ExtensionSize]byte) {
	dst[0], dst[1] = p.Generation, byte(p.Number>>32)
	binary.BigEndian.PutUint32(dst[2:], uint32(p.Number)) // the low bits are meant
}

// SetIdentity fills Generation, Number and FirstSample from what one RTP packet carried. near is the
// receiver's idea of room time in samples; it decides the high bits of the first sample and may be
// off by up to twelve hours.
func (p *Packet) SetIdentity(extension []byte, timestamp uint32, near int64) error {
	if len(extension) != ExtensionSize {
		return errExtension
	}
	p.Generation = extension[0]
	p.Number = int64(extension[1])<<32 | int64(binary.BigEndian.Uint32(extension[2:]))
	p.FirstSample = UnwrapSample(timestamp, near)
	return nil
}

// UnwrapSample returns the sample position nearest to near whose low 32 bits are timestamp.
func UnwrapSample(timestamp uint32, near int64) int64 {
	return near + int64(int32(timestamp-uint32(near))) // modular arithmetic is meant
}
