package room

import (
	"errors"
	"time"

	"gasso/audio/mix"
	"gasso/net/signaling"
	"gasso/server/limits"
)

// entry is somebody at the door.
type entry struct {
	conn   *signaling.Conn
	join   *signaling.JoinRoom
	grant  Grant
	denied error // from the authorizer
}

// People in one room may enter in bursts, but not for long: each of them costs a connection.
const (
	entriesASecond = 10
	entryBurst     = 100
)

// joinedPeople is how many others joined names. A message has its bound, so that those beyond follow
// in messages of their own.
const joinedPeople = 48

// admit lets somebody in, as a new participant or as one who is back. An invite that has expired
// meanwhile, or cannot be looked up, doesn't keep out who is back; one that was revoked does.
func (r *Room) admit(e *entry) (*participant, error) {
	id, known, err := r.claim(e.join.Resume)
	if err != nil {
		return nil, err
	}
	if known != nil && (e.denied != nil && !errors.Is(e.denied, ErrBadInvite) || e.denied == nil && e.grant.Role == known.role) {
		return r.resume(known, e)
	}
	if e.denied != nil {
		return nil, inviteError(e.denied)
	}
	if err := r.cfg.Limits.Admit(limits.Participant, limits.Load{InRoom: len(r.order)}, r.cfg.Now()); err != nil {
		return nil, fullError(err)
	}
	if !r.entries.AllowN(r.cfg.Now(), 1) {
		return nil, tooFast("Too many people enter this room at once.", 1)
	}
	if known != nil { // back with another role, which is for a participant's life: enters as somebody new
		id = newParticipantID()
		r.replace(known, nil)
		r.remove(known, signaling.LeftByWish)
	}
	return r.enter(newParticipant(id, e, r.log), e)
}

// replace ends a connection in favour of a newer one.
func (r *Room) replace(p *participant, before *signaling.Conn) {
	if before == nil {
		before = p.takeConn()
	}
	if before != nil {
		before.Finish(&signaling.Closed{Reason: signaling.ClosedReplaced, Text: "The same participant connected again, perhaps in another window."})
	}
}

// claim returns the participant that a resume names and proves to be. For one whose state is gone, or
// from before a restart of the server, it returns the id alone; without resume, a new id.
func (r *Room) claim(resume *signaling.Resume) (id string, known *participant, err error) {
	if resume == nil {
		return newParticipantID(), nil, nil
	}
	id = resume.ParticipantID
	if r.removed[id] {
		return "", nil, &signaling.Error{Code: signaling.CodeResume, Message: "The operator took this participant out of the room.", Next: "Ask the host for a new invite."}
	}
	known = r.participants[id]
	valid := validParticipantID(id) && resumeSecretValid(r.cfg.ResumeKey, r.id, id, resume.Secret)
	if !valid {
		r.reg.refusals.addForged()
	}
	switch {
	case valid:
		return id, known, nil
	case known != nil:
		return "", nil, &signaling.Error{Code: signaling.CodeResume, Message: "This participant is in the room, and the resume secret is not its own.", Next: "Join without resume to enter as somebody new."}
	}
	return newParticipantID(), nil, nil
}

// enter adds a new participant, tells it about the room and the others about it.
func (r *Room) enter(p *participant, e *entry) (*participant, error) {
	r.participants[p.id] = p
	r.order = append(r.order, p)
	if p.performs() {
		p.track = r.newTrack(p.id)
		r.mixer.SetStrip(p.id, mix.Settings{}) // also for an id that was here before
	}
	if !r.air.live && (r.autoOnAir || p.performs() && r.cfg.Now().Before(r.wasOnAir)) {
		if err := r.setOnAir(true); err != nil {
			r.log.Error("broadcast not started", "error", err)
		}
	}
	r.attach(p, e.conn, false)
	r.broadcast(&signaling.ParticipantJoined{Participant: p.public()}, p)
	r.log.Info("participant joined", "participant", p.id, "role", p.role, "invite", p.inviteID)
	r.openLink(p)
	r.updatePaths()
	return p, nil
}

// resume gives a participant its new connection; the one before, if there is one, ends.
func (r *Room) resume(p *participant, e *entry) (*participant, error) {
	link := p.currentLink()
	keep := link != nil && e.join.Resume.Link != "" && link.ID() == e.join.Resume.Link
	if !keep && p.performs() && !p.starts.AllowN(r.cfg.Now(), 1) {
		return nil, tooFast("The connection is started over too often.", startOverSeconds)
	}
	was := p.public()
	p.describe(e.join)
	r.forwarder.EndStandby(p.id)
	p.lostAt = time.Time{}
	if !keep && link != nil {
		r.startOver(p, link) // before what is held goes out: signals of the old link don't
	}
	if before := r.attach(p, e.conn, true); before != nil {
		r.replace(p, before)
	}
	if is := p.public(); is != was {
		r.broadcast(&signaling.ParticipantJoined{Participant: is}, p)
	}
	r.log.Info("participant resumed", "participant", p.id, "link_kept", keep)
	switch {
	case keep:
		r.openFeed(p, link)
		r.reviveLink(p, link)
	case link == nil && !p.starting:
		r.openLink(p)
	}
	r.updatePaths()
	return p, nil
}

// attach gives a participant a connection, tells it about the room, and returns the connection before.
func (r *Room) attach(p *participant, conn *signaling.Conn, resumed bool) (before *signaling.Conn) {
	joined := r.joined(p, resumed)
	people := joined.Participants
	joined.Participants = people[:min(len(people), joinedPeople)]
	first := []signaling.Message{joined}
	for _, other := range people[len(joined.Participants):] {
		first = append(first, &signaling.ParticipantJoined{Participant: other})
	}
	return p.attach(conn, first)
}

// transport is what a participant is told about reaching others. Listeners reach nobody, and get no
// credentials.
func (r *Room) transport(p *participant) signaling.TransportOptions {
	if !p.performs() {
		return signaling.TransportOptions{}
	}
	return r.cfg.Transport(p.id)
}

// joined is what a participant learns on entering.
func (r *Room) joined(p *participant, resumed bool) *signaling.Joined {
	m := &signaling.Joined{
		Protocol: signaling.ProtocolVersion, ParticipantID: p.id, Resumed: resumed, Role: p.role,
		ResumeSecret: resumeSecret(r.cfg.ResumeKey, r.id, p.id),
		Room:         signaling.Room{ID: r.id, Title: r.title},
		Participants: []signaling.Participant{}, Strips: []signaling.StripChanged{},
		OnAir: r.air.state, TransportOptions: r.transport(p),
	}
	for _, other := range r.order {
		if other != p {
			m.Participants = append(m.Participants, other.public())
		}
		if other.performs() {
			m.Strips = append(m.Strips, other.strip)
		}
	}
	return m
}
