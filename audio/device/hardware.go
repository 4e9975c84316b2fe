package device

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gen2brain/malgo"
)

// How long the sound system may take before it counts as hung.
const (
	openWithin  = 6 * time.Second
	closeWithin = 2 * time.Second
)

// monitorSuffix ends PulseAudio's names of what a loudspeaker plays, offered as a microphone.
const monitorSuffix = ".monitor"

// pulsePieces is into how many callbacks PulseAudio divides the length of buffer that it is asked for.
const pulsePieces = 4

// direction is one of the two ways sound goes.
type direction struct {
	kind malgo.DeviceType
	word string // for people
}

var (
	capturing = direction{malgo.Capture, "microphone"}
	rendering = direction{malgo.Playback, "loudspeaker"}
)

// wish says which hardware to open.
type wish struct {
	way      direction
	backend  string
	id       string // empty is the default device
	channels []int  // as in Spec
	period   int    // at 48 kHz
	standIn  bool   // rather a real microphone than the default one if that is a monitor
}

// process is a device's callback: interleaved frames that were captured or are to be filled, at the
// device's own rate and with its own channels. It is not called any more once the device is abandoned.
type process func(pcm []float32)

// handler makes the callback of a device once its format is known.
type handler func(channels, rate int, selected []int) process

// hardware is one device opened once. Its callback does nothing before begin and after abandon.
type hardware struct {
	link        *link
	device      *malgo.Device
	process     process
	info        Info
	rate        int  // Hz
	asDefault   bool // the sound system may move it to another device
	openedAt    time.Time
	calls       atomic.Int64
	alive, busy atomic.Bool
}

// openHardware opens a device in the first sound system that has it.
func openHardware(w wish, handle handler) (*hardware, error) {
	systems, err := choose(w.backend)
	if err != nil {
		return nil, err
	}
	var there []found
	var problem error
	for _, s := range systems {
		l, err := s.connect()
		if err != nil {
			continue
		}
		list, err := l.devices(w.way)
		if err == nil && len(list) > 0 {
			h, err := l.open(w, list, handle)
			if err == nil {
				return h, nil
			}
			if !errors.Is(err, ErrNoDevice) {
				problem = err
			}
		}
		there = append(there, list...)
		l.free()
	}
	switch {
	case problem != nil:
		return nil, problem
	case len(there) == 0:
		return nil, fmt.Errorf("open %s: %w", w.way.word, ErrNoSound)
	default:
		return nil, fmt.Errorf("%w: there is no %s %q; there are %s", ErrNoDevice, w.way.word, w.id, names(there))
	}
}

// open opens one of the devices listed.
func (l *link) open(w wish, list []found, handle handler) (*hardware, error) {
	device, known := pick(list, w.id)
	if !known && w.id != "" {
		return nil, ErrNoDevice
	}
	byID := w.id != ""
	if w.standIn && (!known || strings.HasSuffix(device.ID, monitorSuffix)) {
		real := slices.IndexFunc(list, func(f found) bool { return !strings.HasSuffix(f.ID, monitorSuffix) })
		if real >= 0 {
			device, byID = list[real], true
		}
	}
	period := w.period
	if known {
		if _, rate := l.format(w.way, device); rate > 0 {
			period = max(1, period*rate/Rate)
		}
	}
	if l.backend == malgo.BackendPulseaudio {
		period *= pulsePieces
	}
	var problem error
	for _, frames := range []int{period, 2 * period, 512, 0} { // 0 is what the sound system likes
		h, err := l.start(w, device, byID, frames, handle)
		if err == nil || errors.Is(err, errNoChannel) {
			return h, err
		}
		problem = err
	}
	return nil, fmt.Errorf("open %s %q: %w; is another program using it?", w.way.word, device.Name, problem)
}

// errNoChannel is a device that has fewer channels than were asked for.
var errNoChannel = errors.New("the device has no such channel")

// start opens and starts a device with a period in its own frames.
func (l *link) start(w wish, f found, byID bool, period int, handle handler) (*hardware, error) {
	config := malgo.DefaultDeviceConfig(w.way.kind)
	config.SampleRate = 0 // the device's own; inlet and outlet resample better
	config.PeriodSizeInFrames = uint32(period)
	config.NoFixedSizedCallback = 1 // a fixed size costs a period of latency, and any size will do
	config.PerformanceProfile = malgo.LowLatency
	config.Capture.Format = malgo.FormatF32
	config.Capture.Channels = 0 // as many as there are
	config.Playback.Format = malgo.FormatF32
	if len(w.channels) == 0 {
		config.Playback.Channels = Channels
	}
	config.Pulse.StreamNameCapture = "microphone"
	config.Pulse.StreamNamePlayback = "performers"
	if byID {
		id := new(malgo.DeviceID) // alone, since what is pinned may not point to more
		*id = f.raw
		var pins runtime.Pinner
		pins.Pin(id)
		defer pins.Unpin()
		config.Capture.DeviceID, config.Playback.DeviceID = unsafe.Pointer(id), unsafe.Pointer(id)
	}
	h := &hardware{link: l, info: f.Info, asDefault: !byID}
	device, err := malgo.InitDevice(l.context.Context, config, malgo.DeviceCallbacks{Data: h.call})
	if err != nil {
		return nil, err
	}
	channels := int(device.PlaybackChannels())
	if w.way == capturing {
		channels = int(device.CaptureChannels())
	}
	for _, channel := range w.channels {
		if channel > channels {
			device.Uninit()
			return nil, fmt.Errorf("%w: %q has %d, so there is no channel %d", errNoChannel, f.Name, channels, channel)
		}
	}
	h.device = device
	h.rate = int(device.SampleRate())
	h.process = handle(channels, h.rate, w.channels)
	if err := device.Start(); err != nil {
		device.Uninit()
		return nil, err
	}
	h.calls.Store(0) // the one that fills a loudspeaker's buffer says nothing
	h.openedAt = time.Now()
	return h, nil
}

// call hands a callback's frames on while the device is in use.
func (h *hardware) call(rendered, captured []byte, _ uint32) {
	pcm := rendered
	if len(captured) > 0 {
		pcm = captured
	}
	if len(pcm) == 0 {
		return
	}
	h.calls.Add(1)
	h.busy.Store(true)
	if h.alive.Load() {
		h.process(unsafe.Slice((*float32)(unsafe.Pointer(&pcm[0])), len(pcm)/4))
	}
	h.busy.Store(false)
}

// begin lets the callback work. Only one device may do so on the same rings.
func (h *hardware) begin() { h.alive.Store(true) }

// abandon makes sure that no callback touches the rings any more and closes the device in a goroutine
// of its own, since closing a dead one can block for ever. The channel closes when that is done.
func (h *hardware) abandon() <-chan struct{} {
	h.alive.Store(false)
	for h.busy.Load() { // a callback takes microseconds and never blocks
		runtime.Gosched()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.device.Uninit()
		h.link.free()
	}()
	return done
}

// within runs f but waits no longer than limit or until stop closes; what f returns later goes to discard.
func within[T any](limit time.Duration, stop <-chan struct{}, f func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result)
	late := make(chan struct{})
	go func() {
		value, err := f()
		select {
		case results <- result{value, err}:
		case <-late:
			if err == nil {
				discard(value)
			}
		}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-results:
		return r.value, r.err
	case <-stop:
	case <-timer.C:
	}
	close(late)
	var none T
	return none, fmt.Errorf("the sound system does not answer within %v; restart it, or the computer", limit)
}
