package clocksync

import (
	"encoding/binary"
	"errors"
)

// Clock pings on a data channel: a type byte, then figures of 64 bits, big-endian. A side ignores what
// it cannot read.
const (
	typePing  = 1 // id
	typePong  = 2 // id, room time at receipt, room time at answer
	pingBytes = 1 + 8
	pongBytes = 1 + 3*8
)

var errNotClock = errors.New("not a clock message")

// AppendPing appends the question for room time; the answer carries its id.
func AppendPing(b []byte, id int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, typePing), uint64(id))
}

// ParsePing reads a question.
func ParsePing(b []byte) (id int64, err error) {
	if len(b) != pingBytes || b[0] != typePing {
		return 0, errNotClock
	}
	return int64(binary.BigEndian.Uint64(b[1:])), nil
}

// AppendPong appends the answer: room time in nanoseconds at the receipt of the question and at the answer.
func AppendPong(b []byte, id, receivedNS, answeredNS int64) []byte {
	b = append(b, typePong)
	for _, v := range [...]int64{id, receivedNS, answeredNS} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// ParsePong reads an answer.
func ParsePong(b []byte) (id, receivedNS, answeredNS int64, err error) {
	if len(b) != pongBytes || b[0] != typePong {
		return 0, 0, 0, errNotClock
	}
	figure := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[1+8*i:])) }
	return figure(0), figure(1), figure(2), nil
}
