package peer

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"

	"gasso/net/signaling"
)

// Negotiation in order: negotiateIfDue offers (or asks for an offer), the other side's takeOffer
// answers, takeAnswer ends the exchange. There is never more than one offer on its way, since pion
// cannot roll back: whatever happens meanwhile is folded into one further offer, and an offer that
// gets no answer is repeated as it is.

// negotiation is the part of a Link that its owner goroutine holds.
type negotiation struct {
	tracks  map[*Publisher]*attachment
	waiting *Publisher // answerer: to attach once detaching is negotiated
	vacated bool       // answerer: detached, and not negotiated yet

	started      bool   // Negotiate was called, or an offer came
	due          bool   // something changed since the last description
	dueRestart   bool   // with new ICE credentials
	outstanding  bool   // offerer: an offer has no answer yet; answerer: a wish has no offer yet
	askedRestart bool   // answerer: the outstanding wish is for a restart
	offerRestart bool   // offerer: the outstanding offer is for a restart
	offered      uint64 // version of our last offer, or of the last one that we answered

	described   bool   // the remote description is there
	fingerprint string // of the other side's certificate
	early       []webrtc.ICECandidateInit
	taken       int             // candidates since the last description
	ways        map[string]bool // candidates since the other side's last ICE restart
	iceUser     string          // of the other side

	repeat *time.Timer // to say again what is outstanding
}

type attachment struct {
	sender *webrtc.RTPSender
	track  *localTrack
}

func newNegotiation() negotiation {
	repeat := time.NewTimer(time.Hour)
	repeat.Stop()
	return negotiation{tracks: map[*Publisher]*attachment{}, repeat: repeat}
}

// Negotiate starts the exchange: the offerer offers, the other side asks for an offer. Afterwards
// attaching and detaching publishers negotiates by itself. Calls while an offer is outstanding are
// folded into one further offer.
func (l *Link) Negotiate() error {
	return l.call(func() error {
		l.started, l.due = true, true
		return nil
	})
}

// Restart finds a new way to the other side (ICE restart, RFC 8445 section 9) while media keeps its
// state. While one is under way another is none. ErrStartOver says that the other side has ended this
// connection, so that only a new Link can help.
func (l *Link) Restart() error {
	return l.call(func() error {
		if l.isOver() {
			return ErrStartOver
		}
		if l.outstanding && (l.offerRestart || l.askedRestart) {
			return nil
		}
		l.started, l.due, l.dueRestart = true, true, true
		return nil
	})
}

// Repeat says again at once what has no answer yet, since signaling may have lost it.
func (l *Link) Repeat() error { return l.call(l.repeatOffer) }

// negotiateIfDue sends an offer, or the wish for one, unless one is on its way.
func (l *Link) negotiateIfDue() error {
	if !l.started || !l.due || l.outstanding {
		return nil
	}
	restart := l.dueRestart
	l.due, l.dueRestart = false, false
	if l.cfg.Offerer {
		return l.offer(restart)
	}
	l.askForOffer(restart)
	return nil
}

func (l *Link) offer(restart bool) error {
	if l.pc.CurrentRemoteDescription() == nil {
		restart = false // nothing to restart yet
	}
	if restart {
		l.renewWays()
	}
	l.notices.holdCandidates()
	offer, err := l.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err == nil {
		err = l.pc.SetLocalDescription(offer)
	}
	if err != nil {
		l.notices.release(nil)
		return fmt.Errorf("make offer: %w", err)
	}
	made := &signaling.Description{Type: "offer", SDP: offer.SDP}
	checked, err := checkDescription(made, len(l.cfg.Channels) > 0)
	if err != nil {
		l.notices.release(nil)
		return fmt.Errorf("check own offer: %w", err)
	}
	l.offered, l.outstanding, l.offerRestart = checked.version, true, restart
	if restart {
		l.noteRestart()
	}
	l.repeat.Reset(offerRepeatEvery)
	l.notices.release(l.signal(&signaling.Signal{Description: made}))
	return nil
}

func (l *Link) askForOffer(restart bool) {
	reason := "tracks changed"
	if restart {
		reason = "connection lost"
	}
	l.outstanding, l.askedRestart = true, restart
	l.repeat.Reset(offerRepeatEvery)
	l.notices.push(notice{signal: l.signal(&signaling.Signal{
		Renegotiate: &signaling.Renegotiate{Reason: reason, Restart: restart},
	})})
}

