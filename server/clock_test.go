package server

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gasso/net/clocksync"
)

func TestRoomTimeGoesOnAfterARestartWhateverTheWallClockShows(t *testing.T) {
	_, here, known := machineNow()
	if !known {
		t.Skip("not measured: no clock of the machine is known here")
	}
	file := filepath.Join(t.TempDir(), clockFile)
	log := slog.New(slog.DiscardHandler)
	for _, off := range []time.Duration{0, time.Hour, -time.Hour, 70 * time.Millisecond} { // that the wall clock was set by meanwhile
		before := clocksync.ContinueAnchor(time.Now(), time.Now().Add(off).UnixNano())
		if err := noteClock(file, before); err != nil {
			t.Fatal(err)
		}
		after := anchorAt(file, log)
		now := time.Now()
		if jump := time.Duration(after.NowNS(now) - before.NowNS(now)).Abs(); jump > 5*time.Millisecond {
			t.Errorf("wall clock off by %v: room time jumps by %v", off, jump)
		}
	}
	for name, note := range map[string]clockNote{
		"another boot":     {machineMoment{"x", here.MonotonicNS}, 1},
		"of the future":    {machineMoment{here.Boot, here.MonotonicNS + int64(time.Hour)}, 1},
		"long ago":         {machineMoment{here.Boot, here.MonotonicNS - int64(clockHolds) - 1}, 1},
		"without a time":   {machineMoment{here.Boot, here.MonotonicNS}, 0},
		"before the epoch": {machineMoment{here.Boot, here.MonotonicNS}, -1},
		"empty":            {},
	} {
		data, err := json.Marshal(note)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{data, []byte("{"), nil} {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			if off := time.Duration(anchorAt(file, log).NowNS(now) - now.UnixNano()).Abs(); off > time.Second {
				t.Errorf("a note %s puts room time %v off the wall clock", name, off)
			}
		}
	}
}
