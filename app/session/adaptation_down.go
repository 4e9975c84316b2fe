package session

import (
	"maps"
	"sync"
	"time"

	"gasso/audio/jitter"
	"gasso/net/clocksync"
	"gasso/net/congestion"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	declineFor    = 3 * time.Second        // a word to a performer, which is said again in good time
	declineAgain  = time.Second            // so often
	wantedAgain   = 3                      // times a performer is told to send again, since words get lost
	directMissing = 500 * time.Millisecond // without a packet on the direct path the forwarded one is wanted

	stepNoticed = packet.SampleRate / 100     // samples; room time is slewed by less, and stepped by more
	longestHole = 10 * 60 * packet.SampleRate // of silence that is left out; a step that is longer is one of the clock
)

// downlink is what is done without, since the network here carries no more. The server is told once, on
// each connection, by signaling; performers again and again, on their tracks.
type downlink struct {
	watch           *congestion.Downlink
	declined        map[*source]time.Time               // direct tracks, and when that was said last
	wanted          map[*source]int                     // direct tracks that are wanted again, and how often that is still to be said
	told            *signaling.Conn                     // the connection on which the server was told what follows
	standby         map[*performer]bool                 // whose packets it is not to forward for now
	mix             bool                                // that it is to send one instead
	before, counted map[*source]peer.SubscriberCounters // at the look before, and at this one
	sources         []congestion.Source                 // scratch
}

func (d *downlink) init() {
	d.watch = congestion.NewDownlink()
	d.declined, d.standby = map[*source]time.Time{}, map[*performer]bool{}
	d.wanted = map[*source]int{}
	d.before, d.counted = map[*source]peer.SubscriberCounters{}, map[*source]peer.SubscriberCounters{}
}

// incoming measures what comes on one path, between two looks.
type incoming struct {
	mu     sync.Mutex
	first  packet.Packet // delays are relative to this one
	at     time.Time
	last   packet.Packet // the newest by generation and number
	anew   bool          // delays cannot be compared with those before
	came   int
	least  time.Duration
	newest time.Time
}

// note takes a packet. Only packets that came by themselves tell of the way; the least delay finds them.
// Where room time stepped, packets of before tell nothing any more.
func (i *incoming) note(pk *packet.Packet, arrival time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	head := packet.Packet{Generation: pk.Generation, Number: pk.Number, FirstSample: pk.FirstSample, Samples: pk.Samples}
	i.newest = arrival
	switch {
	case i.at.IsZero():
		i.first, i.last, i.at = head, head, arrival
	case follows(&head, &i.last):
		if steppedBack(&head, &i.last) || head.FirstSample-i.last.FirstSample > longestHole {
			i.first, i.at, i.came, i.anew = head, arrival, 0, true
		}
		i.last = head
	case follows(&i.first, &head):
		return // before the step
	}
	delay := arrival.Sub(i.at) - time.Duration(clocksync.NSAt(pk.FirstSample-i.first.FirstSample))
	if i.came == 0 || delay < i.least {
		i.least = delay
	}
	i.came++
}

// follows tells whether a packet was made after another one.
func follows(pk, before *packet.Packet) bool {
	generations := int8(pk.Generation - before.Generation) // modular arithmetic is meant
	return generations > 0 || generations == 0 && pk.Number > before.Number
}

// steppedBack tells whether a packet begins before it can: the sender's room time stepped.
func steppedBack(pk, before *packet.Packet) bool {
	least := before.FirstSample
	if pk.Generation == before.Generation {
		least += (pk.Number - before.Number) * int64(min(pk.Samples, before.Samples))
	}
	return pk.FirstSample < least-stepNoticed
}

// take returns what came since the last time; anew tells that delays begin again.
func (i *incoming) take() (came int, least time.Duration, newest time.Time, anew bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	came, least, newest, anew = i.came, i.least, i.newest, i.anew
	i.came, i.anew = 0, false
	return came, least, newest, anew
}

