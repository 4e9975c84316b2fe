package jitter

import (
	"time"

	"gasso/audio/jitter"
	"gasso/internal/netsim"
	"gasso/net/packet"
	"gasso/net/redundancy"
)

const (
	oursPacket    = 5 * time.Millisecond // the mode live
	oursSamples   = 240
	frameSamples  = 60 // of the playout
	payloadType   = 111
	feedbackEvery = 250 * time.Millisecond
	mostWanted    = 32
	// A room time of these years that is a whole number of position ranges.
	roomStart = (1_790_000_000 * sampleRate / positionRange) * positionRange
)

var simulationStart = time.Unix(1_790_000_000, 0)

// ours is one of our senders and its receiver, as in the application: RED, feedback and
// retransmission work over the simulated network, which loses the feedback too.
type ours struct {
	forward, back *netsim.Link
	player        *jitter.Player
	phase         time.Duration
	drift         float64 // of the receiver's device: 1 plays one second in one second
	heard         *listener
	onFrame       func(at time.Duration, pcm []float32) // nil: nobody looks

	controller *redundancy.Controller // of the sender
	history    redundancy.History
	copies     redundancy.Copies
	told       redundancy.Totals
	number     int64 // of the next packet

	receiver redundancy.Receiver
	flights  queue[flight]
	requests queue[int64]
	reports  queue[redundancy.Totals]
	reported time.Duration
	payload  [payloadBytes]byte
	wanted   [mostWanted]int64
}

// flight is one packet on its way.
type flight struct {
	number  int64
	payload []byte // RED when packed
	packed  bool
	again   bool // because it was asked for
}

func newOurs(n network, seed uint64, heard *listener) *ours {
	o := &ours{
		forward: n.forward(seed), back: n.back(seed),
		player: jitter.NewPlayer(jitter.Live(), decoder{}),
		phase:  phase(seed, frameSamples*time.Second/sampleRate), drift: 1, heard: heard,
		controller: redundancy.NewController(1),
	}
	o.player.SetRoundTrip(n.roundTrip())
	return o
}

// run plays for a while of simulated time.
func (o *ours) run(length time.Duration) {
	pcm := make([]float32, 2*frameSamples)
	step := float64(frameSamples) / sampleRate * float64(time.Second) / o.drift
	for k := 1; ; k++ {
		now := o.phase + time.Duration(float64(k)*step)
		if now > length {
			return
		}
		o.send(now)
		o.deliver(now)
		o.answer(now)
		o.player.Frame(pcm, simulationStart.Add(now))
		o.heard.hear(pcm, now, o.drift)
		if o.onFrame != nil {
			o.onFrame(now, pcm)
		}
	}
}

// send sends the packets that are complete by now, each with the copies that the feedback calls for.
func (o *ours) send(now time.Duration) {
	for sent := time.Duration(o.number+1) * oursPacket; sent <= now; sent += oursPacket {
		for totals, at, ok := o.reports.pop(sent); ok; totals, at, ok = o.reports.pop(sent) {
			if report, ok := totals.Since(&o.told); ok {
				o.controller.Update(report, simulationStart.Add(at))
			}
			o.told = totals
		}
		first := roomStart + o.number*oursSamples
		encode(o.payload[:], first, oursSamples)
		p := packet.Packet{Number: o.number, FirstSample: first, Samples: oursSamples, Payload: o.payload[:]}
		o.history.Add(&p)
		if at, arrives := o.forward.Send(sent); arrives {
			f := flight{number: o.number}
			f.payload = o.history.Pack(nil, &o.copies, &p, payloadType, o.controller.Depth(), o.controller.Spread())
			if f.packed = len(f.payload) > 0; !f.packed {
				f.payload = append(f.payload, p.Payload...)
			}
			o.flights.push(at, f)
		}
		o.number++
	}
}

// deliver hands what has arrived to the player.
func (o *ours) deliver(now time.Duration) {
	for f, at, ok := o.flights.pop(now); ok; f, at, ok = o.flights.pop(now) {
		if !f.packed {
			o.push(f.number, f.payload, at, f.again)
			continue
		}
		redundancy.Unpack(f.payload, func(offset int, block []byte) {
			o.push(f.number-int64(offset/oursSamples), block, at, offset > 0)
		})
	}
}

func (o *ours) push(number int64, payload []byte, at time.Duration, copied bool) {
	if o.receiver.Take(0, number, copied) {
		o.player.Inbox(jitter.PathDirect).Push(number, roomStart+number*oursSamples, oursSamples, payload, simulationStart.Add(at))
	}
}

// answer sends feedback and requests back, and again what was asked for.
func (o *ours) answer(now time.Duration) {
	if now-o.reported >= feedbackEvery {
		o.reported = now
		totals := o.receiver.Totals()
		totals.Missing = uint32(o.player.Residual().Missing)
		if at, arrives := o.back.Send(now); arrives {
			o.reports.push(at, totals)
		}
	}
	if n := o.player.TakeMissing(o.wanted[:]); n > 0 {
		if at, arrives := o.back.Send(now); arrives {
			for _, number := range o.wanted[:n] {
				o.requests.push(at, number)
			}
		}
	}
	for number, asked, ok := o.requests.pop(now); ok; number, asked, ok = o.requests.pop(now) {
		p := o.history.Find(0, number)
		if p == nil {
			continue
		}
		if at, arrives := o.forward.Send(asked); arrives {
			o.flights.push(at, flight{number: number, payload: append([]byte(nil), p.Payload...), again: true})
		}
	}
}
