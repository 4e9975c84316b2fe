package session

import (
	"strings"
	"time"

	"gasso/audio/device"
	"gasso/audio/jitter"
	"gasso/audio/meter"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// Snapshot copies the state of the session.
func (s *Session) Snapshot() Snapshot {
	snap := Snapshot{At: time.Now(), ClockReady: s.clock.Ready(), ClockDirect: s.clockwork.onChannel(), ServerRTT: s.clock.RTT()}
	snap.RoomNS = s.clock.RoomNS(snap.At)
	devices := []string{s.microphone.describe(&snap.Self), s.playout.describe(&snap.Self), s.adaptation.describe(&snap.Self)}
	snap.Self.Governor = s.governing.describe(snap.At, s.microphone.asked())
	devices = append(devices, s.keeping.describe(&snap.Self, snap.At))
	snap.Self.Governor.Mode = s.microphone.packetMode()
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.State, snap.Problem = s.state, s.problems.words(snap.At, devices...)
	snap.Room, snap.Title = s.cfg.Room, s.room.Title
	snap.Self.ID, snap.Self.Name, snap.Self.Host = s.self.id, s.cfg.Name, s.self.role == signaling.RoleHost
	for _, id := range s.order {
		if id != mixID {
			snap.Performers = append(snap.Performers, s.describeLocked(s.performers[id], snap.At))
		}
	}
	snap.Findings, snap.figures = s.findingsLocked(&snap)
	snap.OnAir = OnAir{
		Live: s.onAir.Live, ListenerURL: s.onAir.ListenerURL, Listeners: s.onAir.Listeners,
		Problem: s.onAir.Problem, ProgramLevel: s.levelLocked(""),
	}
	if s.onAir.SinceUnixMS != 0 {
		snap.OnAir.Since = time.UnixMilli(s.onAir.SinceUnixMS)
	}
	snap.Chat = append(snap.Chat, s.chat...)
	snap.Self.Monitor = s.monitorLocked(snap.Self.Monitor.Latency + snap.Self.RenderLatency)
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
		ID: p.id, Name: p.info.Name, Host: p.info.Role == signaling.RoleHost,
		Strip: p.settings, ProgramStrip: programStrip(s.programStrip[p.id]),
		Level: Level(p.meter.Level()), ProgramLevel: s.levelLocked(p.id),
	}
	heard := p
	if m := s.performers[mixID]; m != nil && (s.cfg.Receive == signaling.ReceiveMix || s.adaptation.mixing.Load()) {
		heard = m // everybody comes in one
	}
	heard.describe(&out, now)
	out.Latency = s.describeLatencyLocked(heard, now)
	s.describeProtectionLocked(heard, &out.Link)
	return out
}

// describe writes how the connection with a performer is.
func (p *performer) describe(out *Performer, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	connected := false
	if p.link != nil {
		stats := p.link.LastStats()
		connected = stats.State == peer.StateConnected
		out.Link.Direct, out.Link.Relayed, out.Link.DirectRTT = connected, connected && stats.Relay, stats.RTT
	}
	counts := p.countsLocked()
	out.Link.PacketsDirect, out.Link.PacketsForward = counts.received[jitter.PathDirect], counts.received[jitter.PathForwarded]
	out.Link.PacketsReceived = out.Link.PacketsDirect + out.Link.PacketsForward
	out.Link.PacketsLost = counts.lost
	out.Played, out.Concealed = counts.played.span(), counts.concealed.span()
	out.Link.PacketsUnusable = counts.unusable + p.unusableOnTracks()
	out.Link.Forwarded = p.quality.forwarding
	if voices := *p.voices.Load(); len(voices) > 0 {
		stats := voices[0].player.Stats()
		out.ConcealedRatio, out.TargetDelay, out.CurrentDelay = stats.ConcealedRatio5s, stats.TargetDelay, stats.CurrentDelay
		if counts.received[jitter.PathDirect] > 0 && counts.received[jitter.PathForwarded] > 0 {
			out.Link.PathDifference = stats.Paths[jitter.PathForwarded].BaseDelay - stats.Paths[jitter.PathDirect].BaseDelay
		}
		for _, o := range stats.Outlook {
			if o.Delay > 0 {
				out.Outlook = append(out.Outlook, Outlook(o))
			}
		}
	}
	out.Link.Quality = qualityOf(connected, counts.last, out.ConcealedRatio, now)
}

// The shares of concealed samples at which a connection counts as less than good.
const (
	fairRatio = 0.005
	poorRatio = 0.03
)

// qualityOf puts a connection into a word. last is when a packet came.
func qualityOf(connected bool, last time.Time, concealed float64, now time.Time) Quality {
	switch {
	case last.IsZero() && !connected:
		return QualityConnecting
	case now.Sub(last) > silentAfter:
		return QualitySilent
	case concealed > poorRatio:
		return QualityPoor
	case concealed > fairRatio:
		return QualityFair
	}
	return QualityGood
}

// packetCounts sum what came over all publications of a performer.
type packetCounts struct {
	received  [2]int64 // by path
	lost      int64
	unusable  int64 // damaged, impossible, or too many at once
	played    soundCount
	concealed soundCount // of these
	last      time.Time  // arrival of the newest; zero without
}

func (c *packetCounts) add(s jitter.Stats) {
	for path, n := range s.Received {
		c.received[path] += n
	}
	c.lost += s.Lost
	c.played += soundCount(s.PlayedSamples)
	c.concealed += soundCount(s.ConcealedSamples)
	c.unusable += s.Corrupt + s.Invalid + s.Dropped
	if s.LastArrival.After(c.last) {
		c.last = s.LastArrival
	}
}

// soundCount is a number of samples, of days where need be.
type soundCount int64

func (n soundCount) span() time.Duration {
	const perMS = device.Rate / 1000
	return time.Duration(n/perMS)*time.Millisecond + time.Duration(n%perMS)*time.Millisecond/perMS
}

func (p *performer) countsLocked() packetCounts {
	counts := p.retired
	for _, v := range *p.voices.Load() {
		counts.add(v.player.Stats())
	}
	return counts
}

// qualityWindow notices which paths deliver now.
type qualityWindow struct {
	forwarded  int64
	forwarding bool
}

func (q *qualityWindow) add(counts packetCounts) {
	forwarded := counts.received[jitter.PathForwarded]
	q.forwarding = forwarded > q.forwarded
	q.forwarded = forwarded
}

// describe writes what a screen shows of the loudspeaker, and returns what is wrong with it.
func (p *playout) describe(self *Self) (problem string) {
	self.OutputLevel = Level(p.meter.Level())
	render := p.device()
	if render == nil {
		return ""
	}
	stats := render.Stats()
	self.OutputName, self.Underruns, self.RenderLatency = render.Info().Name, stats.Underruns, p.latency()
	self.RenderLate = stats.WorstLateness
	self.InvalidSamples += stats.Invalid
	self.Reopens += stats.Reopens
	problem, news := p.condition.output(stats, time.Now())
	if news != "" {
		self.News = strings.TrimSpace(self.News + " " + news)
	}
	return problem
}