// adaptDownlink looks at what came from everybody and does without as much as needed.
func (s *Session) adaptDownlink(now time.Time) {
	a := &s.adaptation
	performers := *s.playout.performers.Load()
	around := congestion.Surroundings{RTT: s.serverRTT()}
	conn, known, mix := s.forwarder()
	a.mu.Lock()
	defer a.mu.Unlock()
	d := &a.down
	around.UplinkLimited = a.decision.Limited
	d.sources = d.sources[:0]
	direct := map[*performer]bool{} // packets come directly
	for _, p := range performers {
		var newest time.Time
		for path := range p.sources {
			if path == jitter.PathDirect {
				newest = d.measure(p, path)
			} else {
				d.measure(p, path)
			}
		}
		direct[p] = !newest.IsZero() && now.Sub(newest) < directMissing
		around.MayDrop = around.MayDrop || direct[p] && p.sources[jitter.PathForwarded].Load() != nil
	}
	d.before, d.counted = d.counted, d.before
	clear(d.counted)
	before := d.watch.Level()
	level := d.watch.Look(d.sources, around, now)
	if level != before {
		s.log.Info("receiving follows the downlink", "level", level)
	}
	if mix { // there is nothing to do without
		return
	}
	d.follow(conn, known)
	for _, p := range performers {
		if p.id != mixID {
			d.hold(p, known[p] && (level >= congestion.LevelMix || level == congestion.LevelDirect && direct[p]))
			d.decline(p, level >= congestion.LevelMix, now)
		}
	}
	d.forget(now)
	d.askForMix(level >= congestion.LevelMix)
	a.mixing.Store(level >= congestion.LevelMix)
}

// forwarder is the connection with the server, whom it knows of the performers here, and whether it sends a
// mix anyway.
func (s *Session) forwarder() (conn *signaling.Conn, known map[*performer]bool, mix bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known = make(map[*performer]bool, len(s.performers))
	for _, p := range s.performers {
		known[p] = p.missedSince.IsZero()
	}
	return s.conn, known, s.cfg.Receive == signaling.ReceiveMix
}

// follow forgets what the server has forgotten: everything on a new connection, and who left.
func (d *downlink) follow(conn *signaling.Conn, known map[*performer]bool) {
	if d.told != conn {
		d.told, d.mix = conn, false
		clear(d.standby)
	}
	maps.DeleteFunc(d.standby, func(p *performer, _ bool) bool { return !known[p] })
}

// measure adds what came from a performer on a path, and returns when the newest packet did.
func (d *downlink) measure(p *performer, path int) (newest time.Time) {
	own := p.sources[path].Load()
	came, least, newest, anew := p.incoming[path].take()
	if own == nil {
		return newest
	}
	counts := own.Counters()
	before, known := d.before[own]
	d.counted[own] = counts
	if !known || !d.declined[own].IsZero() || path == jitter.PathForwarded && d.standby[p] { // what was asked not to come tells nothing
		return newest
	}
	d.sources = append(d.sources, congestion.Source{
		Origin: p.id, Direct: path == jitter.PathDirect, Came: came, Delay: least, Anew: anew,
		Expected: int(counts.Expected - before.Expected), Lost: int(counts.Lost - before.Lost),
	})
	return newest
}

// hold asks the server not to forward a performer's packets for now, or to do so again.
func (d *downlink) hold(p *performer, without bool) {
	if d.told == nil || d.standby[p] == without {
		return
	}
	level := signaling.ForwardFull
	if without {
		level = signaling.ForwardStandby
	}
	if d.told.Send(&signaling.Forwarding{ParticipantID: p.id, Level: level}) != nil {
		return // the connection ends
	}
	if d.standby[p] = without; !without {
		delete(d.standby, p)
	}
}

// decline asks a performer to send nothing directly, again and again, or to send again.
func (d *downlink) decline(p *performer, without bool, now time.Time) {
	p.declined.Store(without)
	own := p.sources[jitter.PathDirect].Load()
	if own == nil {
		return
	}
	said, declined := d.declined[own]
	switch {
	case without && (!declined || now.Sub(said) >= declineAgain):
		own.Decline(declineFor)
		d.declined[own] = now
		delete(d.wanted, own)
	case !without && declined:
		own.Decline(0)
		delete(d.declined, own)
		d.wanted[own] = wantedAgain - 1
	case !without && d.wanted[own] > 0:
		own.Decline(0)
		d.wanted[own]--
	}
}

// forget drops what is known of tracks that are gone.
func (d *downlink) forget(now time.Time) {
	for own, said := range d.declined {
		if now.Sub(said) > 2*declineFor {
			delete(d.declined, own)
		}
	}
	maps.DeleteFunc(d.wanted, func(own *source, left int) bool {
		_, there := d.before[own] // at this look
		return left == 0 || !there
	})
}

// askForMix asks the server for a small mix beside tracks on standby, or to end it.
func (d *downlink) askForMix(mix bool) {
	if d.told == nil || d.mix == mix {
		return
	}
	receive := signaling.ReceiveTracks
	if mix {
		receive = signaling.ReceiveMix
	}
	if d.told.Send(&signaling.ReceiveSet{Receive: receive}) == nil {
		d.mix = mix
	}
}
