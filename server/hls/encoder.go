package hls

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"gasso/net/backoff"
)

const (
	aacFrameSamples = 1024
	aacPriming      = 1024 // the first frame of an encoder's life holds what came this much before its input
	aacSettle       = 8    // frames of a new life that are left out: its first ones hold an onset that is none
	feedSamples     = 1024

	hangAfter    = 3 * time.Second
	watchEvery   = 200 * time.Millisecond
	lagSamples   = sampleRate / 2 // more than a healthy ffmpeg ever holds back
	maxFruitless = 3              // lives without a single frame before the waiting program is given up
	healthyLife  = 94             // frames after which a crash counts as the first again
	restartMin   = 10 * time.Millisecond
	restartMax   = 5 * time.Second
)

var (
	errStart = errors.New("it does not start")
	errHung  = errors.New("it stopped answering")
	errEnded = errors.New("it ended by itself")
)

// aacEncoder encodes AAC-LC by an ffmpeg process, which it starts again when it dies or hangs. A new
// process is given PCM from a few frames before the first missing one on, so that frame numbers, and
// with them time stamps, continue.
type aacEncoder struct {
	path    string
	source  *source
	log     *slog.Logger
	backoff *backoff.Backoff

	restarts atomic.Int64
	problem  atomic.Pointer[string]
	pid      atomic.Int64 // of the running process; 0 between two
}

// aacRun is how far the encoding of one run came.
type aacRun struct {
	run
	frames   int64        // emitted so far, which is the number of the next one
	position atomic.Int64 // end of the PCM that the emitted frames hold
	output   atomic.Int64 // when ffmpeg last gave something or was started, Unix nanoseconds
}

func newAACEncoder(path string, src *source, log *slog.Logger) *aacEncoder {
	seed := uint64(time.Now().UnixNano()) // only spreads restarts
	return &aacEncoder{path: path, source: src, log: log,
		backoff: backoff.New(restartMin, restartMax, rand.New(rand.NewPCG(seed, seed)))}
}

func (e *aacEncoder) status() encoderStatus {
	st := encoderStatus{restarts: e.restarts.Load(), pid: int(e.pid.Load())}
	if p := e.problem.Load(); p != nil {
		st.problem = *p
	}
	return st
}

// encodeRun implements encoder.
func (e *aacEncoder) encodeRun(ctx context.Context, r run, emit func(frame)) {
	if end, final := e.source.limit(); final && end == r.position {
		return
	}
	a := &aacRun{run: r}
	a.position.Store(r.position)
	for fruitless := 0; fruitless < maxFruitless; {
		before := a.frames
		err := e.live(ctx, a, emit)
		if err == nil || ctx.Err() != nil {
			return
		}
		if a.frames-before >= healthyLife {
			e.backoff.Reset()
		}
		if a.frames > before {
			fruitless = 0
		} else if !errors.Is(err, errStart) {
			fruitless++
		}
		e.restarts.Add(1)
		wait := e.backoff.Next()
		e.report(err, wait)
		if !sleep(ctx, wait) {
			return
		}
	}
	e.source.skip(r) // the program that waits may be what it dies of
}

// report says what happened and what happens next.
func (e *aacEncoder) report(err error, wait time.Duration) {
	text := fmt.Sprintf("The AAC encoder failed: %v. It is started again; if this stays, check that %s runs.", err, e.path)
	e.problem.Store(&text)
	e.log.Warn("aac encoder failed", "error", err, "restart_in", wait)
}

