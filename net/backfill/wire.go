// Package backfill sends later what could not be sent in time: the app keeps its encoded packets, the
// server says which numbers it lacks, and the app sends them beside live media.
//
// Sender is the app's side, Requester the server's. Both are state machines without I/O; time is a
// parameter. Messages are binary, one in each message of a reliable data channel, the first byte is the
// kind, all figures are big-endian. docs/protocol.md describes them with examples.
package backfill

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"gasso/net/packet"
)

// MaxMessage bounds a message in bytes.
const MaxMessage = 16 << 10

// MaxPayload bounds the payload of a packet in bytes.
const MaxPayload = 4000

// ErrMalformed is returned for a message that is not one of this protocol.
var ErrMalformed = errors.New("backfill message is malformed")

// First bytes of messages.
const (
	kindHave    = 1
	kindWant    = 2
	kindPackets = 3
	kindGone    = 4
	kindDurable = 5
)

const (
	idBytes      = 8
	numberBytes  = 5
	rangeBytes   = 2 * numberBytes
	haveBytes    = 34
	wantBytes    = 1 + idBytes + 1 + 4 + 4
	packetsBytes = 1 + idBytes + numberBytes + 8
	packetBytes  = 2 + 4 + 2 + 2
	goneBytes    = 1 + idBytes
	durableBytes = 1 + idBytes + 1
)

// Flags of the messages.
const (
	haveMusic       = 1
	haveEnded       = 2
	wantProgram     = 1
	wantArchive     = 2
	durableDeclined = 1
)

// maxMessageRanges is how many ranges fit into any message.
const maxMessageRanges = (MaxMessage - wantBytes) / rangeBytes

// Have tells the server which packets of a publication the app holds, and describes the publication
// for a server that knows nothing of it.
type Have struct {
	Publication      packet.PublicationID
	Generation       uint8
	Channels         uint8
	Music            bool
	Ended            bool // there will be no number above Last
	FrameSamples     uint16
	LookAheadSamples uint16
	First, Last      int64 // numbers; some between them may be gone
	LastSample       int64 // first sample of packet Last
}

// want asks for ranges. Program: while first sample + Delay is still to come, in that order before
// everything else. Archive: at any time.
type want struct {
	publication      packet.PublicationID
	program, archive bool
	delay            time.Duration // whole ms
	rate             int           // bytes a second that the server takes at most
	ranges           []Range
}

// gone are ranges that the app doesn't hold any more.
type gone struct {
	publication packet.PublicationID
	ranges      []Range
}

// durable are ranges that the app may forget: the server has them on disk or, declined, wants them never.
type durable struct {
	publication packet.PublicationID
	declined    bool
	ranges      []Range
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func appendNumber(dst []byte, number int64) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(number>>32)), uint32(number)) // the low bits are meant
}

func readNumber(b []byte) int64 {
	return int64(b[0])<<32 | int64(binary.BigEndian.Uint32(b[1:]))
}

func appendRanges(dst []byte, ranges []Range) []byte {
	for _, r := range ranges[:min(len(ranges), maxMessageRanges)] {
		dst = appendNumber(appendNumber(dst, r.First), r.Last)
	}
	return dst
}

// readRanges appends the ranges to dst; they must fill b.
func readRanges(b []byte, dst []Range) ([]Range, error) {
	if len(b)%rangeBytes != 0 {
		return nil, ErrMalformed
	}
	for ; len(b) > 0; b = b[rangeBytes:] {
		r := Range{readNumber(b), readNumber(b[numberBytes:])}
		if !r.valid() {
			return nil, ErrMalformed
		}
		dst = append(dst, r)
	}
	return dst, nil
}

func (h *Have) append(dst []byte) []byte {
	dst = append(append(dst, kindHave), h.Publication[:]...)
	dst = append(dst, h.Generation, h.Channels, flag(h.Music, haveMusic)|flag(h.Ended, haveEnded))
	dst = binary.BigEndian.AppendUint16(dst, h.FrameSamples)
	dst = binary.BigEndian.AppendUint16(dst, h.LookAheadSamples)
	dst = appendNumber(appendNumber(dst, h.First), h.Last)
	return binary.BigEndian.AppendUint64(dst, uint64(h.LastSample))
}

func readHave(b []byte) (h Have, err error) {
	if len(b) != haveBytes || b[0] != kindHave {
		return h, ErrMalformed
	}
	h = Have{
		Publication: packet.PublicationID(b[1:9]), Generation: b[9], Channels: b[10],
		Music: b[11]&haveMusic != 0, Ended: b[11]&haveEnded != 0,
		FrameSamples: binary.BigEndian.Uint16(b[12:]), LookAheadSamples: binary.BigEndian.Uint16(b[14:]),
		First: readNumber(b[16:]), Last: readNumber(b[21:]), LastSample: int64(binary.BigEndian.Uint64(b[26:])),
	}
	if !(Range{h.First, h.Last}).valid() || h.FrameSamples == 0 || h.Channels < 1 || h.Channels > 2 {
		return h, ErrMalformed
	}
	return h, nil
}

func (w *want) append(dst []byte) []byte {
	dst = append(append(dst, kindWant), w.publication[:]...)
	dst = append(dst, flag(w.program, wantProgram)|flag(w.archive, wantArchive))
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(max(w.delay.Milliseconds(), 0), math.MaxUint32)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(max(w.rate, 0), math.MaxUint32)))
	return appendRanges(dst, w.ranges)
}

func readWant(b []byte, room []Range) (w want, err error) {
	if len(b) < wantBytes || b[0] != kindWant {
		return w, ErrMalformed
	}
	w = want{
		publication: packet.PublicationID(b[1:9]),
		program:     b[9]&wantProgram != 0, archive: b[9]&wantArchive != 0,
		delay: time.Duration(binary.BigEndian.Uint32(b[10:])) * time.Millisecond,
		rate:  int(binary.BigEndian.Uint32(b[14:])),
	}
	w.ranges, err = readRanges(b[wantBytes:], room)
	return w, err
}

func (g *gone) append(dst []byte) []byte {
	return appendRanges(append(append(dst, kindGone), g.publication[:]...), g.ranges)
}

func readGone(b []byte, room []Range) (g gone, err error) {
	if len(b) < goneBytes || b[0] != kindGone {
		return g, ErrMalformed
	}
	g.publication = packet.PublicationID(b[1:9])
	g.ranges, err = readRanges(b[goneBytes:], room)
	return g, err
}

func (d *durable) append(dst []byte) []byte {
	dst = append(append(dst, kindDurable), d.publication[:]...)
	return appendRanges(append(dst, flag(d.declined, durableDeclined)), d.ranges)
}

func readDurable(b []byte, room []Range) (d durable, err error) {
	if len(b) < durableBytes || b[0] != kindDurable {
		return d, ErrMalformed
	}
	d.publication, d.declined = packet.PublicationID(b[1:9]), b[9]&durableDeclined != 0
	d.ranges, err = readRanges(b[durableBytes:], room)
	return d, err
}
