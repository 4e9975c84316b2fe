package session

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"gasso/internal/procstat"
)

func TestStatsLineIsAsDocumented(t *testing.T) {
	snap := Snapshot{
		At: time.Date(2030, 1, 2, 3, 4, 5, 600_000_000, time.UTC), State: StateJoined, Problem: "None.", Room: "demo",
		Self: Self{
			ID: "p1", Muted: true, Level: Level{-12, -15}, OutputLevel: Level{-6, -9}, EncoderBitrate: 96000,
			CaptureLatency: 12345 * time.Microsecond, RenderLatency: 7500 * time.Microsecond, CaptureLate: 41 * time.Millisecond, RenderLate: 2 * time.Millisecond, Underruns: 1, Overruns: 2, InvalidSamples: 3, Reopens: 4,
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
			ID: "p2", Name: "Ben", Level: Level{-20, -23}, ConcealedRatio: 0.25, Played: 8 * time.Second, Concealed: 30 * time.Millisecond, TargetDelay: 10 * time.Millisecond, CurrentDelay: 11 * time.Millisecond,
			Latency: Latency{Total: 22 * time.Millisecond, Device: 12 * time.Millisecond, Network: 6 * time.Millisecond, Buffer: 4 * time.Millisecond,
				Least: 20 * time.Millisecond, Most: 25 * time.Millisecond, Uncertainty: 1500 * time.Microsecond},
			Link: Link{Quality: QualityFair, Direct: true, Relayed: true, Forwarded: true, DirectRTT: 1500 * time.Microsecond, PacketsDirect: 3, PacketsForward: 4, PacketsLost: 5, PathDifference: 14 * time.Millisecond,
				RedundantDepth: 1, RedundantSpread: 4, RepairedRatio: 0.125, Retransmitted: 6, PacketsUnusable: 7, BadFeedback: 8},
		}},
		Findings: []Finding{{Kind: TheirUpload, ParticipantID: "p2", Name: "Ben", LostRatio: 0.04}},
		figures: figures{server: seen(0.03, 0.01), others: []theirFigures{{
			id: "p2", direct: loses(0.04), forwarded: loses(0.05), need: 9 * time.Millisecond, server: serverView{known: true, up: 0.04},
		}}},
		OnAir: OnAir{Live: true}, ClockReady: true, ClockDirect: true, RoomNS: 1_800_000_000_000_000_123, ServerRTT: 2500 * time.Microsecond,
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

// TestDevelopmentDocumentTellsEachFieldOfTheStatistics looks for each field in the table of
// docs/development.md, and for each row of the table among the fields.
func TestDevelopmentDocumentTellsEachFieldOfTheStatistics(t *testing.T) {
	document, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	told, list := map[string]bool{}, ""
	name := regexp.MustCompile("`([a-z0-9_]+)`")
	_, table, _ := strings.Cut(string(document), "--stats FILE` writes")
	table, _, _ = strings.Cut(table, "|\n\n")
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		rest, nested := strings.CutPrefix(cell, "... ") // of the objects in the list above
		for _, found := range name.FindAllStringSubmatch(rest, -1) {
			if nested {
				told[list+found[1]] = true
				continue
			}
			told[found[1]] = true
			list = found[1] + "."
		}
	}
	fields := map[string]bool{}
	fieldsOf(reflect.TypeFor[statsLine](), "", fields)
	for field := range fields {
		if !told[field] {
			t.Errorf("docs/development.md does not tell of %s", field)
		}
	}
	for field := range told {
		if !fields[field] {
			t.Errorf("docs/development.md tells of %s, which is not written", field)
		}
	}
	if len(fields) < 80 {
		t.Errorf("found only %d fields: the search is broken", len(fields))
	}
}

// fieldsOf collects the names of a struct's fields in JSON, those of lists of objects behind the list's.
func fieldsOf(t reflect.Type, list string, fields map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			fieldsOf(f.Type, list, fields)
		case f.Type.Kind() == reflect.Slice:
			fields[list+tag] = true
			fieldsOf(f.Type.Elem(), tag+".", fields)
		default:
			fields[list+tag] = true
		}
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
