package session

import (
	"encoding/json"
	"io"
	"time"

	"gasso/internal/procstat"
)

// StatsWriter writes snapshots as JSON, one object a line, every figure with its unit in its name.
type StatsWriter struct {
	encoder *json.Encoder
	sampler *procstat.Sampler
}

// NewStatsWriter writes to w.
func NewStatsWriter(w io.Writer) *StatsWriter {
	return &StatsWriter{encoder: json.NewEncoder(w), sampler: procstat.NewSampler(time.Now())}
}

// statsLine is the form of one line; docs/protocol.md is not about it, gasso headless --stats is.
type statsLine struct {
	At             string  `json:"at"`
	State          State   `json:"state"`
	Problem        string  `json:"problem,omitempty"`
	Room           string  `json:"room"`
	ParticipantID  string  `json:"participant_id"`
	ServerRTTMS    float64 `json:"rtt_ms"`
	ClockReady     bool    `json:"clock_ready"`
	ClockDirect    bool    `json:"clock_on_data_channel"`
	RoomTimeNS     int64   `json:"room_time_ns"`
	CPUPercent     float64 `json:"cpu_percent"`
	MemoryBytes    int64   `json:"memory_bytes"`
	CaptureMS      float64 `json:"capture_latency_ms"`
	RenderMS       float64 `json:"render_latency_ms"`
	CaptureLateMS  float64 `json:"capture_late_ms"`
	RenderLateMS   float64 `json:"render_late_ms"`
	BitrateBPS     int     `json:"bitrate_bps"`
	Underruns      int64   `json:"underruns"`
	OverrunSamples int64   `json:"overrun_samples"`
	InvalidSamples int64   `json:"invalid_samples"`
	DeviceReopens  int64   `json:"device_reopens"`
	Muted          bool    `json:"muted"`
	PeakDB         float64 `json:"peak_db"`
	OutputPeakDB   float64 `json:"output_peak_db"`
	OnAir          bool    `json:"on_air"`

	GovernorStep     int            `json:"governor_step"`
	GovernorReason   GovernorReason `json:"governor_reason,omitempty"`
	GovernorSaid     string         `json:"governor_said,omitempty"`
	NoiseOff         bool           `json:"noise_suppression_off_for_now"`
	PacketMode       Mode           `json:"packet_mode"`
	CPULimitPercent  float64        `json:"cpu_limit_percent"`
	CPUQuotaPercent  float64        `json:"cpu_quota_percent"`
	ThrottledPercent float64        `json:"throttled_percent"`
	MachinePercent   float64        `json:"machine_cpu_percent"`
	CaptureRatio     float64        `json:"capture_frame_ratio"`
	PlayoutRatio     float64        `json:"playout_frame_ratio"`
	LateMS           float64        `json:"late_ms"`
	MemoryLimitBytes int64          `json:"memory_limit_bytes"`

	statsSpool
	statsNetwork
	statsServerView

	Performers []statsPerforms `json:"performers"`
	Findings   []statsFinding  `json:"findings"`
}

// statsFinding is what is wrong and on whose side; without an id it is this one.
type statsFinding struct {
	Kind          FindingKind `json:"kind"`
	ParticipantID string      `json:"participant_id,omitempty"`
	LostRatio     float64     `json:"lost_ratio"`
	LateMS        float64     `json:"late_ms"`
}

type statsPerforms struct {
	ID             string  `json:"id"`
	Name           string  `json:"name"`
	Quality        Quality `json:"quality"`
	Direct         bool    `json:"direct"`
	Relayed        bool    `json:"relayed"`
	Forwarded      bool    `json:"forwarded"`
	RTTMS          float64 `json:"direct_rtt_ms"`
	TargetDelayMS  float64 `json:"target_delay_ms"`
	CurrentDelayMS float64 `json:"current_delay_ms"`
	LatencyMS      float64 `json:"latency_ms"`
	LatencyDevice  float64 `json:"latency_device_ms"`
	LatencyNetwork float64 `json:"latency_network_ms"`
	LatencyBuffer  float64 `json:"latency_buffer_ms"`
	LatencyLeast   float64 `json:"latency_least_ms"`
	LatencyMost    float64 `json:"latency_most_ms"`
	LatencyUnsure  float64 `json:"latency_uncertainty_ms"`
	ConcealedRatio float64 `json:"concealed_ratio"`
	PlayedMS       float64 `json:"played_ms"`
	ConcealedMS    float64 `json:"concealed_ms"`
	PathDifference float64 `json:"path_difference_ms"`
	PacketsDirect  int64   `json:"packets_direct"`
	PacketsForward int64   `json:"packets_forwarded"`
	PacketsLost    int64   `json:"packets_lost"`
	PacketsUnused  int64   `json:"packets_unusable"`
	BadFeedback    int64   `json:"bad_feedback"`
	RedDepth       int     `json:"red_depth"`
	RedSpread      int     `json:"red_spread"`
	RepairedRatio  float64 `json:"repaired_ratio"`
	Retransmitted  int64   `json:"retransmitted"`
	PeakDB         float64 `json:"peak_db"`

	statsServerView
	statsPaths
}

