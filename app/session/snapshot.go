package session

import "time"

// Snapshot is what a screen or a statistics line needs to know of a session at one moment. It is a copy.
type Snapshot struct {
	At          time.Time
	State       State
	Problem     string // what is wrong and what happens next, in words; empty when all is well
	Room, Title string
	Self        Self
	Performers  []Performer // the others, in order of joining
	Findings    []Finding   // what is wrong with connections and on whose side, this one's first
	OnAir       OnAir
	Chat        []ChatLine // the newest 200, oldest first
	ClockReady  bool
	ClockDirect bool  // room time comes on the data channel, not in signaling
	RoomNS      int64 // room time at At; 0 while it is unknown
	ServerRTT   time.Duration

	figures figures // that the findings were made from
}

// State is how the session stands with the server.
type State string

// The states of a session.
const (
	StateConnecting   State = "connecting"
	StateJoined       State = "joined"
	StateReconnecting State = "reconnecting"
	StateEnded        State = "ended"
)

// Self is the performer at this machine.
type Self struct {
	ID, Name       string
	Host           bool
	Muted          bool
	Level          Level   // of the microphone after processing
	LoudnessLUFS   float64 // of the same, over 3 s (EBU R128 short-term); -120 is silence
	TruePeakDB     float64 // its highest since the microphone began, in dBTP
	OutputLevel    Level   // of everything that the loudspeaker plays
	ProgramStrip   Strip   // the own strip in the program, which hosts set
	ProgramLevel   Level   // hosts only
	Processing     Processing
	News           string // of the devices, in words: what is well again; else empty
	Missing        string // why processing that was asked for is not in effect; empty if it is
	Mode           Mode
	InputName      string
	OutputName     string
	EncoderBitrate int           // bit/s
	CaptureLatency time.Duration // device period, processing and encoder look-ahead
	RenderLatency  time.Duration
	CaptureLate    time.Duration // by which a callback of the microphone came late at worst, in the last 5 to 10 s
	RenderLate     time.Duration // likewise of the loudspeaker
	Underruns      int64         // of the loudspeaker
	Overruns       int64         // of the microphone
	InvalidSamples int64         // that the devices delivered, not numbers or infinite; silence stood in for them
	Reopens        int64         // times the devices had to be opened again
	Monitor        Monitor
	Governor       Governor
	Spool          Spool
	Network        Network
}

// Network tells how what is sent and received is fitted into the own network.
type Network struct {
	UplinkBPS    int      // bit/s that it carries, headers included, as estimated; 0 while no limit was met
	LimitedBy    Limit    // empty while nothing is held back
	Short        bool     // even the least that is sent does not fit
	MostCopies   int      // redundant copies in each packet that it leaves room for
	DirectPaths  int      // that carry the own packets
	RestingPaths int      // direct ones that carry nothing now, since the server stands in
	Receiving    Receives // what is done without for want of downlink
}

// Limit says what holds the own sound back.
type Limit string

// The limits.
const (
	LimitUplink Limit = "uplink" // the own
	LimitServer Limit = "server" // the way to the server alone
)

// Receives is what comes from the others.
type Receives string

// From everything to the least.
const (
	ReceivesAll    Receives = "all"    // on both paths
	ReceivesDirect Receives = "direct" // not forwarded in addition
	ReceivesMix    Receives = "mix"    // a small one, made by the server
)

// Governor tells what is taken back now so that sound goes on without gaps, and why.
type Governor struct {
	Step          int            // 0 nothing is taken back, to 6; docs/architecture.md has their order
	Reason        GovernorReason // for the step; empty at 0
	Said          string         // what was taken back and why, or that all is back, in words; else empty
	NoiseOff      bool           // noise suppression, which was asked for, is off for now
	Mode          Mode           // whose packet length is in effect
	MeterInterval time.Duration  // between two pictures of the meters; 0 draws none, since nobody looks
	Load          Load
}

// GovernorReason is why quality was lowered.
type GovernorReason string

// The reasons of the governor.
const (
	ReasonCPULimit   GovernorReason = "cpu_limit"   // that was set is reached
	ReasonCPUQuota   GovernorReason = "cpu_quota"   // the system holds the process back
	ReasonFrameTime  GovernorReason = "frame_time"  // frames take nearly as long as they last
	ReasonLateFrames GovernorReason = "late_frames" // callbacks come late or find nothing, and the machine is busy
	ReasonMemory     GovernorReason = "memory"
)

