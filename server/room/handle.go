package room

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gasso/net/signaling"
)

// Bounds of what a signal carries, in bytes.
const (
	maxSDPBytes       = 32 << 10
	maxCandidateBytes = 2 << 10
)

// errGone tells that the room has nothing of a participant any more: it left, was removed or timed out.
var errGone = errors.New("the participant is not in the room")

// handle does what a message asks for, on the goroutine of its connection. The error is the answer.
func (r *Room) handle(c *connection, m signaling.Message) error {
	p := c.participant
	switch m := m.(type) {
	case *signaling.ClockPing:
		return r.answerClock(c, m)
	case *signaling.Signal:
		if m.To == signaling.ServerID {
			return r.handleServerSignal(p, m)
		}
	case *signaling.TransportOptions:
		options := r.transport(p)
		return c.conn.Send(&options)
	case *signaling.Leave:
		r.call(func() { r.remove(p, signaling.LeftByWish) })
		c.conn.Finish(nil)
		return nil
	}
	err := error(nil)
	r.call(func() { err = r.handleOwned(p, m) })
	if errors.Is(err, errGone) {
		c.rejoin()
		return nil
	}
	return err
}

// handleOwned is handle for what needs the room's state, on the room's goroutine.
func (r *Room) handleOwned(p *participant, m signaling.Message) error {
	if r.participants[p.id] != p {
		return errGone
	}
	switch m := m.(type) {
	case *signaling.Signal:
		return r.relay(p, m)
	case *signaling.Publication:
		return r.announce(p, m)
	case *signaling.Forwarding:
		return r.setForwarding(p, m)
	case *signaling.ReceiveSet:
		return r.setReceive(p, m)
	case *signaling.StripSet:
		if p.role != signaling.RoleHost {
			return forbidden("Only a host may change the program's strips.")
		}
		_, err := r.setStrip(m)
		return err
	case *signaling.OnAir:
		if p.role != signaling.RoleHost {
			return forbidden("Only a host may start or stop the broadcast.")
		}
		return r.setOnAir(m.Live)
	case *signaling.Chat:
		return r.chat(p, m)
	}
	return &signaling.Error{Code: signaling.CodeForbidden, Message: fmt.Sprintf("A client may not send %s now.", m.Type())}
}

func forbidden(message string) *signaling.Error {
	return &signaling.Error{Code: signaling.CodeForbidden, Message: message, Next: "Ask the host to do it."}
}

func badValue(format string, values ...any) *signaling.Error {
	return &signaling.Error{Code: signaling.CodeBadValue, Message: fmt.Sprintf(format, values...), Next: "Correct it and send it again."}
}

func tooFast(message string, seconds int) *signaling.Error {
	return &signaling.Error{Code: signaling.CodeRate, Message: message, Next: "Wait a moment.", RetryAfter: seconds}
}

func unknownPeer() *signaling.Error {
	return &signaling.Error{Code: signaling.CodeUnknownPeer, Message: "This participant is not in the room, or doesn't take this."}
}

func (r *Room) answerClock(c *connection, m *signaling.ClockPing) error {
	received := r.cfg.Clock.NowNS(r.cfg.Now())
	return c.conn.Send(&signaling.ClockPong{ID: m.ID, ReceivedNS: received, AnsweredNS: r.cfg.Clock.NowNS(r.cfg.Now())})
}

// relay passes a signal on to another performer of the room.
func (r *Room) relay(p *participant, m *signaling.Signal) error {
	if !p.performs() {
		return forbidden("A listener has no connection with performers.")
	}
	if err := checkSignal(m); err != nil {
		return err
	}
	to := r.participants[m.To]
	if to == nil || to == p || !to.performs() {
		return unknownPeer()
	}
	relayed := *m
	relayed.From = p.id
	to.send(&relayed)
	return nil
}

