package peer

import (
	"testing"
	"time"

	"github.com/pion/rtp"
)

func TestReceiverReportCountsLossAcrossTheWrap(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var a arrivals
	first := uint16(65530)
	for i := range uint16(100) {
		if i%10 == 9 {
			continue
		}
		a.take(&rtp.Header{SequenceNumber: first + i, Timestamp: uint32(i) * 240}, now.Add(time.Duration(i)*5*time.Millisecond))
	}
	heard := &heardReport{middle: 7, at: now}
	r := a.block(3, heard, now.Add(time.Second/2))
	if r.SSRC != 3 || r.LastSequenceNumber != 1<<16+uint32(first+98) || r.TotalLost != 9 || r.FractionLost != 9*256/99 {
		t.Errorf("report of 9 lost of 99: %+v", r)
	}
	if r.LastSenderReport != 7 || r.Delay != 65536/2 || r.Jitter != 0 {
		t.Errorf("report of an even stream half a second after the sender's: %+v", r)
	}
	for i := uint16(100); i < 110; i++ {
		a.take(&rtp.Header{SequenceNumber: first + i, Timestamp: uint32(i) * 240}, now.Add(time.Duration(i)*5*time.Millisecond))
	}
	if r := a.block(3, nil, now); r.FractionLost != 256/11 || r.TotalLost != 10 || r.LastSenderReport != 0 {
		t.Errorf("report of 1 lost of 11: %+v", r)
	}
	a.take(&rtp.Header{SequenceNumber: first + 109, Timestamp: 109 * 240}, now.Add(545*time.Millisecond))
	if r := a.block(3, nil, now); r.FractionLost != 0 || r.TotalLost != 9 { // RFC 3550: duplicates count as received
		t.Errorf("report of a duplicate: %+v", r)
	}
}

func TestReceiverReportMeasuresJitter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var a arrivals
	for i := range 400 {
		late := time.Duration(i%2) * 4 * time.Millisecond
		a.take(&rtp.Header{SequenceNumber: uint16(i), Timestamp: uint32(i) * 240}, now.Add(time.Duration(i)*5*time.Millisecond+late))
	}
	if r := a.block(1, nil, now); r.Jitter < 190 || r.Jitter > 193 {
		t.Errorf("jitter of 4 ms is reported as %d samples", r.Jitter)
	}
}

func TestSenderReport(t *testing.T) {
	track := newLocalTrack(NewPublisher("anna"), &Link{factory: &Factory{}})
	now := time.Unix(1_800_000_000, 250_000_000)
	at := written(4_294_967_290, now)
	if track.senderReport(at, now) != nil {
		t.Error("a report before the first packet")
	}
	track.header.SSRC = 9
	track.sent.Store(3)
	track.octets.Store(500)
	r := track.senderReport(at, now.Add(10*time.Millisecond))
	if r.SSRC != 9 || r.PacketCount != 3 || r.OctetCount != 500 || r.RTPTime != 474 { // 10 ms are 480 samples
		t.Errorf("report is %+v", r)
	}
	if r.NTPTime>>32 != 1_800_000_000+ntpUnixSeconds || uint32(r.NTPTime)>>16 != 17039 { // 0.26 s
		t.Errorf("NTP time is %x", r.NTPTime)
	}
}
