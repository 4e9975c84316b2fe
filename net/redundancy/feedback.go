package redundancy

import (
	"encoding/binary"
	"errors"
)

// Feedback from the receiver of a track to its sender is an RTCP APP packet (RFC 3550, section 6.7)
// whose SSRC is the track's. These are its name and subtypes.
const (
	AppName     = "GSSO"
	AppTotals   = 1 // data: Totals
	AppRequests = 2 // data: one Request or more
	AppDecline  = 3 // data: milliseconds for which nothing need be sent, of 32 bits, big-endian
)

const (
	totalsBytes   = 28
	requestBytes  = 8
	maxRequests   = 8
	totalsJump    = 1 << 14 // packets between two reports of one stream
	maxNumber     = int64(1)<<40 - 1
	requestsAfter = 16 // numbers that a request can name beyond its first
)

var errFeedback = errors.New("malformed feedback")

// Totals are a receiver's counts since it began, modulo 2^32, so that a report that gets lost does no
// harm. The fields are those of Report.
type Totals struct {
	Expected, Missing, RawLost uint32
	Bursts                     [4]uint32
}

// Append writes the totals as the data of an APP packet: Expected, Missing, RawLost and Bursts, each
// of 32 bits, big-endian.
func (t *Totals) Append(dst []byte) []byte {
	for _, v := range [...]uint32{t.Expected, t.Missing, t.RawLost, t.Bursts[0], t.Bursts[1], t.Bursts[2], t.Bursts[3]} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// ParseTotals reads what Append wrote.
func ParseTotals(data []byte) (t Totals, err error) {
	if len(data) != totalsBytes {
		return t, errFeedback
	}
	for i, field := range [...]*uint32{&t.Expected, &t.Missing, &t.RawLost, &t.Bursts[0], &t.Bursts[1], &t.Bursts[2], &t.Bursts[3]} {
		*field = binary.BigEndian.Uint32(data[4*i:])
	}
	return t, nil
}

// Since is the report between two totals; false where they cannot be of one receiver.
func (t *Totals) Since(before *Totals) (Report, bool) {
	r := Report{
		Expected: int(t.Expected - before.Expected),
		Missing:  int(t.Missing - before.Missing),
		RawLost:  int(t.RawLost - before.RawLost),
	}
	runs := 0
	for i := range r.Bursts {
		r.Bursts[i] = int(t.Bursts[i] - before.Bursts[i])
		if r.Bursts[i] > totalsJump {
			return Report{}, false
		}
		runs += r.Bursts[i]
	}
	// What is missing is told at another moment than what was expected, and a run when it has ended.
	const late = 4096
	ok := r.Expected <= totalsJump && r.Missing <= r.Expected+late && r.RawLost <= r.Expected && runs <= r.Expected+late
	return r, ok
}

// Request asks for packets to be sent again: First, and those after it whose bit is set in After
// (bit 0 is First + 1).
type Request struct {
	Generation uint8
	First      int64
	After      uint16
}

// Append writes the request into the data of an APP packet: generation, 40 bits of First, After,
// big-endian.
func (r *Request) Append(dst []byte) []byte {
	dst = append(dst, r.Generation, byte(r.First>>32))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.First)) // the low bits are meant
	return binary.BigEndian.AppendUint16(dst, r.After)
}

// ParseRequests visits the requests in the data of an APP packet, at most 8.
func ParseRequests(data []byte, visit func(Request)) error {
	if len(data) == 0 || len(data)%requestBytes != 0 || len(data) > maxRequests*requestBytes {
		return errFeedback
	}
	for ; len(data) > 0; data = data[requestBytes:] {
		visit(Request{
			Generation: data[0],
			First:      int64(data[1])<<32 | int64(binary.BigEndian.Uint32(data[2:])),
			After:      binary.BigEndian.Uint16(data[6:]),
		})
	}
	return nil
}

// Visit names the numbers that are asked for.
func (r *Request) Visit(visit func(number int64)) {
	visit(r.First)
	for i := range int64(requestsAfter) {
		if r.After>>i&1 != 0 {
			visit(r.First + 1 + i)
		}
	}
}

// AppendRequests writes requests for ascending numbers of one publication, as many as one APP packet
// takes; what lies beyond is not asked for.
func AppendRequests(dst []byte, generation uint8, numbers []int64) []byte {
	for n := 0; n < maxRequests && len(numbers) > 0; n++ {
		r := Request{Generation: generation, First: numbers[0]}
		if r.First < 0 || r.First > maxNumber {
			return dst
		}
		numbers = numbers[1:]
		for len(numbers) > 0 && numbers[0] > r.First && numbers[0] <= r.First+requestsAfter {
			r.After |= 1 << (numbers[0] - r.First - 1)
			numbers = numbers[1:]
		}
		dst = r.Append(dst)
	}
	return dst
}
