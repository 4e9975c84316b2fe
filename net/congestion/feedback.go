package congestion

import (
	"encoding/binary"
	"time"
)

// IsFeedback tells whether one RTCP packet, header included, is transport-wide feedback.
func IsFeedback(packet []byte) bool {
	return len(packet) >= 2 && packet[0]&0x1f == feedbackFormat && packet[1] == feedbackType
}

// feedback is a checked feedback packet.
type feedback struct {
	base      uint16
	count     int
	reference int64 // of 64 ms, 24 bits
	chunks    []byte
	deltas    []byte
}

// parseFeedback checks a whole RTCP packet, so that walking it cannot fail.
func parseFeedback(packet []byte) (f feedback, err error) {
	if len(packet) < feedbackHeader || !IsFeedback(packet) || packet[0]>>6 != 2 ||
		len(packet) != 4*(int(binary.BigEndian.Uint16(packet[2:]))+1) {
		return f, errFeedback
	}
	f.base = binary.BigEndian.Uint16(packet[12:])
	f.count = int(binary.BigEndian.Uint16(packet[14:]))
	f.reference = int64(packet[16])<<16 | int64(packet[17])<<8 | int64(packet[18])
	if f.count == 0 || f.count > ringLength {
		return f, errFeedback
	}
	body := packet[feedbackHeader:]
	chunks, bytes := 0, 0
	for told := 0; told < f.count; chunks++ {
		if 2*chunks+2 > len(body) {
			return f, errFeedback
		}
		n := eachStatus(binary.BigEndian.Uint16(body[2*chunks:]), f.count-told, func(status byte) { bytes += int(status) })
		if n <= 0 || bytes > 2*f.count {
			return f, errFeedback
		}
		told += n
	}
	if 2*chunks+bytes > len(body) {
		return f, errFeedback
	}
	f.chunks, f.deltas = body[:2*chunks], body[2*chunks:2*chunks+bytes]
	return f, nil
}

// eachStatus visits up to most statuses of a chunk and returns their number; -1 for the reserved status.
func eachStatus(chunk uint16, most int, visit func(status byte)) int {
	bits, length := 1, vectorOneBit
	switch {
	case chunk&0x8000 == 0:
		status, run := byte(chunk>>13&3), min(int(chunk&maxRun), most)
		if status > statusLarge {
			return -1
		}
		for range run {
			visit(status)
		}
		return run
	case chunk&0x4000 != 0:
		bits, length = 2, vectorTwoBit
	}
	length = min(length, most)
	for i := range length {
		status := byte(chunk >> (14 - bits*(i+1)) & (1<<bits - 1))
		if status > statusLarge {
			return -1
		}
		visit(status)
	}
	return length
}

// walk visits every packet that the feedback tells of; at is in the receiver's time since the reference.
func (f *feedback) walk(visit func(number uint16, came bool, at time.Duration)) {
	number, at, deltas := f.base, time.Duration(0), f.deltas
	for told, c := 0, 0; told < f.count; c += 2 {
		told += eachStatus(binary.BigEndian.Uint16(f.chunks[c:]), f.count-told, func(status byte) {
			switch status {
			case statusSmall:
				at += time.Duration(deltas[0]) * deltaUnit
				deltas = deltas[1:]
			case statusLarge:
				at += time.Duration(int16(binary.BigEndian.Uint16(deltas))) * deltaUnit // two's complement
				deltas = deltas[2:]
			}
			visit(number, status != statusLost, at)
			number++
		})
	}
}