// live is one life of ffmpeg. It returns nil when the run has been encoded to its end.
func (e *aacEncoder) live(parent context.Context, a *aacRun, emit func(frame)) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var complaint tail
	cmd := e.command(ctx)
	cmd.Stderr = &complaint
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	a.output.Store(time.Now().UnixNano())
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: %w", errStart, err)
	}
	e.pid.Store(int64(cmd.Process.Pid))
	defer e.pid.Store(0)

	first := max(0, a.frames-aacSettle)
	var finished atomic.Bool
	var helpers sync.WaitGroup
	helpers.Go(func() { finished.Store(e.runFeed(ctx, stdin, a.run.position+first*aacFrameSamples)) })
	helpers.Go(func() { e.runWatch(ctx, a, cancel) })
	err = e.collect(stdout, a, first, emit)
	if err != nil {
		cancel(err)
	}
	exit := cmd.Wait()
	hung := context.Cause(ctx)
	cancel(nil)
	helpers.Wait()
	return verdict(hung, exit, finished.Load(), &complaint)
}

// verdict turns the end of a process into an error, or nil when it did all it should.
func verdict(cause, exit error, finished bool, complaint *tail) error {
	switch {
	case cause != nil:
		return cause
	case exit == nil && finished:
		return nil
	case exit == nil:
		exit = errEnded
	}
	if text := complaint.String(); text != "" {
		return fmt.Errorf("%w: %s", exit, text)
	}
	return exit
}

func (e *aacEncoder) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, e.path, "-hide_banner", "-nostdin", "-loglevel", "error",
		"-probesize", "32", "-analyzeduration", "0", // not nobuffer: it loses the probed PCM, and with it the alignment
		"-f", "f32le", "-ar", "48000", "-ac", "2", "-i", "pipe:0",
		"-c:a", "aac", "-aac_coder", "fast", // the default clicks on pure tones: errors 6 dB below them for 5 ms, against 58
		"-profile:a", "aac_low", "-b:a", "128k",
		"-flush_packets", "1", "-f", "adts", "pipe:1")
	cmd.WaitDelay = time.Second
	detach(cmd)
	return cmd
}

// runFeed writes PCM from position on until the run ends, which it reports as true.
func (e *aacEncoder) runFeed(ctx context.Context, stdin io.WriteCloser, position int64) (finished bool) {
	pcm := make([]float32, feedSamples*channels)
	raw := make([]byte, 0, 4*len(pcm))
	for {
		end, final := e.source.limit()
		n := min(end-position, feedSamples)
		switch {
		case n <= 0 && final:
			return stdin.Close() == nil
		case n <= 0:
			if !e.source.wait(ctx) {
				return false
			}
			continue
		}
		e.source.read(pcm[:n*channels], position)
		raw = raw[:0]
		for _, v := range pcm[:n*channels] {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		if _, err := stdin.Write(raw); err != nil {
			return false
		}
		position += n
	}
}

// runWatch kills a process that has PCM to encode and gives nothing for hangAfter.
func (e *aacEncoder) runWatch(ctx context.Context, a *aacRun, kill context.CancelCauseFunc) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			behind := e.source.written.Load()-a.position.Load() > lagSamples || e.source.ended.Load()
			if !behind {
				a.output.Store(now.UnixNano())
			} else if now.UnixNano()-a.output.Load() > int64(hangAfter) {
				kill(errHung)
				return
			}
		}
	}
}

// collect reads the frames of a life that begins with frame number first of the run, and emits those
// that were not emitted before.
func (e *aacEncoder) collect(stdout io.Reader, a *aacRun, first int64, emit func(frame)) error {
	r := bufio.NewReaderSize(stdout, maxADTSFrame)
	for number := first; ; number++ {
		payload, err := readADTS(r)
		if errors.Is(err, io.EOF) {
			return nil // the exit code tells why
		}
		if err != nil {
			return err
		}
		a.output.Store(time.Now().UnixNano())
		if number < a.frames {
			continue
		}
		emit(frame{payload: payload, samples: aacFrameSamples,
			roomSample: a.run.roomSample + number*aacFrameSamples - aacPriming})
		a.frames = number + 1
		a.position.Store(a.run.position + number*aacFrameSamples)
		e.source.keep(a.run.position + max(0, a.frames-aacSettle)*aacFrameSamples)
		e.problem.Store(nil)
	}
}

// sleep waits; it returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