// repeatOffer says again what nobody reacted to: signaling may have been down.
func (l *Link) repeatOffer() error {
	if !l.outstanding {
		return nil
	}
	if !l.cfg.Offerer {
		l.outstanding, l.due, l.dueRestart = false, true, l.askedRestart
		return nil
	}
	l.repeat.Reset(offerRepeatEvery)
	pending := l.pc.PendingLocalDescription() // with the candidates that were found meanwhile
	if pending == nil {
		return errors.New("no offer is pending")
	}
	l.notices.push(notice{signal: l.signal(&signaling.Signal{
		Description: &signaling.Description{Type: "offer", SDP: pending.SDP},
	})})
	return nil
}

func (l *Link) signal(s *signaling.Signal) *signaling.Signal {
	s.To, s.Link = l.cfg.RemoteID, l.ID()
	return s
}

// localCandidate is called by pion, inside and outside the owner's calls.
func (l *Link) localCandidate(c *webrtc.ICECandidate) {
	s := &signaling.Signal{Candidate: &signaling.Candidate{}}
	if c != nil {
		found := c.ToJSON()
		s.Candidate.Candidate = found.Candidate
		s.Candidate.SDPMid, s.Candidate.SDPMLineIndex = *found.SDPMid, *found.SDPMLineIndex
	}
	l.notices.pushCandidate(notice{signal: l.signal(s)})
}

// Handle takes one signal from the other side and returns when it has been applied. ErrStartOver
// asks the caller to close this link, to make a new one and to Handle the same signal there, or,
// as the offerer, to Negotiate. ErrNotAudio and ErrBadSignal leave the link as it was. Signals of an
// earlier PeerConnection, stale and repeated answers are ignored.
func (l *Link) Handle(s *signaling.Signal) error {
	select {
	case <-l.quit:
		return ErrClosed
	default:
	}
	switch {
	case s.Description != nil:
		checked, err := checkDescription(s.Description, len(l.cfg.Channels) > 0)
		if err != nil {
			return err
		}
		return l.call(func() error { return l.takeDescription(s, checked) })
	case s.Candidate != nil:
		if err := checkCandidate(s.Candidate); err != nil {
			return err
		}
		return l.call(func() error { return l.takeCandidate(s) })
	case s.Renegotiate != nil:
		return l.call(func() error { return l.takeWish(s) })
	}
	return fmt.Errorf("%w: a signal needs a description, a candidate or renegotiate", ErrBadSignal)
}

func (l *Link) takeDescription(s *signaling.Signal, checked description) error {
	isOffer := s.Description.Type == "offer"
	if isOffer == l.cfg.Offerer {
		return fmt.Errorf("%w: %s came from the side that never sends one", ErrBadSignal, s.Description.Type)
	}
	if !isOffer {
		return l.takeAnswer(s, checked)
	}
	if l.ID() == "" {
		id := s.Link
		l.id.Store(&id)
	}
	if s.Link != l.ID() || l.isStranger(checked) || l.isOver() {
		return ErrStartOver
	}
	return l.takeOffer(s, checked)
}

// isStranger tells whether a description comes from another PeerConnection than those before: then
// the other side lost the one that this link had, and its DTLS cannot go on.
func (l *Link) isStranger(checked description) bool {
	return l.described && checked.fingerprint != l.fingerprint
}

// isOver tells whether the other side has ended the connection, which nothing brings back.
func (l *Link) isOver() bool {
	return l.pc.ConnectionState() == webrtc.PeerConnectionStateClosed
}

// refusal says why pion did not take a signal: the connection has ended meanwhile, or the signal is bad.
func (l *Link) refusal(act string, err error) error {
	if l.isOver() || errors.Is(err, webrtc.ErrConnectionClosed) {
		return ErrStartOver
	}
	return fmt.Errorf("%w: %s: %v", ErrBadSignal, act, err)
}

func (l *Link) takeOffer(s *signaling.Signal, checked description) error {
	if l.described && checked.version <= l.offered {
		if checked.version == l.offered { // repeated: our answer got lost
			l.sendAnswer(l.pc.CurrentLocalDescription())
		}
		return nil
	}
	ways, err := l.waysWith(checked)
	if err != nil {
		return err
	}
	if l.described && checked.iceUser != l.iceUser {
		l.renewWays()
	}
	l.notices.holdCandidates() // an ICE restart gathers as soon as the offer is applied
	answer, err := l.answer(s.Description.SDP)
	if err != nil {
		l.notices.release(nil)
		return l.refusal("answer offer", err)
	}
	if l.described && checked.iceUser != l.iceUser {
		l.noteRestart()
	}
	l.offered, l.started, l.fingerprint = checked.version, true, checked.fingerprint
	l.ways, l.iceUser = ways, checked.iceUser
	l.outstanding, l.askedRestart, l.due, l.vacated = false, false, false, false // the answer carries what is attached
	l.repeat.Stop()
	l.sendAnswer(&answer)
	return errors.Join(l.takeEarlyCandidates(), l.attachWaiting())
}

