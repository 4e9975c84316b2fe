package peer

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"gasso/net/packet"
	"gasso/net/redundancy"
)

const (
	reportEvery   = 250 * time.Millisecond
	feedbackQueue = 8
)

// reception is what Subscriber.Run keeps between packets.
type reception struct {
	*Subscriber
	deliver     func(*packet.Packet, time.Time)
	extensionID uint8
	redType     uint8     // 0: none was negotiated
	types       [128]bool // payload types that were negotiated
	wide        wideReceiver

	arrivals arrivals
	told     int // reports

	header   rtp.Header
	packet   packet.Packet
	received redundancy.Receiver
	gaps     redundancy.Gaps
	fetched  uint32 // packets that came because gaps were asked for
	reported time.Time
	missed   int64  // what the residual was at the last report
	missing  uint32 // of it since this track began
}

// take delivers what one RTP packet brings. It does not allocate but for a report.
func (r *reception) take(buf []byte, arrival time.Time, near int64) {
	if near <= 0 {
		r.noClock.Add(1)
		return
	}
	if len(buf) < 2 || !r.types[buf[1]&0x7f] {
		r.malformed.Add(1)
		return
	}
	err := packetFromRTP(&r.packet, &r.header, buf, r.extensionID, r.redType, near)
	if err == nil {
		r.arrivals.take(&r.header, arrival)
	}
	switch {
	case errors.Is(err, errNoIdentity):
		r.unidentified.Add(1)
	case err != nil:
		r.malformed.Add(1)
	case r.packet.Samples == 0:
		r.takeRED(arrival)
	default:
		r.takeOne(r.header.Marker, arrival)
	}
	r.wide.take(r, arrival)
	r.report(arrival)
}

// takeRED delivers the copies in a RED payload, then the packet itself.
func (r *reception) takeRED(arrival time.Time) {
	newest := r.packet
	err := redundancy.Unpack(newest.Payload, func(offset int, block []byte) {
		samples, ok := opusSamples(block)
		if !ok || offset%samples != 0 {
			r.malformed.Add(1)
			return
		}
		r.packet = newest
		r.packet.Number -= int64(offset / samples)
		r.packet.FirstSample -= int64(offset)
		r.packet.Samples, r.packet.Payload = samples, block
		r.takeOne(offset > 0 || r.header.Marker, arrival)
	})
	if err != nil {
		r.malformed.Add(1)
	}
}

// takeOne delivers a packet that is not a duplicate. One bad packet does not end the track.
func (r *reception) takeOne(copied bool, arrival time.Time) {
	if !r.received.Take(r.packet.Generation, r.packet.Number, copied) {
		return
	}
	r.ask(r.packet.Generation, r.packet.Number)
	defer r.recoverDelivery()
	r.deliver(&r.packet, arrival)
	r.delivered.Add(1)
}

// ask asks for what is missing before a fresh packet, where that was wished.
func (r *reception) ask(generation uint8, number int64) {
	asking := r.asking.Load()
	if asking == nil {
		return
	}
	if r.header.Marker {
		r.fetched++
	}
	if missing := r.gaps.Look(&r.received, generation, number, r.header.Marker); len(missing) > 0 && (*asking)() {
		r.Request(generation, missing)
	}
}

// recoverDelivery is deferred around what a packet leads to: one bad packet does not end the process.
func (s *Subscriber) recoverDelivery() {
	if p := recover(); p != nil && s.panics.Add(1) == 1 {
		s.log.Error("deliver packet panicked", "origin", s.streamID, "panic", p, "stack", string(debug.Stack()))
	}
}

// report tells the sender about four times a second what came and what did not.
func (r *reception) report(now time.Time) {
	if since := now.Sub(r.reported); since < reportEvery || since < sparingReports && r.spares() {
		return
	}
	first := r.reported.IsZero()
	r.reported = now
	r.repaired.Store(r.received.Repaired())
	totals := r.received.Totals()
	totals.Missing += r.fetched // too late for some who play it: copies are to make that rare
	r.expected.Store(int64(totals.Expected))
	r.lost.Store(int64(totals.RawLost))
	if residual := r.residual.Load(); residual != nil {
		missed := (*residual)()
		if first {
			r.missed = missed // of before this track
		}
		r.missing += uint32(max(0, missed-r.missed)) // modulo 2^32 is meant; less than before is of another player
		r.missed, totals.Missing = missed, r.missing
	}
	if r.told%receiverReportEach == 0 && r.arrivals.known {
		block := r.arrivals.block(uint32(r.track.SSRC()), r.heard.Load(), now)
		r.queue(&rtcp.ReceiverReport{SSRC: feedbackSSRC, Reports: []rtcp.ReceptionReport{block}})
	}
	r.told++
	r.tell(redundancy.AppTotals, totals.Append(nil))
}

// SetResidual has the sender told what is missing in the end, of all packets of this origin since any
// moment, in place of what did not come on this link: another path may have brought it. The function
// is called four times a second by the goroutine of Run.
func (s *Subscriber) SetResidual(missing func() int64) { s.residual.Store(&missing) }

// AskForGaps has packets that are missing on this link asked for once, as soon as they should have come, for a
// side that plays nothing and so does not know itself what it misses. The function tells, for each gap, whether
// that is of use; it is called by the goroutine of Run.
func (s *Subscriber) AskForGaps(ofUse func() bool) { s.asking.Store(&ofUse) }

// Request asks the sender for packets of one publication once more, in ascending order, at most 8 times
// 17 of them. It never blocks, and the sender need not comply.
func (s *Subscriber) Request(generation uint8, numbers []int64) {
	if data := redundancy.AppendRequests(nil, generation, numbers); len(data) > 0 {
		s.tell(redundancy.AppRequests, data)
	}
}

func (s *Subscriber) tell(subtype uint8, data []byte) {
	app := &rtcp.ApplicationDefined{SubType: subtype, SSRC: uint32(s.track.SSRC()), Name: redundancy.AppName, Data: data}
	s.queue(app)
}

func (s *Subscriber) queue(p rtcp.Packet) {
	select {
	case s.feedback <- p:
	default:
	}
}

// runFeedback sends until the track ends. A link that cannot send now loses what it was to say.
func (s *Subscriber) runFeedback(write func([]rtcp.Packet) error) {
	for {
		select {
		case <-s.ended:
			return
		case app := <-s.feedback:
			_ = write([]rtcp.Packet{app})
		}
	}
}
