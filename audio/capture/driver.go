package capture

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/mediadevices"
	"github.com/pion/mediadevices/pkg/codec"
	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/audio"
	"github.com/pion/mediadevices/pkg/prop"
	"github.com/pion/mediadevices/pkg/wave"

	"gasso/audio/opus"
)

// registration makes register, find, open and delete one step: mediadevices keeps one list of drivers
// for the whole process, and looking for one opens and closes all of them.
var registration sync.Mutex

var lastLabel atomic.Int64

// micDriver is the microphone as a mediadevices driver. It may be opened and closed any number of times;
// only closing the microphone ends its frames.
type micDriver struct {
	mic   *Microphone
	frame *wave.Float32Interleaved
}

// Open has nothing to do: the device is open already.
func (d *micDriver) Open() error { return nil }

// Close has nothing to do: the device is the caller's.
func (d *micDriver) Close() error { return nil }

// Properties is the one format there is.
func (d *micDriver) Properties() []prop.Media {
	cfg := d.mic.cfg.Encoder
	return []prop.Media{{Audio: prop.Audio{
		ChannelCount:  cfg.Channels,
		SampleRate:    sampleRate,
		SampleSize:    4,
		IsFloat:       true,
		IsInterleaved: true,
		Latency:       frameDuration(cfg.FrameSamples),
	}}}
}

// AudioRecord returns the reader of processed frames.
func (d *micDriver) AudioRecord(prop.Media) (audio.Reader, error) {
	cfg := d.mic.cfg.Encoder
	d.frame = wave.NewFloat32Interleaved(wave.ChunkInfo{Len: cfg.FrameSamples, Channels: cfg.Channels, SamplingRate: sampleRate})
	return audio.ReaderFunc(d.read), nil
}

func (d *micDriver) read() (wave.Audio, func(), error) {
	if !d.mic.waitFrame(d.frame.Data) {
		return nil, nil, io.EOF
	}
	return d.frame, func() {}, nil
}

// openTrack has mediadevices choose our driver by its constraints and make a track of it.
func openTrack(m *Microphone) (mediadevices.Track, error) {
	registration.Lock()
	defer registration.Unlock()
	label := fmt.Sprintf("gasso-%d", lastLabel.Add(1))
	drivers := driver.GetManager()
	if err := drivers.Register(&micDriver{mic: m}, driver.Info{Label: label, DeviceType: driver.Microphone}); err != nil {
		return nil, fmt.Errorf("register microphone: %w", err)
	}
	found := drivers.Query(func(d driver.Driver) bool { return d.Info().Label == label })
	if len(found) != 1 {
		return nil, errors.New("register microphone: not found again")
	}
	defer drivers.Delete(found[0].ID())
	media, err := mediadevices.GetUserMedia(mediadevices.MediaStreamConstraints{
		Audio: func(c *mediadevices.MediaTrackConstraints) {
			c.DeviceID = prop.StringExact(found[0].ID())
			c.SampleRate = prop.IntExact(sampleRate)
			c.ChannelCount = prop.IntExact(m.cfg.Encoder.Channels)
		},
		Codec: mediadevices.NewCodecSelector(mediadevices.WithAudioEncoders(&encoderBuilder{m.encoder})),
	})
	if err != nil {
		return nil, fmt.Errorf("open microphone: %w", err)
	}
	return media.GetAudioTracks()[0], nil
}

// encoderBuilder hands mediadevices the microphone's encoder.
type encoderBuilder struct{ encoder *encoder }

// RTPCodec names Opus.
func (b *encoderBuilder) RTPCodec() *codec.RTPCodec {
	c := codec.NewRTPOpusCodec(sampleRate)
	c.Latency = frameDuration(b.encoder.cfg.FrameSamples)
	return c
}

// BuildAudioEncoder connects the encoder to the frames.
func (b *encoderBuilder) BuildAudioEncoder(r audio.Reader, p prop.Media) (codec.ReadCloser, error) {
	if p.SampleRate != sampleRate || p.ChannelCount != b.encoder.cfg.Channels {
		return nil, fmt.Errorf("the microphone delivers %d channels at %d Hz, the encoder takes %d at %d", p.ChannelCount, p.SampleRate, b.encoder.cfg.Channels, sampleRate)
	}
	b.encoder.reader = r
	return b.encoder, nil
}

// unchanged is in a control that holds no new value.
const unchanged = -1

// encoder is Opus as mediadevices reads it. The controls may be set by any goroutine; they take
// effect before the next packet.
type encoder struct {
	cfg     opus.EncoderConfig
	engine  *opus.Encoder
	reader  audio.Reader
	payload [1500]byte

	bitrate    atomic.Int64
	complexity atomic.Int64
	dtx        atomic.Int64
}

func newEncoder(cfg opus.EncoderConfig) (*encoder, error) {
	engine, err := opus.NewEncoder(cfg)
	if err != nil {
		return nil, err
	}
	e := &encoder{cfg: cfg, engine: engine}
	e.bitrate.Store(unchanged)
	e.complexity.Store(unchanged)
	e.dtx.Store(unchanged)
	return e, nil
}

// Read encodes one frame. The payload is borrowed until the next Read.
func (e *encoder) Read() ([]byte, func(), error) {
	frame, _, err := e.reader.Read()
	if err != nil {
		return nil, nil, err
	}
	pcm, ok := frame.(*wave.Float32Interleaved)
	if !ok {
		return nil, nil, fmt.Errorf("encode: frames are %T", frame)
	}
	if err := e.apply(); err != nil {
		return nil, nil, fmt.Errorf("set encoder: %w", err)
	}
	n, err := e.engine.Encode(pcm.Data, e.payload[:])
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	return e.payload[:n], func() {}, nil
}

func (e *encoder) apply() error {
	if v := e.bitrate.Swap(unchanged); v != unchanged {
		if err := e.engine.SetBitrate(int(v)); err != nil {
			return err
		}
	}
	if v := e.complexity.Swap(unchanged); v != unchanged {
		if err := e.engine.SetComplexity(int(v)); err != nil {
			return err
		}
	}
	if v := e.dtx.Swap(unchanged); v != unchanged {
		return e.engine.SetDTX(v == 1)
	}
	return nil
}

// Controller is the encoder itself, a codec.BitRateController.
func (e *encoder) Controller() codec.EncoderController { return e }

// SetBitRate sets the bitrate in bits a second.
func (e *encoder) SetBitRate(bps int) error {
	if bps < 6000 || bps > 510000 {
		return fmt.Errorf("a bitrate of %d bit/s is not possible, only 6000 to 510000", bps)
	}
	e.bitrate.Store(int64(bps))
	return nil
}

// Close frees the encoder; nobody may be in Read.
func (e *encoder) Close() error {
	e.engine.Close()
	return nil
}

func frameDuration(samples int) time.Duration {
	return time.Duration(samples) * time.Second / sampleRate
}

var _ codec.BitRateController = (*encoder)(nil)

// opusName is what the track calls the codec.
const opusName = "audio/opus"
