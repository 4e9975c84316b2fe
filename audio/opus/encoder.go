package opus

/*
#include "libopus.h"
*/
import "C"

import "fmt"

// EncoderConfig is what an encoder starts with.
type EncoderConfig struct {
	Channels     int         // 1 or 2
	BitrateBPS   int         // bits a second, 6000 to 510000
	FrameSamples int         // per channel: 120, 240, 480, 960, 1920 or 2880
	Complexity   int         // 0 (cheap) to 10 (best)
	LossPercent  int         // expected loss, 0 to 100; spends bits on robustness
	Independent  bool        // packets do not build upon those before: a loss leaves no trace behind 2.5 ms, for some bits
	Application  Application // fixed for life
	DTX          bool        // send next to nothing in silence
	FEC          bool        // repeat speech coarsely in the next packet (RFC 6716, 2.1.7); VoIP, 10 ms and longer, with LossPercent
}

// Encoder turns frames of PCM into packets.
type Encoder struct {
	engine    *C.OpusEncoder
	cfg       EncoderConfig
	lookAhead int
}

// NewEncoder makes an encoder; Close frees it.
func NewEncoder(cfg EncoderConfig) (*Encoder, error) {
	if err := checkEncoder(cfg); err != nil {
		return nil, err
	}
	var code C.int
	engine := C.opus_encoder_create(SampleRate, C.int(cfg.Channels), cApplication(cfg.Application), &code)
	if engine == nil || code != 0 {
		return nil, fmt.Errorf("make opus encoder: %w", codeError(code))
	}
	e := &Encoder{engine: engine, cfg: cfg}
	if err := e.configure(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func checkEncoder(cfg EncoderConfig) error {
	if err := checkChannels(cfg.Channels); err != nil {
		return err
	}
	switch cfg.FrameSamples {
	case 120, 240, 480, 960, 1920, 2880:
		return nil
	}
	return fmt.Errorf("opus: a frame of %d samples is not possible, only 120, 240, 480, 960, 1920 or 2880", cfg.FrameSamples)
}

func cApplication(a Application) C.int {
	switch a {
	case VoIP:
		return C.GASSO_APPLICATION_VOIP
	case Audio:
		return C.GASSO_APPLICATION_AUDIO
	default:
		return C.GASSO_APPLICATION_LOWDELAY
	}
}

func (e *Encoder) configure() error {
	if err := e.SetBitrate(e.cfg.BitrateBPS); err != nil {
		return fmt.Errorf("set opus bitrate %d: %w", e.cfg.BitrateBPS, err)
	}
	if err := e.SetComplexity(e.cfg.Complexity); err != nil {
		return fmt.Errorf("set opus complexity %d: %w", e.cfg.Complexity, err)
	}
	if err := e.set(C.GASSO_SET_PACKET_LOSS_PERC, e.cfg.LossPercent); err != nil {
		return fmt.Errorf("set opus loss percentage %d: %w", e.cfg.LossPercent, err)
	}
	if err := e.setSwitch(C.GASSO_SET_PREDICTION_DISABLED, e.cfg.Independent); err != nil {
		return fmt.Errorf("set opus prediction: %w", err)
	}
	if err := e.setSwitch(C.GASSO_SET_INBAND_FEC, e.cfg.FEC); err != nil {
		return fmt.Errorf("set opus FEC: %w", err)
	}
	if err := e.SetDTX(e.cfg.DTX); err != nil {
		return fmt.Errorf("set opus DTX: %w", err)
	}
	var samples C.int
	if code := C.gasso_opus_get(e.engine, C.GASSO_GET_LOOKAHEAD, &samples); code != 0 {
		return fmt.Errorf("read opus look-ahead: %w", codeError(code))
	}
	e.lookAhead = int(samples)
	return nil
}

// Encode writes one packet to dst and returns its length in bytes. pcm holds exactly one frame,
// interleaved; dst should have room for 1275 bytes. With DTX a result of up to 2 bytes need not be
// sent.
func (e *Encoder) Encode(pcm []float32, dst []byte) (int, error) {
	if e.engine == nil {
		return 0, ErrClosed
	}
	if len(pcm) != e.cfg.FrameSamples*e.cfg.Channels {
		return 0, errBadArgument
	}
	if len(dst) == 0 {
		return 0, errShortBuffer
	}
	n := C.opus_encode_float(e.engine, (*C.float)(&pcm[0]), C.int(e.cfg.FrameSamples), (*C.uchar)(&dst[0]), C.int(len(dst)))
	if n < 0 {
		return 0, codeError(n)
	}
	return int(n), nil
}

// SetBitrate sets the target in bits a second, 500 to 512000.
func (e *Encoder) SetBitrate(bps int) error {
	if bps < 500 || bps > 512000 {
		return errBadArgument
	}
	return e.set(C.GASSO_SET_BITRATE, bps)
}

// SetComplexity trades CPU for quality, from 0 to 10.
func (e *Encoder) SetComplexity(complexity int) error {
	return e.set(C.GASSO_SET_COMPLEXITY, complexity)
}

// SetDTX switches discontinuous transmission.
func (e *Encoder) SetDTX(on bool) error { return e.setSwitch(C.GASSO_SET_DTX, on) }

func (e *Encoder) setSwitch(request C.int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return e.set(request, value)
}

func (e *Encoder) set(request C.int, value int) error {
	if e.engine == nil {
		return ErrClosed
	}
	return codeError(C.gasso_opus_set(e.engine, request, C.int(value)))
}

// LookAheadSamples is by how many samples the decoded signal lags behind the encoded one.
func (e *Encoder) LookAheadSamples() int { return e.lookAhead }

// Close frees the encoder; further calls return ErrClosed.
func (e *Encoder) Close() {
	if e.engine != nil {
		C.opus_encoder_destroy(e.engine)
		e.engine = nil
	}
}