func (l *Link) answer(offer string) (answer webrtc.SessionDescription, err error) {
	err = l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer})
	if err != nil {
		return answer, err
	}
	if answer, err = l.pc.CreateAnswer(nil); err != nil {
		return answer, err
	}
	return answer, l.pc.SetLocalDescription(answer)
}

func (l *Link) sendAnswer(answer *webrtc.SessionDescription) {
	if answer == nil {
		return
	}
	l.notices.release(l.signal(&signaling.Signal{
		Description: &signaling.Description{Type: "answer", SDP: markAnswer(answer.SDP, l.offered)},
	}))
}

func (l *Link) takeAnswer(s *signaling.Signal, checked description) error {
	stale := checked.isReply && checked.answers != l.offered
	if s.Link != l.ID() || !l.outstanding || stale {
		return nil
	}
	if l.isStranger(checked) || l.isOver() {
		return ErrStartOver
	}
	ways, err := l.waysWith(checked)
	if err != nil {
		return err
	}
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.Description.SDP}
	if err := l.pc.SetRemoteDescription(answer); err != nil {
		return l.refusal("apply answer", err)
	}
	l.outstanding, l.offerRestart, l.fingerprint = false, false, checked.fingerprint
	l.ways, l.iceUser = ways, checked.iceUser
	l.repeat.Stop()
	return l.takeEarlyCandidates()
}

// takeWish is the other side's wish for an offer. One without a link id comes from somebody who has
// no PeerConnection: it is news only when there was one.
func (l *Link) takeWish(s *signaling.Signal) error {
	switch {
	case !l.cfg.Offerer:
		return fmt.Errorf("%w: renegotiate came from the side that offers", ErrBadSignal)
	case s.Link == "" && l.described, l.isOver():
		return ErrStartOver
	case s.Link == "" && l.outstanding:
		return nil // the offer is on its way
	case s.Link != "" && s.Link != l.ID():
		return nil
	}
	if l.outstanding && l.offerRestart && s.Renegotiate.Restart {
		return l.repeatOffer() // both noticed at once, or ours got lost
	}
	l.started, l.due = true, true
	l.dueRestart = l.dueRestart || s.Renegotiate.Restart
	return nil
}

// takeCandidate adds a candidate, or keeps it until the remote description is there.
func (l *Link) takeCandidate(s *signaling.Signal) error {
	if s.Link != l.ID() || l.ID() == "" {
		return nil
	}
	if l.taken++; l.taken > maxCandidates {
		return fmt.Errorf("%w: more than %d candidates for one description", ErrBadSignal, maxCandidates)
	}
	mid, line := s.Candidate.SDPMid, s.Candidate.SDPMLineIndex
	candidate := webrtc.ICECandidateInit{Candidate: s.Candidate.Candidate, SDPMid: &mid, SDPMLineIndex: &line}
	if !l.described {
		l.early = append(l.early, candidate)
		return nil
	}
	return l.addCandidate(candidate)
}

// waysWith are the candidates that are known once a description is applied. pion keeps every one and
// tries it, until an ICE restart.
func (l *Link) waysWith(checked description) (map[string]bool, error) {
	ways := map[string]bool{}
	if checked.iceUser == l.iceUser {
		maps.Copy(ways, l.ways)
	}
	for _, candidate := range checked.candidates {
		ways[candidate] = true
	}
	if len(ways) > maxWays {
		return nil, errTooManyWays()
	}
	return ways, nil
}

func errTooManyWays() error {
	return fmt.Errorf("%w: more than %d candidates", ErrBadSignal, maxWays)
}

func (l *Link) addCandidate(c webrtc.ICECandidateInit) error {
	if known := strings.TrimPrefix(c.Candidate, "candidate:"); known != "" && !l.ways[known] {
		if len(l.ways) >= maxWays {
			return errTooManyWays()
		}
		l.ways[known] = true
	}
	if err := l.pc.AddICECandidate(c); err != nil {
		return l.refusal("add candidate", err)
	}
	return nil
}

// takeEarlyCandidates follows each remote description.
func (l *Link) takeEarlyCandidates() error {
	var errs []error
	for _, c := range l.early {
		errs = append(errs, l.addCandidate(c))
	}
	l.early, l.taken, l.described = nil, 0, true
	return errors.Join(errs...)
}
