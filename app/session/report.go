package session

import (
	"time"

	"gasso/audio/jitter"
	"gasso/audio/meter"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// Snapshot copies the state of the session.
func (s *Session) Snapshot() Snapshot {
	snap := Snapshot{At: time.Now(), ClockReady: s.clock.Ready(), ServerRTT: s.clock.RTT()}
	s.microphone.fill(&snap.Self)
	s.playout.fillSelf(&snap.Self)
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.State, snap.Problem = s.state, s.problem
	snap.Room, snap.Title = s.cfg.Room, s.room.Title
	snap.Self.ID, snap.Self.Name, snap.Self.Host = s.self.id, s.cfg.Name, s.self.role == signaling.RoleHost
	for _, id := range s.order {
		if id != mixID {
			snap.Performers = append(snap.Performers, s.describeLocked(s.performers[id], snap.At))
		}
	}
	snap.OnAir = OnAir{
		Live: s.onAir.Live, ListenerURL: s.onAir.ListenerURL, Listeners: s.onAir.Listeners,
		Problem: s.onAir.Problem, ProgramLevel: s.levelLocked(""),
	}
	if s.onAir.SinceUnixMS != 0 {
		snap.OnAir.Since = time.UnixMilli(s.onAir.SinceUnixMS)
	}
	snap.Chat = append(snap.Chat, s.chat...)
	snap.Self.ProgramStrip = programStrip(s.programStrip[s.self.id])
	snap.Self.ProgramLevel = s.levelLocked(s.self.id)
	return snap
}

func (s *Session) levelLocked(id string) Level {
	if l, ok := s.levels[id]; ok {
		return l
	}
	return Level{PeakDB: meter.FloorDB, RMSDB: meter.FloorDB}
}

func programStrip(m signaling.StripChanged) Strip {
	return Strip{GainDB: m.GainDB, Pan: m.Pan, Mute: m.Mute}
}

func (s *Session) describeLocked(p *performer, now time.Time) Performer {
	out := Performer{
		ID: p.info.ID, Name: p.info.Name, Host: p.info.Role == signaling.RoleHost,
		Strip: p.settings, ProgramStrip: programStrip(s.programStrip[p.info.ID]),
		Level: Level(p.meter.Level()), ProgramLevel: s.levelLocked(p.info.ID),
	}
	p.describe(&out, now)
	return out
}

// describe writes how the connection with a performer is.
func (p *performer) describe(out *Performer, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	connected := false
	if p.link != nil {
		stats := p.link.Stats()
		connected = stats.State == peer.StateConnected
		out.Link.Direct, out.Link.DirectRTT = connected, stats.RTT
	}
	out.Link.Quality = QualityConnecting
	voices := *p.voices.Load()
	if len(voices) == 0 {
		if connected {
			out.Link.Quality = QualitySilent
		}
		return
	}
	stats := voices[0].player.Stats()
	out.Link.PacketsDirect, out.Link.PacketsForward = stats.Received[jitter.PathDirect], stats.Received[jitter.PathForwarded]
	out.Link.PacketsReceived = out.Link.PacketsDirect + out.Link.PacketsForward
	out.Link.PacketsLost = stats.Lost
	out.Link.Forwarded = p.quality.forwarding
	out.ConcealedRatio, out.TargetDelay = stats.ConcealedRatio5s, stats.TargetDelay
	switch {
	case out.Link.PacketsReceived == 0:
	case now.Sub(stats.LastArrival) > silentAfter:
		out.Link.Quality = QualitySilent
	case stats.ConcealedRatio5s > 0.03:
		out.Link.Quality = QualityPoor
	case stats.ConcealedRatio5s > 0.005:
		out.Link.Quality = QualityFair
	default:
		out.Link.Quality = QualityGood
	}
}

// qualityWindow notices which paths deliver now.
type qualityWindow struct {
	forwarded  int64
	forwarding bool
}

func (q *qualityWindow) add(stats jitter.Stats) {
	forwarded := stats.Received[jitter.PathForwarded]
	q.forwarding = forwarded > q.forwarded
	q.forwarded = forwarded
}

// fillSelf writes what a screen shows of the loudspeaker.
func (p *playout) fillSelf(self *Self) {
	render := p.device()
	if render == nil {
		return
	}
	self.OutputName = render.Info().Name
	self.Underruns = render.Stats().Underruns
	self.OutputLevel = Level(p.meter.Level())
	self.RenderLatency = p.latency()
}
