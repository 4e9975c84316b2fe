package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gasso/net/clocksync"
)

// clockFile keeps room time through a restart of the server, below the data folder.
const clockFile = "clock.json"

const (
	clockNoted = 10 * time.Second // between two notes of room time on disk
	clockHolds = 10 * time.Minute // that a server may have been gone: whoever played with it has left by then
)

// machineMoment is a moment of the machine's own clock, which nobody sets and which goes on while the
// server does not run.
type machineMoment struct {
	Boot        string `json:"boot"` // of the machine; another one starts another clock
	MonotonicNS int64  `json:"monotonicNs"`
}

// clockNote is room time at a moment of the machine's clock.
type clockNote struct {
	machineMoment
	RoomNS int64 `json:"roomNs"`
}

// after is room time at a later moment; false when that cannot be told, or is too long ago to matter.
func (n *clockNote) after(m machineMoment) (roomNS int64, ok bool) {
	passed := m.MonotonicNS - n.MonotonicNS
	if n.Boot == "" || n.Boot != m.Boot || passed < 0 || passed > int64(clockHolds) || n.RoomNS <= 0 {
		return 0, false
	}
	return n.RoomNS + passed, true
}

// openClock anchors room time: to where a server on this folder left it a short while ago, so that
// performers who go on playing to each other meanwhile notice nothing even if the wall clock was set;
// otherwise to the wall clock.
func (s *Server) openClock() {
	s.clock = anchorAt(filepath.Join(s.cfg.Data, clockFile), s.log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.runClockNotes(ctx)
	}()
	s.closers = append(s.closers, func() error { cancel(); <-done; return nil })
}

func anchorAt(file string, log *slog.Logger) *clocksync.Anchor {
	now, here, known := machineNow()
	if !known {
		return clocksync.NewAnchor(now)
	}
	var note clockNote
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &note) != nil {
		return clocksync.NewAnchor(now)
	}
	roomNS, ok := note.after(here)
	if !ok {
		return clocksync.NewAnchor(now)
	}
	log.Info("room time goes on", "off_wall_clock", time.Duration(roomNS-now.UnixNano()))
	return clocksync.ContinueAnchor(now, roomNS)
}

// runClockNotes notes room time until ctx ends, and once more then.
func (s *Server) runClockNotes(ctx context.Context) {
	tick := time.NewTicker(clockNoted)
	defer tick.Stop()
	for ended := false; ; {
		if err := noteClock(filepath.Join(s.cfg.Data, clockFile), s.clock); err != nil {
			s.log.Warn("room time not noted; a restart may make performers' clocks jump", "error", err)
		}
		if ended {
			return
		}
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
	}
}

func noteClock(file string, clock *clocksync.Anchor) error {
	now, here, known := machineNow()
	if !known {
		return nil
	}
	data, err := json.Marshal(clockNote{here, clock.NowNS(now)})
	if err != nil {
		return err
	}
	next := file + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}
