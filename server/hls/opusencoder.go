package hls

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"gasso/audio/opus"
)

const (
	opusFrameSamples = 960
	opusBitrateBPS   = 128000
	opusMaxPacket    = 1500 // bytes
)

// opusEncoder encodes Opus in this process; it is what there is without ffmpeg.
type opusEncoder struct {
	source  *source
	log     *slog.Logger
	problem atomic.Pointer[string]
}

func newOpusEncoder(src *source, log *slog.Logger) *opusEncoder {
	e := &opusEncoder{source: src, log: log}
	e.say(problemNoFFmpeg)
	return e
}

func (e *opusEncoder) say(text string) { e.problem.Store(&text) }

func (e *opusEncoder) status() encoderStatus { return encoderStatus{problem: *e.problem.Load()} }

// encodeRun implements encoder.
func (e *opusEncoder) encodeRun(ctx context.Context, r run, emit func(frame)) {
	enc, err := opus.NewEncoder(opus.EncoderConfig{Channels: channels, BitrateBPS: opusBitrateBPS,
		FrameSamples: opusFrameSamples, Complexity: 9, Application: opus.Audio})
	if err == nil {
		defer enc.Close()
		err = e.encode(ctx, enc, r, emit)
	}
	if err != nil {
		e.log.Error("opus encoder failed", "error", err)
		e.say(fmt.Sprintf("The Opus encoder failed: %v. The broadcast goes on with a gap.", err))
		e.source.skip(r)
	}
}

func (e *opusEncoder) encode(ctx context.Context, enc *opus.Encoder, r run, emit func(frame)) error {
	pcm := make([]float32, opusFrameSamples*channels)
	packet := make([]byte, opusMaxPacket)
	lookAhead := int64(enc.LookAheadSamples())
	for position := r.position; ; position += opusFrameSamples {
		n, ok := e.available(ctx, position)
		if !ok || n <= -lookAhead {
			return nil
		}
		clear(pcm)
		if n > 0 {
			e.source.read(pcm[:n*channels], position)
		}
		size, err := enc.Encode(pcm, packet)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		emit(frame{payload: append([]byte(nil), packet[:size]...), samples: opusFrameSamples,
			roomSample: r.roomSample + position - r.position - lookAhead})
		e.source.keep(position + max(n, 0))
	}
}

// available waits for a frame of PCM at position and returns how many samples of it there are: fewer
// than a frame, or none, only where the run ends. It returns false when ctx ends first.
func (e *opusEncoder) available(ctx context.Context, position int64) (n int64, ok bool) {
	for ctx.Err() == nil {
		end, final := e.source.limit()
		if n = min(end-position, opusFrameSamples); n == opusFrameSamples || final {
			return n, true
		}
		e.source.wait(ctx)
	}
	return 0, false
}
