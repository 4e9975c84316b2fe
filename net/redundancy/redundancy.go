// Package redundancy protects packets from loss on one link: redundant copies in RED payloads
// (RFC 2198), how many and how far apart (Controller), what a receiver counts (Receiver) and what it
// tells the sender.
//
// Everything here is pure: no network, no clock, no goroutine.
package redundancy

import "errors"

// Bounds of a RED payload.
const (
	maxDepth  = 3 // copies in one packet
	maxSpread = 8 // packets to the oldest copy

	maxBlockBytes  = 1<<10 - 1 // RFC 2198, section 3: ten bits
	maxOffset      = 1<<14 - 1 // samples: fourteen bits
	maxPackedBytes = 1200
	maxBlocks      = 32 // that Unpack takes from somebody else
	blockHeader    = 4  // bytes
)

var errMalformed = errors.New("malformed RED payload")

// Unpack visits the blocks of a RED payload in its order, the oldest first and the packet itself
// last, with its offset 0. offsetSamples is how much earlier a block's first sample is. Blocks are
// borrowed from the payload; empty ones are left out. All must be of one payload type. Nothing is
// visited where the payload is malformed.
func Unpack(payload []byte, visit func(offsetSamples int, block []byte)) error {
	headers, body, err := blockHeaders(payload)
	if err != nil {
		return err
	}
	for ; len(headers) > 1; headers = headers[blockHeader:] {
		offset, length := blockOf(headers)
		if length > 0 {
			visit(offset, body[:length])
		}
		body = body[length:]
	}
	visit(0, body)
	return nil
}

// blockHeaders splits a payload into its checked headers and what follows them.
func blockHeaders(payload []byte) (headers, body []byte, err error) {
	at, total := 0, 0
	for {
		if at >= len(payload) || payload[at]&0x7f != payload[0]&0x7f {
			return nil, nil, errMalformed
		}
		if payload[at]&0x80 == 0 { // the last one: of the packet itself
			break
		}
		if at+blockHeader > len(payload) || at == maxBlocks*blockHeader {
			return nil, nil, errMalformed
		}
		_, length := blockOf(payload[at:])
		total += length
		at += blockHeader
	}
	headers, body = payload[:at+1], payload[at+1:]
	if total >= len(body) { // the packet itself is never empty
		return nil, nil, errMalformed
	}
	return headers, body, nil
}

// blockOf reads one header: a bit, 7 bits of payload type, 14 of offset, 10 of length.
func blockOf(header []byte) (offset, length int) {
	return int(header[1])<<6 | int(header[2])>>2, int(header[2]&3)<<8 | int(header[3])
}
