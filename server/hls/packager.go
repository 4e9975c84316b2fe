// Package hls turns the program of a room into an HTTP Live Streaming broadcast (RFC 8216).
//
// PCM goes through a bounded ring to an encoder (AAC-LC by a supervised ffmpeg, or Opus in this
// process when there is no ffmpeg); its frames become parts, parts become segments, and each
// finished segment replaces the immutable snapshot that the HTTP handler serves:
//
//	Write -> source -> encoder -> segmenter -> snapshot -> Handler
package hls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sampleRate = 48000 // samples a second of the program
	channels   = 2

	defaultSegment  = 2 * time.Second
	defaultListSize = 10
	endTimeout      = 5 * time.Second // how long End waits for the encoder's last frames
)

const problemNoFFmpeg = "ffmpeg is missing, so the broadcast is Opus only and some Apple devices cannot play it. " +
	"Install ffmpeg and start the server again."

// Config says how one room is broadcast.
type Config struct {
	RoomID          string // for the log
	Epoch           int64  // names the folder of this life of the broadcast; each life of a room has a higher one
	FirstSequence   int64  // media sequence number of the first segment; above 0 it follows an earlier life
	FFmpeg          string // path of ffmpeg; empty means Opus only
	SegmentDuration time.Duration
	ListSize        int             // segments in the playlist
	OnSegment       func(seq int64) // called for each published segment, from the encoder's goroutine; may be nil
	Log             *slog.Logger

	now func() time.Time // clock of the grace time; nil is time.Now
}

// Packager turns the program of one room into one epoch of its broadcast.
type Packager struct {
	source    *source
	encoder   encoder
	segmenter *segmenter
	handler   *handler
	onSegment func(int64)

	cancel  context.CancelFunc
	done    chan struct{} // closed when runEncoder has ended
	endOnce sync.Once
	ended   atomic.Bool
}

// encoder turns runs of PCM into coded frames.
type encoder interface {
	// encodeRun encodes the PCM of r until the run ends (or ctx does) and hands each frame to emit.
	encodeRun(ctx context.Context, r run, emit func(frame))
	status() encoderStatus
}

// encoderStatus is what the encoder tells of itself.
type encoderStatus struct {
	problem  string
	restarts int64
	pid      int
}

// Status is the state of a packager at one moment.
type Status struct {
	Problem        string    // what is wrong and what to do next, in words; empty when all is well
	Codec          string    // "aac" or "opus"
	Segments       int64     // published so far in this life
	NextSequence   int64     // media sequence number of the next segment
	LastSegment    time.Time // when the newest segment was published; zero before the first
	Restarts       int64     // times the encoder was started again
	EncoderPID     int       // process id of ffmpeg; 0 without one
	DroppedSamples int64     // program that did not fit the encoder's queue, per channel
	Ended          bool
}

// New starts the broadcast of one room. It fails when cfg names an ffmpeg that cannot be found.
func New(cfg Config) (*Packager, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Packager{source: newSource(), onSegment: cfg.OnSegment, cancel: cancel, done: make(chan struct{})}
	what := renditionAAC
	if cfg.FFmpeg == "" {
		what = renditionOpus
		p.encoder = newOpusEncoder(p.source, cfg.Log)
	} else {
		p.encoder = newAACEncoder(cfg.FFmpeg, p.source, cfg.Log)
	}
	var err error
	if p.segmenter, err = newSegmenter(cfg, what); err != nil {
		cancel()
		return nil, err
	}
	p.handler = &handler{segmenter: p.segmenter}
	go p.runEncoder(ctx)
	return p, nil
}

// complete fills in defaults and checks what was given.
func (cfg *Config) complete() error {
	if cfg.SegmentDuration == 0 {
		cfg.SegmentDuration = defaultSegment
	}
	if cfg.ListSize == 0 {
		cfg.ListSize = defaultListSize
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Log = cfg.Log.With("room", cfg.RoomID)
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.SegmentDuration < time.Second || cfg.ListSize < 3 || cfg.FirstSequence < 0 || cfg.Epoch < 0 {
		return errors.New("hls: segments must last a second or more, the list must hold 3 or more, epoch and sequence must not be negative")
	}
	if cfg.FFmpeg != "" {
		path, err := exec.LookPath(cfg.FFmpeg)
		if err != nil {
			return fmt.Errorf("find ffmpeg: %w", err)
		}
		cfg.FFmpeg = path
	}
	return nil
}

// Write takes a block of the program: interleaved stereo at 48 kHz, whose first sample was played at
// roomNS (room time in nanoseconds). It is called from one goroutine at a time, never blocks and
// allocates nothing; pcm is borrowed. What the encoder's queue cannot hold is dropped and counted.
// A hole of up to one second becomes silence, a longer one a discontinuity.
func (p *Packager) Write(pcm []float32, roomNS int64) { p.source.write(pcm, samplesOf(roomNS)) }

// Handler serves the playlists and segments below the path that it is mounted at.
func (p *Packager) Handler() http.Handler { return p.handler }

// End finishes the broadcast: what was written is encoded, and the playlist ends. The handler goes
// on serving. It returns once that is done, after 5 seconds at most.
func (p *Packager) End() {
	p.endOnce.Do(func() {
		p.source.end()
		stop := time.AfterFunc(endTimeout, p.cancel)
		<-p.done
		stop.Stop()
		p.cancel()
		p.segmenter.end()
		p.ended.Store(true)
	})
}

// Close stops the encoder and waits for its goroutines; what was not yet encoded is lost. The
// playlist ends if End was not called before.
func (p *Packager) Close() error {
	p.cancel()
	p.End()
	return nil
}

// Status tells how the broadcast stands.
func (p *Packager) Status() Status {
	st := p.segmenter.status()
	enc := p.encoder.status()
	st.Problem, st.Restarts, st.EncoderPID = enc.problem, enc.restarts, enc.pid
	st.DroppedSamples = p.source.dropped.Load()
	st.Ended = p.ended.Load()
	return st
}

// runEncoder encodes run after run and feeds the segmenter, which it owns until it ends.
func (p *Packager) runEncoder(ctx context.Context) {
	defer close(p.done)
	for {
		r, ok := p.source.nextRun(ctx)
		if !ok {
			return
		}
		p.segmenter.startRun()
		p.encoder.encodeRun(ctx, r, p.emit)
	}
}

// emit adds one frame and reports the segment that it finished, if any.
func (p *Packager) emit(f frame) {
	if seq, published := p.segmenter.append(f); published && p.onSegment != nil {
		p.onSegment(seq)
	}
}

// samplesOf converts nanoseconds to samples, rounded to the nearest.
func samplesOf(ns int64) int64 {
	sec, rest := ns/int64(time.Second), ns%int64(time.Second)
	return sec*sampleRate + (rest*sampleRate+int64(time.Second)/2)/int64(time.Second)
}

// timeOf converts samples since the Unix epoch to a UTC time.
func timeOf(sample int64) time.Time {
	return time.Unix(sample/sampleRate, sample%sampleRate*int64(time.Second)/sampleRate).UTC()
}

// durationOf converts a number of samples to a duration.
func durationOf(samples int64) time.Duration {
	return time.Duration(samples) * time.Second / sampleRate
}