// Load is what the governor watches, over the last second.
type Load struct {
	CPUPercent       float64 // of one core, by this process
	CPULimitPercent  float64 // of one core, that was set; 0 without
	CPUQuotaPercent  float64 // of one core, that the system grants; 0 without
	ThrottledPercent float64 // of the time in which the system held the process back
	MachinePercent   float64 // of all cores, by everybody
	CaptureRatio     float64 // time spent on a frame of the microphone / its length
	PlayoutRatio     float64 // the same for the loudspeaker
	Late             time.Duration
	Dropouts         int64 // underruns and overruns
	MemoryBytes      int64 // resident
	MemoryLimitBytes int64 // that the system grants or GOMEMLIMIT says; 0 without
}

// Performer is another performer in the room, as heard here.
type Performer struct {
	ID, Name       string
	Host           bool
	Strip          Strip // this performer's strip at this machine's loudspeaker
	ProgramStrip   Strip // its strip in the program, which hosts set
	Level          Level // as received, before the strip
	ProgramLevel   Level // hosts only
	Link           Link
	ConcealedRatio float64       // of the last 5 s, 0 to 1
	Played         time.Duration // of this performer's sound since the first packet,
	Concealed      time.Duration // and what of it was invented because packets were missing
	TargetDelay    time.Duration // of the jitter buffer
	CurrentDelay   time.Duration // that it has now, on its way to the target
	Latency        Latency       // measured, from the microphone there to the loudspeaker here
	Outlook        []Outlook     // what other delays would have cost, from the shortest; may be empty
}

// Outlook is what a delay of the jitter buffer would have cost in the last seconds.
type Outlook struct {
	Delay     time.Duration
	LostRatio float64 // packets that would not have been there in time, 0 to 1
}

// Link tells how the connection with a performer is.
type Link struct {
	Quality         Quality
	Direct          bool // packets come peer to peer
	Relayed         bool // though by a relay
	Forwarded       bool // packets come through the server
	DirectRTT       time.Duration
	PacketsDirect   int64
	PacketsForward  int64
	PacketsLost     int64
	PathDifference  time.Duration // by which the fastest packets through the server come after the direct ones; 0 while there is one path
	PacketsReceived int64
	RedundantDepth  int     // copies of earlier packets in each packet sent to this performer, or to the server for it
	RedundantSpread int     // distance of the oldest copy in packets
	RepairedRatio   float64 // of the packets that came from this performer: as a copy or for a second time alone, 0 to 1
	Retransmitted   int64   // packets sent again because the other side asked
	PacketsUnusable int64   // that came and could not be used: damaged, impossible, before room time was known, or too many at once
	BadFeedback     int64   // reports and requests of the other side that made no sense
}

// Quality is a connection in one word.
type Quality string

// The qualities of a connection, best first.
const (
	QualityGood       Quality = "good"
	QualityFair       Quality = "fair"
	QualityPoor       Quality = "poor"
	QualityConnecting Quality = "connecting"
	QualitySilent     Quality = "silent" // connected, but no packets
)

// Strip is what a fader strip does to a signal.
type Strip struct {
	GainDB float64 // -80 to +12
	Pan    float64 // -1 left to +1 right
	Mute   bool
	Solo   bool // at this machine only
}

// Level is a meter's reading in dBFS; -120 is silence.
type Level struct{ PeakDB, RMSDB float64 }

// OnAir is the state of the broadcast.
type OnAir struct {
	Live         bool
	Since        time.Time
	ListenerURL  string
	Listeners    int
	Problem      string
	ProgramLevel Level // hosts only
}

// ChatLine is a line of chat.
type ChatLine struct {
	FromID, Name, Text string
	At                 time.Time
}

// Processing says which stages the microphone passes. Music turns the others off.
type Processing struct {
	EchoCancellation bool
	NoiseSuppression bool
	AutoGainControl  bool
	HighPass         bool // 80 Hz
	Music            bool
}

// Mode trades latency for robustness.
type Mode string

// Studio uses frames of 2.5 ms, live of 5 ms, safe of 10 ms.
const (
	ModeStudio Mode = "studio"
	ModeLive   Mode = "live"
	ModeSafe   Mode = "safe"
)
