package session

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gasso/internal/procstat"
)

func TestStatsLineIsAsDocumented(t *testing.T) {
	snap := Snapshot{
		At: time.Date(2030, 1, 2, 3, 4, 5, 600_000_000, time.UTC), State: StateJoined, Problem: "None.", Room: "demo",
		Self: Self{
			ID: "p1", Muted: true, Level: Level{-12, -15}, OutputLevel: Level{-6, -9}, EncoderBitrate: 96000,
			CaptureLatency: 12345 * time.Microsecond, RenderLatency: 7500 * time.Microsecond, Underruns: 1, Overruns: 2, InvalidSamples: 3, Reopens: 4,
			Governor: Governor{
				Step: 5, Reason: ReasonCPULimit, Said: "Less.", NoiseOff: true, Mode: ModeSafe,
				Load: Load{
					CPULimitPercent: 40, CPUQuotaPercent: 50, ThrottledPercent: 2.5, MachinePercent: 90, CaptureRatio: 0.5,
					PlayoutRatio: 0.25, Late: 1500 * time.Microsecond, MemoryLimitBytes: 1 << 28,
				},
			},
			Network: Network{UplinkBPS: 88000, LimitedBy: LimitUplink, Short: true, MostCopies: 1, DirectPaths: 2, RestingPaths: 3, Receiving: ReceivesMix},
		},
		Performers: []Performer{{
			ID: "p2", Name: "Ben", Level: Level{-20, -23}, ConcealedRatio: 0.25, TargetDelay: 10 * time.Millisecond, CurrentDelay: 11 * time.Millisecond,
			Latency: Latency{Total: 22 * time.Millisecond, Device: 12 * time.Millisecond, Network: 6 * time.Millisecond, Buffer: 4 * time.Millisecond,
				Least: 20 * time.Millisecond, Most: 25 * time.Millisecond, Uncertainty: 1500 * time.Microsecond},
			Link: Link{Quality: QualityFair, Direct: true, Forwarded: true, DirectRTT: 1500 * time.Microsecond, PacketsDirect: 3, PacketsForward: 4, PacketsLost: 5,
				RedundantDepth: 1, RedundantSpread: 4, RepairedRatio: 0.125, Retransmitted: 6, PacketsUnusable: 7, BadFeedback: 8},
		}},
		Findings: []Finding{{Kind: TheirUpload, ParticipantID: "p2", Name: "Ben", LostRatio: 0.04}},
		OnAir:    OnAir{Live: true}, ClockReady: true, ClockDirect: true, RoomNS: 1_800_000_000_000_000_123, ServerRTT: 2500 * time.Microsecond,
	}
	got, err := json.MarshalIndent(newStatsLine(snap, procstat.Usage{CPUPercent: 1.5, MemoryBytes: 1 << 20}), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("the line is\n%s\nwant\n%s", got, want)
	}
}

func TestStatsAreOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	w := NewStatsWriter(&out)
	for range 2 {
		if err := w.Write(Snapshot{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	var line struct {
		Performers []any `json:"performers"`
		Memory     int64 `json:"memory_bytes"`
	}
	if err := json.Unmarshal(lines[1], &line); err != nil || line.Performers == nil || line.Memory == 0 {
		t.Errorf("line is %s: %v", lines[1], err)
	}
}
