package session

import (
	"time"

	"gasso/audio/jitter"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// Finding says what is wrong with a connection, and on whose side. A screen has the words.
type Finding struct {
	Kind          FindingKind
	ParticipantID string        // whose side; empty: this one
	Name          string        // of the participant
	LostRatio     float64       // of packets before repair, 0 to 1, where it is about loss
	Late          time.Duration // by which packets come late, where it is about that
}

// FindingKind is what is wrong.
type FindingKind string

// What can be wrong. Own is about this side, Their about a performer's. That a device is gone, and that
// the network carries too little, is said where it is noticed.
const (
	OwnUnheard   FindingKind = "own_unheard"    // the server gets nothing from here
	OwnUpload    FindingKind = "own_upload"     // loses packets on every way
	OwnDownload  FindingKind = "own_download"   // packets of everybody are lost
	OwnLate      FindingKind = "own_late"       // packets of everybody come late, and this computer does not: the network here
	OwnComputer  FindingKind = "own_computer"   // packets of everybody come late, and so does what else this computer is to do
	OwnCapture   FindingKind = "own_microphone" // delivers late
	OwnRender    FindingKind = "own_loudspeaker"
	TheirUnheard FindingKind = "their_unheard"  // nobody gets anything from them
	TheirUpload  FindingKind = "their_upload"   // their packets are lost on every way
	TheirDown    FindingKind = "their_download" // loses what the server sends them
	TheirDevice  FindingKind = "their_device"   // their packets leave late: computer or sound device
	BetweenLost  FindingKind = "between_lost"   // the way between them and here loses packets
	BetweenDead  FindingKind = "between_dead"   // the server gets their packets, this side does not
)

const (
	lossyRatio  = 0.02                  // of packets, that is worth a word
	lateNeed    = 40 * time.Millisecond // of delay that a path needs
	lateDevice  = 40 * time.Millisecond // a callback later than that is worth a word
	calmNeed    = 15 * time.Millisecond // so little needs the path of a network that does well
	lossLook    = 5 * time.Second       // over which losses are counted
	reportFresh = 8 * time.Second       // as long a report of the server counts
	fewPackets  = 100                   // say nothing yet
)

// lossFigure is the share of packets that a path lost before repair, if it carried enough.
type lossFigure struct {
	ratio float64
	known bool
}

func (f lossFigure) lossy() bool { return f.known && f.ratio >= lossyRatio }
func (f lossFigure) clean() bool { return f.known && f.ratio < lossyRatio/2 }

// serverView is how the server sees a link; the zero value without a fresh report.
type serverView struct {
	known    bool
	heard    bool
	up, down float64
}

// theirFigures are those of a performer.
type theirFigures struct {
	id, name  string
	silent    bool       // nothing came for a second, though something was to come
	direct    lossFigure // from them to here
	forwarded lossFigure // from them to the server to here
	reached   lossFigure // from here to them, as they say
	need      time.Duration
	server    serverView
}

// figures are what a diagnosis is made from.
type figures struct {
	publishing  bool
	uplinkShort bool          // that is said already, and explains loss
	downShort   bool          // likewise
	busy        bool          // this computer, which is said, too, and explains what is late
	stalled     time.Duration // the worst that anything came late on this computer
	captureLate time.Duration // that the microphone did, if it is a sound device
	renderLate  time.Duration // likewise the loudspeaker
	server      serverView    // of this side
	others      []theirFigures
}

// diagnose tells what is wrong and whose side it is on. What two ways lose alike lies at their common end.
func diagnose(f figures) (found []Finding) {
	found = append(found, diagnoseOwn(&f)...)
	own := map[FindingKind]bool{}
	for _, o := range found {
		own[o.Kind] = true
	}
	for i := range f.others {
		if finding, ok := diagnoseTheirs(&f, &f.others[i], own); ok {
			finding.ParticipantID, finding.Name = f.others[i].id, f.others[i].name
			found = append(found, finding)
		}
	}
	return found
}

func diagnoseOwn(f *figures) (found []Finding) {
	if f.server.known && !f.server.heard && f.publishing {
		found = append(found, Finding{Kind: OwnUnheard})
	}
	if ratio, ok := f.ownUpload(); ok && !f.uplinkShort {
		found = append(found, Finding{Kind: OwnUpload, LostRatio: ratio})
	}
	late, everybody := f.everybodyLate()
	everybody = everybody && !f.busy
	if ratio, ok := f.ownDownload(); ok && !f.downShort {
		found = append(found, Finding{Kind: OwnDownload, LostRatio: ratio})
	} else if everybody && f.stalled <= lateDevice {
		found = append(found, Finding{Kind: OwnLate, Late: late})
	}
	if everybody && f.stalled > lateDevice { // the devices' lateness has the same cause
		return append(found, Finding{Kind: OwnComputer, Late: f.stalled})
	}
	if f.captureLate > lateDevice {
		found = append(found, Finding{Kind: OwnCapture, Late: f.captureLate})
	}
	if f.renderLate > lateDevice {
		found = append(found, Finding{Kind: OwnRender, Late: f.renderLate})
	}
	return found
}

// ownUpload is lossy when the server misses packets from here, and no performer gets them all directly.
func (f *figures) ownUpload() (ratio float64, lossy bool) {
	if !f.server.known || f.server.up < lossyRatio {
		return 0, false
	}
	for _, o := range f.others {
		if o.reached.clean() {
			return 0, false
		}
	}
	return f.server.up, true
}

// ownDownload is lossy when what comes from everybody is, beyond what they lost on their own way up. One
// performer alone proves nothing unless the server sees it, too.
func (f *figures) ownDownload() (ratio float64, lossy bool) {
	ways, performers := 0, 0
	for i := range f.others {
		o := &f.others[i]
		before := ways
		for _, way := range []lossFigure{o.direct.without(o.server.up), o.forwarded.without(o.server.up)} {
			if !way.known {
				continue
			}
			if !way.lossy() {
				return 0, false
			}
			ways++
			ratio += way.ratio
		}
		if ways > before {
			performers++
		}
	}
	if ways == 0 || performers == 1 && f.server.down < lossyRatio {
		return 0, false
	}
	return ratio / float64(ways), true
}

// without takes off what was lost before.
func (f lossFigure) without(before float64) lossFigure {
	return lossFigure{ratio: max(0, f.ratio-before), known: f.known}
}

// everybodyLate tells whether packets of all of several performers come late at times.
func (f *figures) everybodyLate() (least time.Duration, late bool) {
	heard := 0
	for _, o := range f.others {
		if o.silent || o.need == 0 {
			continue
		}
		if o.need < lateNeed {
			return 0, false
		}
		if heard++; heard == 1 || o.need < least {
			least = o.need
		}
	}
	return least, heard > 1
}

func diagnoseTheirs(f *figures, o *theirFigures, own map[FindingKind]bool) (Finding, bool) {
	up := o.server.known && o.server.up >= lossyRatio
	switch {
	case o.silent && o.server.known && o.server.heard:
		return Finding{Kind: BetweenDead}, true
	case o.silent && o.server.known:
		return Finding{Kind: TheirUnheard}, true
	case o.silent:
		return Finding{}, false // the connection is only beginning, or nobody knows
	case up && !o.direct.clean():
		return Finding{Kind: TheirUpload, LostRatio: o.server.up}, true
	case !own[OwnDownload] && !f.downShort && o.direct.lossy() && (!o.forwarded.known || o.forwarded.clean()):
		return Finding{Kind: BetweenLost, LostRatio: o.direct.ratio}, true
	case !own[OwnLate] && !own[OwnComputer] && !f.busy && o.need >= lateNeed && !o.direct.lossy() && !o.forwarded.lossy() && f.anybodyCalm(o.id):
		return Finding{Kind: TheirDevice, Late: o.need}, true
	case o.server.known && o.server.down >= lossyRatio:
		return Finding{Kind: TheirDown, LostRatio: o.server.down}, true
	}
	return Finding{}, false
}

// anybodyCalm tells whether packets of somebody else come evenly, so that this side is not to blame.
func (f *figures) anybodyCalm(but string) bool {
	for _, o := range f.others {
		if o.id != but && !o.silent && o.need > 0 && o.need <= calmNeed {
			return true
		}
	}
	return false
}

// lossHistory counts what one path of a performer lost in the last seconds. It is guarded by performer.mu.
type lossHistory struct{ counts []lossCount }

type lossCount struct {
	at             time.Time
	source         *source
	expected, lost int64
}

// note takes the present counts of a path; another track begins anew.
func (h *lossHistory) note(s *source, now time.Time) {
	if s == nil || len(h.counts) > 0 && h.counts[0].source != s {
		h.counts = h.counts[:0]
	}
	if s == nil {
		return
	}
	c := s.Counters()
	h.counts = append(h.counts, lossCount{now, s, c.Expected, c.Lost})
	for len(h.counts) > 2 && now.Sub(h.counts[1].at) >= lossLook {
		h.counts = append(h.counts[:0], h.counts[1:]...)
	}
}

func (h *lossHistory) figure() lossFigure {
	if len(h.counts) < 2 {
		return lossFigure{}
	}
	first, last := h.counts[0], h.counts[len(h.counts)-1]
	expected := last.expected - first.expected
	if expected < fewPackets {
		return lossFigure{}
	}
	return lossFigure{ratio: min(1, float64(last.lost-first.lost)/float64(expected)), known: true}
}

// linkReport is what the server said last.
type linkReport struct {
	at    time.Time
	links map[string]signaling.LinkState
}

func newLinkReport(m *signaling.LinkReport, now time.Time) linkReport {
	r := linkReport{at: now, links: map[string]signaling.LinkState{}}
	for _, l := range m.Links {
		r.links[l.ParticipantID] = l
	}
	return r
}

func (r *linkReport) view(id string, now time.Time) serverView {
	l, known := r.links[id]
	if !known || now.Sub(r.at) > reportFresh {
		return serverView{}
	}
	return serverView{known: true, heard: l.Heard, up: l.UpLost, down: l.DownLost}
}

// figuresLocked collects what a diagnosis needs.
func (s *Session) figuresLocked(now time.Time) figures {
	f := figures{publishing: s.publication != nil, server: s.reported.view(s.self.id, now)}
	for _, id := range s.order {
		if id == mixID || s.cfg.Receive == signaling.ReceiveMix {
			continue
		}
		p := s.performers[id]
		o := p.figures(now)
		o.name, o.server = p.info.Name, s.reported.view(id, now)
		if s.adaptation.mixing.Load() { // nothing is to come of them alone
			o.silent, o.need = false, 0
		}
		f.others = append(f.others, o)
	}
	return f
}

func (p *performer) figures(now time.Time) theirFigures {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := theirFigures{id: p.id, direct: p.losses[jitter.PathDirect].figure(), forwarded: p.losses[jitter.PathForwarded].figure()}
	if p.link != nil {
		stats := p.link.LastStats()
		o.reached = lossFigure{ratio: stats.FractionLost, known: stats.State == peer.StateConnected && o.direct.known}
	}
	voices := *p.voices.Load()
	if len(voices) == 0 {
		return o
	}
	stats := voices[0].player.Stats()
	o.silent = !stats.LastArrival.IsZero() && now.Sub(stats.LastArrival) > latencyStale
	for _, path := range stats.Paths { // late on every way
		if path.Need > 0 && (o.need == 0 || path.Need < o.need) {
			o.need = path.Need
		}
	}
	return o
}

// findingsLocked is the diagnosis of this moment, and what it was made from. While there is no connection
// to the server, which the problem says, it is about devices alone.
func (s *Session) findingsLocked(snap *Snapshot) ([]Finding, figures) {
	self := &snap.Self
	var f figures
	if s.state == StateJoined {
		f = s.figuresLocked(snap.At)
		f.uplinkShort, f.downShort = self.Network.LimitedBy != "", self.Network.Receiving != ReceivesAll
		f.busy = self.Governor.Reason != ""
	}
	f.captureLate = s.microphone.condition.ofHardware(self.CaptureLate)
	f.renderLate = s.playout.condition.ofHardware(self.RenderLate)
	f.stalled = max(self.CaptureLate, self.RenderLate, self.Governor.Load.Late)
	return diagnose(f), f
}
