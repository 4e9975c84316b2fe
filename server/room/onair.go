package room

import (
	"fmt"
	"math"
	"time"

	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/net/signaling"
	"gasso/server/mixer"
)

// Bounds of a strip.
const (
	minGainDB = -80
	maxGainDB = 12
	silentDB  = -120
)

// air is a room's broadcast.
type air struct {
	broadcast Broadcast // nil: this server has none
	live      bool
	sinceMS   int64
	problem   string               // why it did not start
	state     signaling.OnAirState // as told last
}

// SetOnAir starts or stops the broadcast, as a host's on-air message does.
func (r *Room) SetOnAir(live bool) error {
	err := ErrEnded
	r.call(func() { err = r.setOnAir(live) })
	return err
}

func (r *Room) setOnAir(live bool) error {
	if live == r.air.live {
		return nil
	}
	if r.air.broadcast == nil {
		return &signaling.Error{Code: signaling.CodeForbidden, Message: ErrNoBroadcast.Error() + ".", Next: "Ask the operator."}
	}
	defer r.refreshAir()
	r.air.problem, r.wasOnAir = "", time.Time{}
	if !live {
		r.air.broadcast.Stop()
		r.air.live, r.air.sinceMS = false, 0
		r.keepOnAir()
		r.log.Info("broadcast stopped")
		return nil
	}
	if err := r.air.broadcast.Start(); err != nil {
		r.air.problem = "The broadcast could not start. The operator finds the reason in the server's log."
		return fmt.Errorf("start broadcast: %w", err)
	}
	r.air.live, r.air.sinceMS = true, r.cfg.Now().UnixMilli()
	r.keepOnAir()
	r.log.Info("broadcast started")
	return nil
}

// keepOnAir tells everybody's shelf whether the room is on air.
func (r *Room) keepOnAir() {
	for _, p := range r.order {
		if p.track != nil {
			p.track.shelf.setOnAir(r.air.live)
		}
	}
}

// airState is how the broadcast is now.
func (r *Room) airState() signaling.OnAirState {
	s := signaling.OnAirState{Live: r.air.live, SinceUnixMS: r.air.sinceMS, Problem: r.air.problem}
	if r.air.broadcast != nil {
		b := r.air.broadcast.State()
		s.ListenerURL, s.Listeners = b.ListenerURL, b.Listeners
		if s.Problem == "" {
			s.Problem = b.Problem
		}
	}
	if r.cfg.Journal != nil && s.Problem == "" {
		s.Problem = r.cfg.Journal.Problem(r.id)
	}
	return s
}

// refreshAir tells everybody when something about the broadcast changed.
func (r *Room) refreshAir() {
	if s := r.airState(); s != r.air.state {
		r.air.state = s
		r.broadcast(&s, nil)
	}
}

// SetStrip changes a strip of the program, as a host's strip-set message does, and returns it.
func (r *Room) SetStrip(change signaling.StripSet) (signaling.StripChanged, error) {
	var strip signaling.StripChanged
	err := ErrEnded
	r.call(func() { strip, err = r.setStrip(&change) })
	return strip, err
}

func (r *Room) setStrip(m *signaling.StripSet) (signaling.StripChanged, error) {
	p := r.participants[m.ParticipantID]
	if p == nil || !p.performs() {
		return signaling.StripChanged{}, unknownPeer()
	}
	strip := p.strip
	if m.GainDB != nil {
		strip.GainDB = *m.GainDB
	}
	if m.Pan != nil {
		strip.Pan = *m.Pan
	}
	if m.Mute != nil {
		strip.Mute = *m.Mute
	}
	if !within(strip.GainDB, minGainDB, maxGainDB) {
		return p.strip, badValue("A gain lies between %d and %d dB.", minGainDB, maxGainDB)
	}
	if !within(strip.Pan, -1, 1) {
		return p.strip, badValue("A pan lies between -1 and 1.")
	}
	p.strip = strip
	r.mixer.SetStrip(p.id, mix.Settings{GainDB: strip.GainDB, Pan: strip.Pan, Mute: strip.Mute})
	r.broadcast(&strip, nil)
	return strip, nil
}

func within(v, least, most float64) bool { return !math.IsNaN(v) && v >= least && v <= most }

// sendLevels tells hosts the program's meters. Without a host nobody asks the mixer for them.
func (r *Room) sendLevels() {
	var message *signaling.Levels
	for _, p := range r.order {
		if p.role != signaling.RoleHost || !p.lostAt.IsZero() {
			continue
		}
		if message == nil {
			message = wireLevels(r.mixer.Levels())
		}
		p.send(message)
	}
}

func wireLevels(l mixer.Levels) *signaling.Levels {
	m := &signaling.Levels{
		Strips:  make([]signaling.Level, 0, len(l.Strips)),
		Program: wireLevel("", l.Program),
	}
	for _, s := range l.Strips {
		m.Strips = append(m.Strips, wireLevel(s.ParticipantID, s.Level))
	}
	return m
}

// wireLevel rounds to tenths of a decibel; JSON has no infinities.
func wireLevel(participantID string, l meter.Level) signaling.Level {
	round := func(db float64) float64 {
		if !within(db, silentDB, -silentDB) {
			return silentDB
		}
		return math.Round(10*db) / 10
	}
	return signaling.Level{ParticipantID: participantID, PeakDB: round(l.PeakDB), RMSDB: round(l.RMSDB)}
}