// checkSignal refuses what is too long and what is not about audio.
func checkSignal(m *signaling.Signal) error {
	if c := m.Candidate; c != nil && len(c.Candidate)+len(c.SDPMid)+len(c.UsernameFragment) > maxCandidateBytes {
		return badValue("The candidate is longer than %d bytes.", maxCandidateBytes)
	}
	if m.Description == nil {
		return nil
	}
	if len(m.Description.SDP) > maxSDPBytes {
		return badValue("The session description is longer than %d bytes.", maxSDPBytes)
	}
	if !onlyAudio(m.Description.SDP) {
		return notAudio()
	}
	return nil
}

func notAudio() *signaling.Error {
	return &signaling.Error{Code: signaling.CodeBadMedia, Message: "The session description is not about audio alone.", Next: "Offer Opus audio, and nothing else."}
}

// onlyAudio tells whether a session description (RFC 8866) has at least one medium and each is audio
// or a data channel.
func onlyAudio(sdp string) bool {
	media := 0
	for line := range strings.Lines(sdp) {
		kind, isMedia := strings.CutPrefix(line, "m=")
		if !isMedia {
			continue
		}
		if !strings.HasPrefix(kind, "audio ") && !strings.HasPrefix(kind, "application ") {
			return false
		}
		media++
	}
	return media > 0
}

// announce notes a participant's new publication and tells the others.
func (r *Room) announce(p *participant, m *signaling.Publication) error {
	if !p.performs() {
		return forbidden("A listener publishes nothing.")
	}
	var none [8]byte
	switch {
	case m.ID == none:
		return badValue("The publication has no id.")
	case m.Channels != 1 && m.Channels != 2:
		return badValue("A publication has 1 or 2 channels, not %d.", m.Channels)
	case !opusFrame(m.FrameSamples):
		return badValue("An Opus packet cannot have %d samples.", m.FrameSamples)
	case m.LookAheadSamples < 0 || m.LookAheadSamples > 4800:
		return badValue("A look-ahead of %d samples is not between 0 and 4800.", m.LookAheadSamples)
	case !plausibleDelay(m.DelaySamples), !plausibleDelay(m.ClockErrorSamples):
		return badValue("A delay of %d and a clock error of %d samples are not both between 0 and 48000.", m.DelaySamples, m.ClockErrorSamples)
	}
	if !p.announces.AllowN(r.cfg.Now(), 1) {
		return tooFast("Too many publications at once.", 1)
	}
	publication := *m
	publication.ParticipantID = p.id
	p.publication = &publication
	p.track.announce(publication)
	r.broadcast(&publication, p)
	return nil
}

func plausibleDelay(samples int) bool { return samples >= 0 && samples <= 48000 }

// opusFrame tells whether one Opus packet can have so many samples at 48 kHz (RFC 6716, section 2.1.4).
func opusFrame(samples int) bool {
	switch samples {
	case 120, 240, 480, 960, 1920, 2880, 3840, 4800, 5760:
		return true
	}
	return false
}

func (r *Room) setForwarding(p *participant, m *signaling.Forwarding) error {
	from := r.participants[m.ParticipantID]
	if from == nil || from == p || !from.performs() || !p.performs() {
		return unknownPeer()
	}
	if m.Level == signaling.ForwardOff {
		p.off[from.id] = true
	} else {
		delete(p.off, from.id)
	}
	r.forwarder.SetStandby(from.id, p.id, m.Level == signaling.ForwardStandby)
	r.updatePaths()
	return nil
}

// chat cleans a line and sends it to everybody, the sender included.
func (r *Room) chat(p *participant, m *signaling.Chat) error {
	now := r.cfg.Now()
	if !p.chat.AllowN(now, 1) {
		return tooFast("Too many lines at once.", 1)
	}
	if utf8.RuneCountInString(m.Text) > maxChatRunes {
		return badValue("A line may have %d characters at most.", maxChatRunes)
	}
	text := plainText(m.Text)
	if text == "" {
		return badValue("The line is empty.")
	}
	r.broadcast(&signaling.Chat{From: p.id, Name: p.name, Text: text, UnixMS: now.UnixMilli()}, nil)
	return nil
}