// Write adds one line.
func (w *StatsWriter) Write(s Snapshot) error {
	return w.encoder.Encode(newStatsLine(s, w.sampler.Sample(s.At)))
}

func newStatsLine(s Snapshot, usage procstat.Usage) statsLine {
	load := s.Self.Governor.Load
	line := statsLine{
		At: s.At.UTC().Format(time.RFC3339Nano), State: s.State, Problem: s.Problem, Room: s.Room, ParticipantID: s.Self.ID,
		ServerRTTMS: inMS(s.ServerRTT), ClockReady: s.ClockReady, ClockDirect: s.ClockDirect, RoomTimeNS: s.RoomNS, CPUPercent: usage.CPUPercent, MemoryBytes: usage.MemoryBytes,
		CaptureMS: inMS(s.Self.CaptureLatency), RenderMS: inMS(s.Self.RenderLatency), CaptureLateMS: inMS(s.Self.CaptureLate), RenderLateMS: inMS(s.Self.RenderLate), BitrateBPS: s.Self.EncoderBitrate,
		Underruns: s.Self.Underruns, OverrunSamples: s.Self.Overruns, Muted: s.Self.Muted,
		InvalidSamples: s.Self.InvalidSamples, DeviceReopens: s.Self.Reopens,
		PeakDB: s.Self.Level.PeakDB, OutputPeakDB: s.Self.OutputLevel.PeakDB, OnAir: s.OnAir.Live,
		GovernorStep: s.Self.Governor.Step, GovernorReason: s.Self.Governor.Reason, GovernorSaid: s.Self.Governor.Said,
		NoiseOff: s.Self.Governor.NoiseOff, PacketMode: s.Self.Governor.Mode,
		CPULimitPercent: load.CPULimitPercent, CPUQuotaPercent: load.CPUQuotaPercent, ThrottledPercent: load.ThrottledPercent,
		MachinePercent: load.MachinePercent, CaptureRatio: load.CaptureRatio, PlayoutRatio: load.PlayoutRatio,
		LateMS: inMS(load.Late), MemoryLimitBytes: load.MemoryLimitBytes,
		statsSpool:   newStatsSpool(s.Self.Spool),
		statsNetwork: newStatsNetwork(&s.Self.Network), statsServerView: newStatsServerView(s.figures.server),
		Performers: make([]statsPerforms, 0, len(s.Performers)), Findings: make([]statsFinding, 0, len(s.Findings)),
	}
	for _, f := range s.Findings {
		line.Findings = append(line.Findings, statsFinding{Kind: f.Kind, ParticipantID: f.ParticipantID, LostRatio: f.LostRatio, LateMS: inMS(f.Late)})
	}
	for _, p := range s.Performers {
		seen := s.figures.of(p.ID)
		line.Performers = append(line.Performers, statsPerforms{
			ID: p.ID, Name: p.Name, Quality: p.Link.Quality, Direct: p.Link.Direct, Relayed: p.Link.Relayed, Forwarded: p.Link.Forwarded,
			RTTMS: inMS(p.Link.DirectRTT), TargetDelayMS: inMS(p.TargetDelay), CurrentDelayMS: inMS(p.CurrentDelay), ConcealedRatio: p.ConcealedRatio,
			LatencyMS: inMS(p.Latency.Total), LatencyDevice: inMS(p.Latency.Device), LatencyNetwork: inMS(p.Latency.Network), LatencyBuffer: inMS(p.Latency.Buffer),
			LatencyLeast: inMS(p.Latency.Least), LatencyMost: inMS(p.Latency.Most), LatencyUnsure: inMS(p.Latency.Uncertainty),
			PlayedMS: inMS(p.Played), ConcealedMS: inMS(p.Concealed), PathDifference: inMS(p.Link.PathDifference),
			PacketsDirect: p.Link.PacketsDirect, PacketsForward: p.Link.PacketsForward, PacketsLost: p.Link.PacketsLost,
			PacketsUnused: p.Link.PacketsUnusable, BadFeedback: p.Link.BadFeedback,
			RedDepth: p.Link.RedundantDepth, RedSpread: p.Link.RedundantSpread,
			RepairedRatio: p.Link.RepairedRatio, Retransmitted: p.Link.Retransmitted,
			PeakDB: p.Level.PeakDB, statsServerView: newStatsServerView(seen.server), statsPaths: newStatsPaths(seen),
		})
	}
	return line
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
