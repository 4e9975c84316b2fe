package peer

import (
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"gasso/net/packet"
)

// Sender and receiver reports (RFC 3550, section 6.4), without interceptors: those cost a packet for
// each track and second and a lock for each packet. Here all tracks of a link are in one packet, and a
// receiver's report goes with what it tells the sender anyway.

const (
	senderReportEvery  = 5 * time.Second // section 6.2: the shortest recommended interval
	receiverReportEach = 4               // reports of our own: once a second
	ntpUnixSeconds     = 2_208_988_800   // from 1900 to 1970
)

// ntpTime is a moment in seconds since 1900, with 32 bits of fraction.
func ntpTime(t time.Time) uint64 {
	seconds := uint64(t.Unix()) + ntpUnixSeconds
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// sendReports tells the other side how far each track is.
func (l *Link) sendReports(now time.Time) error {
	var reports []rtcp.Packet
	for p, a := range l.tracks {
		if r := a.track.senderReport(p.written.Load(), now); r != nil {
			reports = append(reports, r)
		}
	}
	if len(reports) == 0 {
		return nil
	}
	return l.pc.WriteRTCP(reports)
}

// written packs when a publisher wrote last: the RTP time stamp, then the low bits of the microseconds.
func written(timestamp uint32, now time.Time) uint64 {
	return uint64(timestamp)<<32 | uint64(uint32(now.UnixMicro()))
}

// senderReport is nil before the first packet.
func (t *localTrack) senderReport(written uint64, now time.Time) *rtcp.SenderReport {
	sent := t.sent.Load()
	if sent == 0 {
		return nil
	}
	since := uint32(now.UnixMicro()) - uint32(written) // modulo 2^32, more than an hour
	return &rtcp.SenderReport{
		SSRC: t.header.SSRC, NTPTime: ntpTime(now),
		RTPTime:     uint32(written>>32) + uint32(uint64(since)*packet.SampleRate/1e6),
		PacketCount: uint32(sent), OctetCount: uint32(t.octets.Load()),
	}
}

// arrivals is what a receiver report tells of one track. One goroutine at a time.
type arrivals struct {
	known                     bool
	base, highest             uint32 // sequence numbers with the count of their cycles
	received                  uint32
	toldExpected, toldArrived uint32
	transit                   uint32
	jitter                    float64 // samples
}

// take notes a packet (RFC 3550, appendices A.1, A.3 and A.8).
func (a *arrivals) take(h *rtp.Header, arrival time.Time) {
	local := uint32(arrival.UnixMicro() * packet.SampleRate / 1e6) // modulo 2^32 is meant
	transit := local - h.Timestamp
	if !a.known {
		*a = arrivals{known: true, base: uint32(h.SequenceNumber), highest: uint32(h.SequenceNumber), transit: transit}
	}
	a.received++
	if ahead := h.SequenceNumber - uint16(a.highest); ahead < 1<<15 {
		a.highest += uint32(ahead)
	}
	d := int32(transit - a.transit)
	a.transit = transit
	a.jitter += (max(float64(d), -float64(d)) - a.jitter) / 16
}

// block is the report until now.
func (a *arrivals) block(ssrc uint32, heard *heardReport, now time.Time) rtcp.ReceptionReport {
	expected := a.highest - a.base + 1
	lost := int64(expected) - int64(a.received)
	expectedNow, arrivedNow := expected-a.toldExpected, a.received-a.toldArrived
	a.toldExpected, a.toldArrived = expected, a.received
	r := rtcp.ReceptionReport{
		SSRC: ssrc, LastSequenceNumber: a.highest, Jitter: uint32(a.jitter),
		TotalLost: uint32(min(max(0, lost), 1<<23-1)),
	}
	if lostNow := int64(expectedNow) - int64(arrivedNow); lostNow > 0 {
		r.FractionLost = uint8(min(255, lostNow*256/int64(expectedNow)))
	}
	if heard != nil {
		r.LastSenderReport = heard.middle
		r.Delay = uint32(now.Sub(heard.at).Seconds() * 65536)
	}
	return r
}

// heardReport is the sender's last report.
type heardReport struct {
	middle uint32 // of its NTP time
	at     time.Time
}

// takeSenderReports keeps when the sender reported last.
func (s *Subscriber) takeSenderReports(compound []byte, now time.Time) error {
	reports, err := rtcp.Unmarshal(compound)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r, ok := r.(*rtcp.SenderReport); ok && r.SSRC == uint32(s.track.SSRC()) {
			s.heard.Store(&heardReport{middle: uint32(r.NTPTime >> 16), at: now})
		}
	}
	return nil
}
