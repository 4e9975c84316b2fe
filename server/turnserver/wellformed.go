package turnserver

import (
	"encoding/binary"
	"errors"
	"runtime/debug"
)

// pion reads sockets on goroutines of its own, where nobody could recover a panic. So what reaches it has
// been looked at here: it is a request or an indication (RFC 8489, section 5) whose attributes have the
// sizes that they must have (RFC 8489, section 14; RFC 8656, section 18), or ChannelData (RFC 8656,
// section 12.4), and whole.

const (
	maxMessage  = 1596 // bytes; pion takes less than 1600
	stunHeader  = 20
	stunCookie  = 0x2112A442
	classAnswer = 0x0100 // set in success and error responses, which nobody may send to a server
	channelHead = 4
	channelMask = 0xc000
	channelBits = 0x4000 // also channels above 0x4fff, which RFC 5766 had
)

var (
	errMalformed = errors.New("message is malformed")
	errPanicked  = errors.New("the relay made a mistake")
)

// recovered keeps a mistake over one message from ending the server. It is deferred by what pion calls.
func (s *Server) recovered() {
	if p := recover(); p != nil && s.counts.panics.Add(1) == 1 {
		s.log.Error("relay panicked", "panic", p, "stack", string(debug.Stack()))
	}
}

// streamedBytes is how many bytes a message on a stream has that begins with these four, more than
// maxMessage when it is none.
func streamedBytes(head []byte) int {
	size := int(binary.BigEndian.Uint16(head[2:]))
	switch head[0] >> 6 {
	case 0:
		return stunHeader + size
	case 1:
		return channelHead + (size+3)&^3
	}
	return maxMessage + 1
}

// wellFormed tells whether a datagram, or a message of a stream, may be looked at.
func wellFormed(b []byte) bool {
	if len(b) < channelHead || len(b) > maxMessage {
		return false
	}
	kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if kind&channelMask == channelBits {
		padding := len(b) - channelHead - size
		return padding >= 0 && padding <= 3
	}
	if kind>>14 != 0 || kind&classAnswer != 0 || len(b) != stunHeader+size || size%4 != 0 || len(b) < stunHeader || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return false
	}
	for b = b[stunHeader:]; len(b) > 0; {
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		padded := 4 + (size+3)&^3
		if padded > len(b) || !attributeFits(kind, b[4:4+size]) {
			return false
		}
		b = b[padded:]
	}
	return true
}

// attributeFits tells whether an attribute has a size that it may have.
func attributeFits(kind uint16, value []byte) bool {
	switch kind {
	case 0x0012: // XOR-PEER-ADDRESS: of IPv4 or IPv6
		return len(value) == 8 && value[1] == 1 || len(value) == 20 && value[1] == 2
	case 0x000c, 0x000d, 0x0017, 0x0019, 0x002a, 0x8028: // CHANNEL-NUMBER, LIFETIME, both REQUESTED-, CONNECTION-ID, FINGERPRINT
		return len(value) == 4
	case 0x0022: // RESERVATION-TOKEN
		return len(value) == 8
	case 0x0018: // EVEN-PORT
		return len(value) == 1
	case 0x0008: // MESSAGE-INTEGRITY
		return len(value) == 20
	case 0x0006: // USERNAME
		return len(value) < 513
	case 0x0014, 0x0015: // REALM, NONCE
		return len(value) <= 763
	}
	return true
}
